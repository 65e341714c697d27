"""How far each reviewer agrees with the others and with the clips of known answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kinema.mining.review.candidate import NOTHING, Candidate
from kinema.mining.review.decision import Decision, Verdict, by_clip, standing

_LEAST = 10
_DOUBTED_BELOW = 0.7


@dataclass(frozen=True, slots=True)
class ReviewerReport:
    """One reviewer: how many clips were voted on and skipped, how many decisions were taken back.

    `agreed` of `compared` votes say what most of the others say (clips on which the others are split in half are not
    compared); `right` of `pots` votes on clips of known answer are right.
    """

    reviewer: str
    votes: int
    skipped: int
    undone: int
    compared: int
    agreed: int
    pots: int
    right: int

    @property
    def agreement(self) -> float | None:
        """The share of `compared` votes that agree; None where nothing can be compared."""
        return self.agreed / self.compared if self.compared else None

    @property
    def accuracy(self) -> float | None:
        """The share of right votes on clips of known answer; None without any."""
        return self.right / self.pots if self.pots else None

    @property
    def doubt(self) -> str:
        """A sentence where this reviewer's votes should be looked at; "" otherwise."""
        if self.pots >= _LEAST and self.right / self.pots < _DOUBTED_BELOW:
            return f"{self.right} of {self.pots} clips of known answer right: look at these votes, or leave them out"
        if self.compared >= _LEAST and self.agreed / self.compared < _DOUBTED_BELOW:
            return f"agrees with the others on {self.agreed} of {self.compared} clips: talk about what the labels mean"
        return ""


def reviewer_reports(candidates: Sequence[Candidate], records: Iterable[Decision]) -> list[ReviewerReport]:
    """Return a report of each reviewer, by name."""
    records = list(records)
    known = {candidate.uid: candidate for candidate in candidates}
    decided = {uid: found for uid, found in by_clip(standing(records)).items() if uid in known}
    undone = Counter(record.reviewer for record in records if record.verdict is Verdict.UNDO)
    counts: dict[str, Counter[str]] = {record.reviewer: Counter() for record in records}
    for uid, decisions in decided.items():
        for decision in decisions:
            count = counts[decision.reviewer]
            if decision.vote is None:
                count["skipped"] += 1
                continue
            count["votes"] += 1
            if known[uid].is_pot:
                count["pots"] += 1
                count["right"] += is_right(decision, known[uid])
            others = Counter(
                other.vote
                for other in decisions
                if other.reviewer != decision.reviewer and other.vote is not None
            ).most_common(2)
            if others and (len(others) == 1 or others[0][1] > others[1][1]):
                count["compared"] += 1
                count["agreed"] += others[0][0] == decision.vote
    return [
        ReviewerReport(
            name,
            count["votes"],
            count["skipped"],
            undone[name],
            count["compared"],
            count["agreed"],
            count["pots"],
            count["right"],
        )
        for name, count in sorted(counts.items())
    ]


def is_right(decision: Decision, pot: Candidate) -> bool:
    """Whether a vote on a clip of known answer is right: to refuse a label that the clip does not show is, too."""
    if decision.vote == NOTHING:
        return pot.known != pot.label
    return decision.vote == pot.known
