"""Scorers: whatever gives names probabilities for moments of video: recognizers, and text prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.models import Recognizer
from kinema.models.follow import Follower

NOT_ACTIONS = frozenset(
    {
        "none",
        "none of these",
        "none_of_these",
        "background",
        "other",
        "others",
        "negative",
        "negatives",
        "nothing",
    }
)
"""Names, in lower case, of what a recognizer calls none of its actions; they are not mined."""


@dataclass(frozen=True)
class Scorer:
    """What scores pictures: `classes` in the order of the columns, how pictures are made (`spec`), what computes
    (`follower`), how its logits become probabilities, and a `fingerprint` of all of that.

    `frames` of the spec is 1 where single pictures are scored; then any rate will do.
    """

    name: str
    classes: list[str]
    spec: ClipSpec
    follower: Follower
    probabilities: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    fingerprint: str

    @property
    def single(self) -> bool:
        """Whether it looks at single pictures, whatever their rate."""
        return self.spec.frames == 1 and self.spec.substeps == 1

    @property
    def actions(self) -> list[str]:
        """The classes that are something to be found."""
        return [name for name in self.classes if name.strip().lower() not in NOT_ACTIONS]


def recognizer_scorer(recognizer: Recognizer, name: str = "") -> Scorer:
    """Return the scorer of an image or video recognizer."""
    return Scorer(
        name or str(recognizer.folder or recognizer.name),
        list(recognizer.classes),
        recognizer.spec,
        recognizer.follower,
        recognizer.probabilities,
        recognizer.fingerprint(),
    )


def load_scorer(run: Path, *, device: str = "auto", runtime: str = "auto") -> Scorer:
    """Return the scorer of a run's or a recognizer's folder.

    Raises `DataError` for a file: S3's checkpoints are pickles that hold neither classes nor how pictures are made.
    """
    if run.is_file():
        raise DataError(
            f"{run}: a file, not a recognizer's folder; a checkpoint without classes and preprocessing cannot be mined "
            "with, train one with: kinema mine classifier --data-dir IMAGES --save-checkpoint FOLDER"
        )
    return recognizer_scorer(Recognizer.load(run, device=device, runtime=runtime), str(run))


def check_names(scorer: Scorer, names: Sequence[str], source: str) -> str | None:
    """Compare a list of class names with the scorer's, whose order holds; return a sentence where only the order differs.

    Raises `UsageError` where the two do not name the same classes: columns would stand for the wrong ones.
    """
    listed, own = list(dict.fromkeys(names)), scorer.classes
    unknown = [name for name in listed if name not in own]
    missing = [name for name in own if name not in listed]
    if unknown or missing:
        parts = []
        if unknown:
            parts.append(f"names {_some(unknown)}, which the recognizer does not know")
        if missing:
            parts.append(f"lacks {_some(missing)}, which it knows")
        raise UsageError(
            f"{source}: {' and '.join(parts)}; {scorer.name} was trained with {_some(own)}: leave --class-names out, "
            "or give the recognizer that belongs to it"
        )
    if listed != own:
        return f"{source}: another order than the recognizer's, whose order holds: {_some(own)}"
    return None


def _some(names: Sequence[Any]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
