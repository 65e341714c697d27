"""Settings of a training as people write them, sorted into those of the training, the clip and the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError, closest
from kinema.named_values import name_and_value
from kinema.training.settings import TrainSettings


def put_setting(
    text: str,
    training: dict[str, Any],
    clip: dict[str, Any],
    model: dict[str, Any],
    known_to_model: Sequence[str],
) -> None:
    """Put `NAME=VALUE` where it belongs: a name of `TrainSettings`, of `ClipSpec`, or one that the model takes.

    Raises `UsageError` for any other name; the line gives the nearest known one.
    """
    name, value = name_and_value(text)
    homes = (
        ([field.name for field in fields(TrainSettings)], training),
        ([field.name for field in fields(ClipSpec)], clip),
        (list(known_to_model), model),
    )
    for names, home in homes:
        if name in names:
            home[name] = value
            return
    known = [name for names, _ in homes for name in names]
    raise UsageError(f"setting {name!r}: no such setting; {closest(name, known)}")
