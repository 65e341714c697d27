"""Which sampled pictures are computed when they come faster than they can be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from kinema.errors import UsageError, closest

Kind = Literal["every-frame", "freshest", "auto"]


@dataclass(frozen=True)
class Policy:
    """`every-frame`: all of them, and the source waits (a live one then falls behind). `freshest`: what is not begun when a
    newer picture comes is left out. `auto`: all of them while the oldest waits no longer than `max_staleness` seconds,
    then the freshest.

    The time of a picture left out is not lost to the model: the next picture stands for it, as the first frame after a gap
    does in a file, so that a window covers as many seconds live as it did in training.

    >>> Policy.parse("auto:0.25")
    Policy(kind='auto', max_staleness=0.25)
    """

    kind: Kind = "auto"
    max_staleness: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UsageError(f"--policy {self.kind}: {closest(str(self.kind), get_args(Kind))}")
        if not 0 < self.max_staleness < math.inf:
            raise UsageError(
                f"--policy {self.kind}:{self.max_staleness:g}: give seconds above 0, such as auto:0.5"
            )

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Read `every-frame`, `freshest`, `auto` or `auto:SECONDS`. Raises `UsageError` for anything else."""
        kind, colon, seconds = text.strip().partition(":")
        if colon and kind != "auto":
            raise UsageError(f"--policy {text}: only auto takes seconds, such as auto:0.5")
        try:
            return cls(kind, float(seconds)) if colon else cls(kind)  # type: ignore[arg-type]
        except ValueError as error:
            raise UsageError(f"--policy {text}: give seconds above 0, such as auto:0.5") from error

    def __str__(self) -> str:
        return f"auto, at most {self.max_staleness:g} s stale" if self.kind == "auto" else self.kind
