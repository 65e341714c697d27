"""Alerts of a site: its receivers and rules as sinks of an engine, the trial of a receiver, the rules of events.

A receiver is a table of `alerts.toml` (`kinema.streaming.sinks.read_sinks`), read by the very function that reads the file:
same settings, same refusals, no secrets.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.utils import timezone

from kinema.errors import DataError, KinemaError
from kinema.events import EventRules
from kinema.streaming.sinks import MailSink, Sink, read_sinks
from kinema.streaming.sinks.credentials import variable
from kinema.web.base.models import AlertRule, Receiver, Thresholds
from kinema.web.folder import site
from kinema.web.recognizers import Choice

log = logging.getLogger("kinema.web")
_SERVICES = {
    "mail": ("smtp", ("user", "password")),
    "mqtt": ("mqtt", ("user", "password")),
    "webhook": ("webhook", ("secret",)),
}
_PATIENCE = 10.0  # seconds that a trial may take: somebody waits for it


def sinks(classes: Sequence[str] | None = None, recognizer: str = "") -> list[Sink]:
    """Return a sink for each enabled rule; what cannot be delivered waits in the site's `alerts` folder.

    `classes`: those that make events in the engine (`EventRules.alerting`); rules for other labels alone are left out.
    `recognizer`: the key of the one that watches. A rule that does not work is logged and left out.
    """
    found: list[Sink] = []
    count: dict[str, int] = {}
    rules = AlertRule.objects.filter(enabled=True, receiver__enabled=True).select_related("receiver")
    for rule in rules:
        if rule.recognizer and rule.recognizer != recognizer:
            continue
        labels = [label for label in rule.labels if classes is None or label in classes]
        if rule.labels and not labels:
            continue
        number = count[rule.receiver.name] = count.get(rule.receiver.name, 0) + 1
        # What waits for a receiver is kept under its name.
        name = rule.receiver.name if number == 1 else f"{rule.receiver.name} ({number})"
        try:
            settings = {**rule.receiver.settings, "name": name, "labels": labels, "when": rule.when}
            found.append(make(rule.receiver.kind, settings))
        except KinemaError as error:
            log.error("alerts: %s: %s", rule.receiver.name, error)
    return found


def make(kind: str, settings: dict[str, Any]) -> Sink:
    """Return the sink of a kind with these settings. Raises `KinemaError` with a line that names the wrong one."""
    with tempfile.TemporaryDirectory(prefix="kinema-") as folder:
        path = Path(folder) / "alerts.toml"
        path.write_text(as_toml(kind, settings), encoding="utf-8")
        try:
            return read_sinks(path, site().place("alerts"))[0]
        except KinemaError as error:
            raise DataError(str(error).removeprefix(f"{path}: ").removeprefix(f"[[{kind}]] 1: ")) from error


def as_toml(kind: str, settings: dict[str, Any]) -> str:
    """Return a table of `alerts.toml`.

    >>> print(as_toml("mail", {"to": ["guard@example.org"], "port": 25, "thumbnail": False}))
    [[mail]]
    to = ["guard@example.org"]
    port = 25
    thumbnail = false
    """
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}"
        for name, value in settings.items()
        if value is not None
    ]
    return "\n".join([f"[[{kind}]]", *lines])


def whole_file() -> str:
    """Return the site's rules as a file that `kinema watch --alerts` reads."""
    tables = []
    rules = AlertRule.objects.filter(enabled=True, receiver__enabled=True).select_related("receiver")
    for number, rule in enumerate(rules, start=1):
        name = f"{rule.receiver.name} ({number})"
        settings = {**rule.receiver.settings, "name": name, "labels": rule.labels, "when": rule.when}
        tables.append(as_toml(rule.receiver.kind, settings))
    return "\n\n".join(tables) + "\n"


def try_out(receiver: Receiver) -> tuple[bool, str]:
    """Send a test to a receiver, note how it went, and return that: whether it was taken, and a line about it."""
    settings = dict(receiver.settings)
    if receiver.kind in ("mail", "webhook"):
        settings["timeout"] = min(float(settings.get("timeout", _PATIENCE)), _PATIENCE)
    try:
        sink = make(receiver.kind, {**settings, "name": receiver.name})
        said, well = sink.check(send=True) if isinstance(sink, MailSink) else sink.check(), True
    except KinemaError as error:
        said, well = str(error), False
    Receiver.objects.filter(pk=receiver.pk).update(tested=timezone.now(), tested_well=well, said=said[:300])
    return well, said


def variables(kind: str, account: str = "") -> list[str]:
    """Return the environment variables that hold a receiver's secrets.

    >>> variables("mail", "office")
    ['KINEMA_SMTP_OFFICE_USER', 'KINEMA_SMTP_OFFICE_PASSWORD']
    """
    service, parts = _SERVICES[kind]
    return [variable(service, part, account) for part in parts]


def own_rules(choice: Choice) -> EventRules:
    """Return the rules that a recognizer was saved with."""
    for folder in (choice.path / "recognizer", choice.path):
        if (folder / "recognizer.json").is_file():
            return EventRules.of(folder)
    return EventRules()


def event_rules(choice: Choice) -> EventRules:
    """Return the rules of a recognizer's events on this site: those of the settings, else its own."""
    own = own_rules(choice)
    changed = Thresholds.objects.filter(recognizer=choice.key).first()
    if changed is None:
        return own
    try:
        rules = EventRules.from_dict(changed.rules)
        rules.alerting(choice.classes)  # it may have been trained anew, with other classes
    except (KinemaError, TypeError, ValueError) as error:
        log.error("thresholds of %s: %s; its own are taken", choice.title, error)
        return own
    return rules
