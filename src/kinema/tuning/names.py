"""The names of settings, and which part of a training each belongs to."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from kinema.data import ClipSpec
from kinema.errors import UsageError
from kinema.models import BUNDLED, create_head, head_names, model_entry
from kinema.training import TrainSettings

# Names of a search's own: seconds that a clip covers, and pixels of both sides of a picture.
SPAN, SIZE = "span", "size"
# A head may have a width too: pixels are named with the clip before them, or by `size`.
_PIXELS = {"clip.height": "height", "clip.width": "width"}
_CLIP = [f.name for f in fields(ClipSpec) if f.name not in _PIXELS.values()]
_TRAINING = [f.name for f in fields(TrainSettings)]


@dataclass
class TrialSettings:
    """Settings of one training, as `kinema.training.train` takes them."""

    model: str
    model_settings: dict[str, Any] = field(default_factory=dict)
    clip: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> TrialSettings:
        """Sort the values of a draw; `span` and `size` become frames, height and width.

        Weights that are not named are the bundled ones for the bundled backbone and pretrained ones for others.
        """
        model = str(values["model"])
        own = model_entry(model).settings
        head = values.get("head") if "head" in own else None
        found = cls(model)
        for name, value in values.items():
            if name == "model":
                continue
            if name == SIZE:
                found.clip |= {"height": value, "width": value}
            elif name in _PIXELS:
                found.clip[_PIXELS[name]] = value
            elif name == SPAN:
                continue
            elif name in _TRAINING:
                found.training[name] = value
            elif name in _CLIP:
                found.clip[name] = value
            elif name in own:
                found.model_settings[name] = value
            elif head is not None or "head_settings" in own:
                found.model_settings["head_settings"] = {
                    **found.model_settings.get("head_settings", {}),
                    name: value,
                }
        if SPAN in values:
            found._span(float(values[SPAN]))
        if "weights" in own and "weights" not in values:
            backbone = values.get("backbone", own.get("backbone"))
            found.model_settings["weights"] = "bundled" if backbone == BUNDLED else "pretrained"
        return found

    @staticmethod
    def check(name: str, value: Any) -> None:
        """Raise `UsageError` for a value of a training or clip setting that cannot be."""
        if name in _TRAINING:
            TrainSettings.from_dict({name: value})
        elif name in _CLIP:
            ClipSpec.from_dict({name: value})
        elif name == SIZE or name in _PIXELS:
            ClipSpec.from_dict({"height": value})
        elif name == SPAN and not (isinstance(value, int | float) and value > 0):
            raise UsageError(f"setting span={value!r}: give seconds above 0")
        elif name == "head":
            create_head(str(value), 8, 2, 4)

    def _span(self, seconds: float) -> None:
        if "frames" in self.clip:
            self.clip["fps"] = self.clip["frames"] / seconds
        else:
            fps = self.clip.get("fps", model_entry(self.model).spec.fps)
            self.clip["frames"] = max(1, round(seconds * fps))


@cache
def head_settings(head: str) -> dict[str, Any]:
    """Return the settings of a registered temporal head, with their defaults."""
    parameters = inspect.signature(type(create_head(head, 8, 2, 4))).parameters
    found = {n: p.default for n, p in parameters.items() if n not in ("dim", "num_classes", "frames")}
    return {name: default for name, default in found.items() if _is_free(head, name, default)}


def _is_free(head: str, name: str, default: Any) -> bool:
    try:
        create_head(head, 8, 2, 4, **{name: default})
    except (UsageError, TypeError):  # fixed by the head's name, as the cell of an lstm is
        return False
    return True


@cache
def known_names(model: str, head: str | None) -> tuple[str, ...]:
    """Return the names of all settings that apply to a model with one of its heads (None: the head it has by default)."""
    own = model_entry(model).settings
    names = [*_TRAINING, *_CLIP, SPAN, SIZE, *_PIXELS, *own]
    if "head" in own and "head_settings" in own:
        names += head_settings(str(head or own["head"]))
    return tuple(dict.fromkeys(names))


def default_of(name: str, models: Sequence[str]) -> Any:
    """Return the default of a setting of one of the models, or of any head."""
    for model in models:
        if name in model_entry(model).settings:
            return model_entry(model).settings[name]
    return next((head_settings(head)[name] for head in head_names() if name in head_settings(head)), None)


def is_listed(name: str) -> bool:
    """Whether a value of this setting is itself a list, as three means are."""
    return name in ("mean", "std", "strides", "filters", "frame_size", "sizes", "stages")
