"""Decision: what one reviewer said of one clip. Decisions are added, never changed; undoing one is a record of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from kinema.errors import DataError, UsageError, closest
from kinema.mining.review.candidate import NOTHING


class Verdict(StrEnum):
    """What a reviewer says: it shows its label; it does not; it shows another; cannot say; take back what I said."""

    ACCEPT = "accept"
    WRONG = "wrong"
    RELABEL = "relabel"
    SKIP = "skip"
    UNDO = "undo"

    @classmethod
    def named(cls, word: str) -> Verdict:
        """Return the verdict of that name. Raises `UsageError`."""
        try:
            return cls(word)
        except ValueError:
            raise UsageError(
                f"unknown verdict {word!r}; {closest(word, [verdict.value for verdict in cls])}"
            ) from None


LONGEST_LABEL = 200  # letters of a label


def as_meant(proposed: str, verdict: Verdict, label: str = "") -> tuple[Verdict, str]:
    """Return the verdict and label of a decision on a clip that came as `proposed`, as a record holds them.

    Needless spaces go; who accepts sees the proposed label, and who relabels with that one accepts. Raises `UsageError` for
    an undo, which is of no clip, and for relabelling without a label of at most `LONGEST_LABEL` letters.
    """
    if verdict is Verdict.UNDO:
        raise UsageError("undo takes back the last decision and names no clip")
    label = " ".join(label.split())
    if verdict is Verdict.RELABEL:
        if not label or len(label) > LONGEST_LABEL:
            raise UsageError(
                f"relabel needs the label that the clip shows, of at most {LONGEST_LABEL} letters"
            )
        if label != proposed:
            return verdict, label
        verdict = Verdict.ACCEPT
    return verdict, proposed if verdict is Verdict.ACCEPT else ""


def _now() -> datetime:
    return datetime.now(UTC)


def _fresh_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Decision:
    """One record of a review.

    `label`: what the reviewer sees, of `ACCEPT` (the label as it was proposed) and of `RELABEL`. `undoes`: the `id` of the
    decision that an `UNDO` takes back.

    Raises `UsageError` for a verdict without the label or the record that belongs to it.
    """

    clip: str
    reviewer: str
    verdict: Verdict
    label: str = ""
    when: datetime = field(default_factory=_now)
    id: str = field(default_factory=_fresh_id)
    undoes: str = ""

    def __post_init__(self) -> None:
        labelled = self.verdict in (Verdict.ACCEPT, Verdict.RELABEL)
        if labelled and not self.label.strip():
            raise UsageError(f"{self.clip}: {self.verdict} needs the label that the clip shows")
        if not labelled and self.label:
            raise UsageError(f"{self.clip}: {self.verdict} takes no label")
        if (self.verdict is Verdict.UNDO) != bool(self.undoes):
            raise UsageError(
                f"{self.clip}: an undo names the decision that it takes back, and nothing else does"
            )

    @property
    def vote(self) -> str | None:
        """The label that it speaks for; `NOTHING` where only the proposed one is refused; None for no vote."""
        if self.verdict in (Verdict.ACCEPT, Verdict.RELABEL):
            return self.label
        return NOTHING if self.verdict is Verdict.WRONG else None

    def to_dict(self) -> dict[str, Any]:
        """Return the values ready for JSON."""
        return {
            "id": self.id,
            "clip": self.clip,
            "reviewer": self.reviewer,
            "verdict": self.verdict.value,
            "label": self.label,
            "when": self.when.isoformat(),
            "undoes": self.undoes,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Decision:
        """Return the decision of `to_dict`. Raises `DataError` for what is none."""
        try:
            return cls(
                str(values["clip"]),
                str(values["reviewer"]),
                Verdict.named(str(values["verdict"])),
                str(values.get("label", "")),
                datetime.fromisoformat(str(values["when"])),
                str(values["id"]),
                str(values.get("undoes", "")),
            )
        except (KeyError, TypeError, ValueError, UsageError) as error:
            raise DataError(f"not a decision ({error}): {str(dict(values))[:80]}") from error


def standing(records: Iterable[Decision]) -> list[Decision]:
    """Return the decisions in force: of each reviewer and clip the last one that was not taken back.

    `records` in the order in which they were made.
    """
    records = list(records)
    undone = {record.undoes for record in records if record.verdict is Verdict.UNDO}
    latest: dict[tuple[str, str], Decision] = {}
    for record in records:
        if record.verdict is not Verdict.UNDO and record.id not in undone:
            latest[record.clip, record.reviewer] = record
    return list(latest.values())


def last_of(records: Sequence[Decision], reviewer: str) -> Decision | None:
    """Return the decision that an undo of this reviewer takes back: the last one not taken back yet; None where none is."""
    undone = {record.undoes for record in records if record.verdict is Verdict.UNDO}
    for record in reversed(records):
        if record.reviewer == reviewer and record.verdict is not Verdict.UNDO and record.id not in undone:
            return record
    return None


def by_clip(decisions: Iterable[Decision]) -> dict[str, list[Decision]]:
    """Return the decisions of each clip, in their order."""
    found: dict[str, list[Decision]] = {}
    for decision in decisions:
        found.setdefault(decision.clip, []).append(decision)
    return found
