"""Models by name: a builder registers itself, and everything else finds it here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError, closest
from kinema.models.base import VideoModel

Builder = Callable[..., VideoModel]


@dataclass(frozen=True)
class Published:
    """What others say that a network costs, and where: `millions` of parameters, and `gflops` of one clip.

    GFLOPs are multiply-adds in 10^9. `clip` is (frames, pixels a side) where they were counted on another clip than the
    registered one. `note` says what the figures count otherwise, or that their source was not at hand to be checked.
    """

    source: str
    millions: float | None = None
    gflops: float | None = None
    clip: tuple[int, int] | None = None
    note: str = ""


@dataclass(frozen=True)
class ModelEntry:
    """A registered builder with the clip settings that it wants unless the user says otherwise.

    `paper` names what it was built from; `published` are others' figures for it, `classes` how many classes these and
    kinema's own are counted with. `tiny` and `tiny_spec` are settings and clips that make it small enough to be tested
    in a moment; `ordered` says whether it can tell a clip from the same clip played backwards.
    """

    name: str
    builder: Builder
    spec: ClipSpec
    summary: str
    paper: str = ""
    published: Published | None = None
    classes: int = 400
    tiny: dict[str, Any] = field(default_factory=dict)
    tiny_spec: ClipSpec | None = None
    ordered: bool = True

    @property
    def description(self) -> str:
        """The builder's docstring: paper, shapes, cost and a diagram."""
        return inspect.getdoc(self.builder) or ""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the builder takes, with their defaults."""
        parameters = inspect.signature(self.builder).parameters
        return {name: p.default for name, p in parameters.items() if name not in ("num_classes", "spec")}


_ENTRIES: dict[str, ModelEntry] = {}


def register(
    name: str,
    *,
    spec: ClipSpec,
    description: str | None = None,
    paper: str = "",
    published: Published | None = None,
    classes: int = 400,
    tiny: dict[str, Any] | None = None,
    tiny_spec: ClipSpec | None = None,
    ordered: bool = True,
) -> Callable[[Builder], Builder]:
    """Register a builder `(num_classes, spec, **settings) -> VideoModel` under `name`.

    `description` becomes the docstring of a builder that a function makes for each size of a family. The rest is
    described in `ModelEntry`. A `tiny_spec` keeps 5 pictures a second, as the conformance suite counts them.

    Raises `ValueError` for a name that is taken, and for a setting that a clip has too: `--set width=…` would mean both.
    """

    def add(builder: Builder) -> Builder:
        if name in _ENTRIES:
            raise ValueError(f"model '{name}' is registered twice")
        if description is not None:
            builder.__doc__ = description
            builder.__name__ = builder.__qualname__ = name
        summary = (inspect.getdoc(builder) or "").split("\n", 1)[0]
        entry = ModelEntry(
            name, builder, spec, summary, paper, published, classes, dict(tiny or {}), tiny_spec, ordered
        )
        for setting in sorted(set(entry.settings) & {f.name for f in fields(ClipSpec)}):
            raise ValueError(f"model '{name}': a clip has a setting '{setting}' already; choose another name")
        _ENTRIES[name] = entry
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
