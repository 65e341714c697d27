"""How a review goes: how far it is, which classes make trouble, and how far reviewers agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kinema.mining.review.agreement import ReviewRules
from kinema.mining.review.candidate import Candidate
from kinema.mining.review.decision import Decision
from kinema.mining.review.noise import ClassReport, ConfusedPair, class_reports, confused_pairs
from kinema.mining.review.reviewers import ReviewerReport, reviewer_reports
from kinema.mining.review.session import ReviewProgress, review_progress


@dataclass(frozen=True)
class ReviewReport:
    """All that is told of a review; `pots` counts the clips of known answer."""

    progress: ReviewProgress
    classes: list[ClassReport]
    pairs: list[ConfusedPair]
    reviewers: list[ReviewerReport]
    pots: int

    @classmethod
    def of(
        cls, candidates: Sequence[Candidate], records: Iterable[Decision], rules: ReviewRules | None = None
    ) -> ReviewReport:
        """Return the report of what was decided so far."""
        records = list(records)
        return cls(
            review_progress(candidates, records, "", rules),
            class_reports(candidates, records, rules),
            confused_pairs(candidates, records),
            reviewer_reports(candidates, records),
            sum(candidate.is_pot for candidate in candidates),
        )

    def advice(self) -> list[str]:
        """Return what to do about classes and reviewers, a sentence each; empty where all is well or too little is known."""
        found = [pair.advice for pair in self.pairs] + [one.advice for one in self.classes]
        found += [f"{one.reviewer}: {one.doubt}" for one in self.reviewers if one.doubt]
        return [text for text in found if text]

    def lines(self) -> list[str]:
        """Return the report as lines for a terminal, without the advice."""
        done = self.progress
        found = [
            f"{done.settled} of {done.total} clips reviewed: {done.accepted} accepted, {done.wrong} wrong, "
            f"{done.disputed} disputed"
        ]
        found += [
            f"  {one.label}: {one.kept} of {one.settled} show it"
            + (f", {one.relabelled} another" if one.relabelled else "")
            for one in self.classes
            if one.settled
        ]
        for one in self.reviewers:
            told = [f"{one.votes} votes", f"{one.skipped} skipped"]
            if one.compared:
                told.append(f"agrees with the others on {one.agreed} of {one.compared}")
            if one.pots:
                told.append(f"{one.right} of {one.pots} known answers right")
            found.append(f"  {one.reviewer}: {', '.join(told)}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        done = self.progress
        return {
            "clips": done.total,
            "settled": done.settled,
            "accepted": done.accepted,
            "wrong": done.wrong,
            "disputed": done.disputed,
            "classes": [asdict(one) for one in self.classes],
            "pairs": [asdict(one) for one in self.pairs],
            "reviewers": [asdict(one) for one in self.reviewers],
            "advice": self.advice(),
        }
