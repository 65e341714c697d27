"""The settings of alerts: a TOML file with a table for each receiver, and no secret in it."""

from __future__ import annotations

import inspect
import os
import tomllib
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from kinema.errors import DataError, KinemaError, UsageError, closest
from kinema.streaming.sinks.base import Sink
from kinema.streaming.sinks.credentials import is_secret, variable
from kinema.streaming.sinks.files import EventLog, RowLog
from kinema.streaming.sinks.mail import MailSink
from kinema.streaming.sinks.mqtt import MqttSink
from kinema.streaming.sinks.webhook import WebhookSink, refuse_secret_url

SINKS: dict[str, Callable[..., Sink]] = {
    "mail": MailSink,
    "webhook": WebhookSink,
    "mqtt": MqttSink,
    "log": EventLog,
    "rows": RowLog,
}
"""The tables that a file may hold, and what each makes; the settings are the arguments."""

_SERVICES = {"mail": "smtp", "webhook": "webhook", "mqtt": "mqtt"}
_NOT_IN_FILES = ("folder",)
_WORDS = {
    str: "a text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path in quotes",
}


def read_sinks(path: str | os.PathLike[str], folder: Path | None = None) -> list[Sink]:
    """Return the sinks of a file as `alerts.toml`; `folder` is where their outbox is kept.

        [mail]
        to = ["guard@example.org"]
        host = "smtp.example.org"
        labels = ["fall"]

        [[webhook]]
        url = "https://example.org/kinema"

        [log]
        path = "events.jsonl"

    A table is `[mail]`, `[webhook]`, `[mqtt]`, `[log]` (events in a file) or `[rows]`; several of one kind are `[[mail]]`.
    The settings are the arguments of `MailSink`, `WebhookSink`, `MqttSink`, `EventLog` and `RowLog`; a relative `ca_file`
    is looked for beside the file. Passwords come from the environment or the keyring.

    Raises `DataError` naming the file for what cannot be read, an unknown table or setting (with the nearest known), a
    value of the wrong kind, or a secret (with the environment variable to use in its place); `UsageError` for a missing
    extra.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; check the path") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise DataError(f"{path}: is no TOML ({error})") from error
    found: list[Sink] = []
    for kind, value in tables.items():
        if kind not in SINKS:
            raise DataError(f"{path}: unknown table [{kind}]: {closest(kind, list(SINKS))}")
        several = isinstance(value, list)
        for number, table in enumerate(value if several else [value], start=1):
            where = f"{path}: [[{kind}]] {number}:" if several else f"{path}: [{kind}]"
            if not isinstance(table, dict):
                raise DataError(f"{where} is no table; write [{kind}] and its settings below")
            found.append(_sink(where, kind, table, path.parent, folder))
    names = [sink.name for sink in found]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path}: two receivers are called '{name}'; give one of them another name = …")
    return found


def _sink(where: str, kind: str, table: dict[str, Any], beside: Path, folder: Path | None) -> Sink:
    make = SINKS[kind]
    parameters = {
        name: value for name, value in inspect.signature(make).parameters.items() if name not in _NOT_IN_FILES
    }
    hints = get_type_hints(make.__init__)  # type: ignore[misc]
    settings: dict[str, Any] = {}
    for name, value in table.items():
        if name not in parameters:
            _refuse_secret(where, kind, name, str(table.get("account") or ""))
            raise DataError(f"{where} unknown setting '{name}': {closest(name, list(parameters))}")
        if (wrong := _wrong(value, hints[name])) is not None:
            raise DataError(f"{where} {name} = {value!r}: give {wrong}")
        settings[name] = value
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in settings:
            raise DataError(f"{where} {name} is missing")
    if "ca_file" in settings:
        settings["ca_file"] = beside / Path(settings["ca_file"]).expanduser()
    if kind in _SERVICES:
        settings["folder"] = folder
    try:
        if kind == "webhook" and "url" in settings:
            refuse_secret_url(settings["url"])
        return make(**settings)
    except KinemaError as error:
        text = f"{where} {str(error).removeprefix(f'{kind}: ')}"
        missing = isinstance(error, UsageError) and "extra; pip install" in text
        raise UsageError(str(error)) if missing else DataError(text) from error


def _refuse_secret(where: str, kind: str, name: str, account: str) -> None:
    """Raise `DataError` for a setting that looks like a secret: its value must not stand in a file."""
    user = name.lower() in ("user", "username", "login")
    service = _SERVICES.get(kind)
    if service is None or not (user or is_secret(name)):
        return
    what = "secret" if kind == "webhook" else "user" if user else "password"
    raise DataError(
        f"{where} '{name}' does not belong into a file; take it out and set {variable(service, what, account)}"
        + ("" if user else f", or store it in the keyring (service kinema-{service})")
    )


def _wrong(value: Any, hint: Any) -> str | None:
    """Return what to give in place of a value that does not fit an annotation, None for one that does."""
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        answers = [_wrong(value, option) for option in options]
        return None if None in answers else " or ".join(dict.fromkeys(filter(None, answers)))
    if origin is Literal:
        known = [str(option) for option in get_args(hint)]
        return None if value in known else f"one of {', '.join(known)}"
    if origin in (list, tuple, Sequence):
        whole = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return None if whole else 'a list of texts, as ["one", "two"]'
    if hint is Path:
        return None if isinstance(value, str) else _WORDS[Path]
    if hint is float:
        return None if isinstance(value, (int, float)) and not isinstance(value, bool) else _WORDS[float]
    if hint is int:
        return None if isinstance(value, int) and not isinstance(value, bool) else _WORDS[int]
    return None if isinstance(value, hint) else _WORDS.get(hint, "another kind of value")
