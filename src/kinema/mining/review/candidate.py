"""Candidate: a clip that somebody is to look at, and what it is said to show."""

from __future__ import annotations

from dataclasses import dataclass

NOTHING = ""
"""The label of a clip that shows none of the classes."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A clip up for review.

    `label`: the class that a recognizer proposes, with the probability `score`. `path`: the clip's file, from the folder of
    the book or absolute; "" where there is none, and the stretch `start` to `end` (seconds) of `video` is meant. `clip_start`,
    `clip_end`: where in the source the clip's file begins and ends, which may be earlier and later than `start` and `end`.
    `group`: the source that it shares with others, never to be divided between training and test.

    `known`: the answer of a honey pot, a clip whose answer is known beforehand, put among the others to see how carefully
    reviewers look; a label, or `NOTHING` for none of the classes; None for an ordinary clip.
    """

    uid: str
    label: str
    group: str = ""
    score: float | None = None
    start: float | None = None
    end: float | None = None
    path: str = ""
    video: str = ""
    clip_start: float | None = None
    clip_end: float | None = None
    known: str | None = None

    @property
    def is_pot(self) -> bool:
        """Whether its answer is known beforehand."""
        return self.known is not None
