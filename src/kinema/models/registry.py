"""Models by name: a builder registers itself, and everything else finds it here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError, closest
from kinema.models.base import VideoModel

Builder = Callable[..., VideoModel]


@dataclass(frozen=True)
class ModelEntry:
    """A registered builder with the clip settings that it wants unless the user says otherwise."""

    name: str
    builder: Builder
    spec: ClipSpec
    summary: str

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the builder takes, with their defaults."""
        parameters = inspect.signature(self.builder).parameters
        return {name: p.default for name, p in parameters.items() if name not in ("num_classes", "spec")}


_ENTRIES: dict[str, ModelEntry] = {}


def register(name: str, *, spec: ClipSpec) -> Callable[[Builder], Builder]:
    """Register a builder `(num_classes, spec, **settings) -> VideoModel` under `name`."""

    def add(builder: Builder) -> Builder:
        if name in _ENTRIES:
            raise ValueError(f"model '{name}' is registered twice")
        summary = (inspect.getdoc(builder) or "").split("\n", 1)[0]
        _ENTRIES[name] = ModelEntry(name, builder, spec, summary)
        return builder

    return add


def model_names() -> list[str]:
    """Return all registered names, sorted."""
    return sorted(_ENTRIES)


def model_entry(name: str) -> ModelEntry:
    """Return the entry of `name`; an unknown name raises `UsageError` with the nearest known one."""
    if name not in _ENTRIES:
        raise UsageError(f"unknown model '{name}': {closest(name, model_names())}")
    return _ENTRIES[name]


def create_model(name: str, num_classes: int, spec: ClipSpec | None = None, **settings: Any) -> VideoModel:
    """Build a model: `(B, 3, T, H, W)` in, `(B, num_classes)` logits out.

    Unknown names and settings raise `UsageError` with the nearest known word.
    """
    entry = model_entry(name)
    for setting in settings:
        if setting not in entry.settings:
            raise UsageError(
                f"model '{name}' has no setting '{setting}': {closest(setting, list(entry.settings))}"
            )
        _check_type(name, setting, settings[setting], entry.settings[setting])
    return entry.builder(num_classes, spec or entry.spec, **settings)


def _check_type(model: str, setting: str, value: Any, default: Any) -> None:
    """Refuse a word where a number belongs: `freeze="no"` would count as true."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}
    for kind, what in kinds.items():
        if isinstance(default, kind):
            fits = isinstance(value, (int, float) if kind is float else kind)
            if not fits or (kind is not bool and isinstance(value, bool)):
                raise UsageError(f"model '{model}', setting {setting}={value!r}: give {what}")
            return
