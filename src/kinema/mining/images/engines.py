"""Engines by name: what a user may write after --engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinema.errors import UsageError, closest
from kinema.mining.images.found import Engine
from kinema.mining.images.polite import PoliteClient

LICENCES = ("any", "open", "commercial", "modification")
"""What an image's licence must allow: nothing is asked, any open licence, commercial use, or changes."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What engines are made with; `say` is told what they do not do."""

    client: PoliteClient
    licence: str = "any"
    say: Callable[[str], None] = lambda text: None


Builder = Callable[[EngineSettings], Engine]
_BUILDERS: dict[str, Builder] = {}


def register_engine(name: str) -> Callable[[Builder], Builder]:
    """Make an engine known by a name.

    >>> @register_engine("mine")  # doctest: +SKIP
    ... def _mine(settings): return MyEngine(settings.client)
    """

    def register(builder: Builder) -> Builder:
        _BUILDERS[name] = builder
        return builder

    return register


def engine_names() -> list[str]:
    """Return the names of all engines, sorted."""
    return sorted(_BUILDERS)


def open_engine(name: str, settings: EngineSettings) -> Engine:
    """Return an engine by its name, or one for a folder of class folders or a CSV of addresses.

    Folders and CSVs are taken as they are, whatever their licences. Raises `UsageError` for a name that is none of these.
    """
    from kinema.mining.images.local import FolderEngine, ListEngine

    if settings.licence not in LICENCES:
        raise UsageError(f"--licence {settings.licence}: {closest(settings.licence, LICENCES)}")
    if name in _BUILDERS:
        return _BUILDERS[name](settings)
    path = Path(name)
    if settings.licence != "any" and path.exists():
        settings.say(
            f"--licence {settings.licence}: {name} is taken as it is, with the licences that it states"
        )
    if path.is_dir():
        return FolderEngine(path)
    if path.is_file():
        engine = ListEngine(path)
        for address in engine.addresses():
            settings.client.trust(address)
        return engine
    if path.suffix or "/" in name:
        raise UsageError(
            f"{name}: no such folder or CSV; engines are {', '.join(engine_names())}, a folder or a CSV"
        )
    raise UsageError(
        f"unknown engine '{name}': {closest(name, engine_names())}, a folder or a CSV of addresses"
    )
