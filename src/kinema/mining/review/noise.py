"""Classes that make trouble: few of their clips are accepted, or two of them are taken for each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kinema.mining.review.agreement import ReviewRules, State, outcome, votes_of
from kinema.mining.review.candidate import NOTHING, Candidate
from kinema.mining.review.decision import Decision, by_clip, standing

LEAST = 10
"""Fewer clips or votes say nothing of a class."""
NOISY_BELOW = 0.5
MERGED_ABOVE = 0.2


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two labels that people take for each other: `crossed` of `votes` votes on clips of one are for the other."""

    one: str
    other: str
    crossed: int
    votes: int

    @property
    def share(self) -> float:
        """The crossed votes' share."""
        return self.crossed / self.votes

    @property
    def advice(self) -> str:
        """What to do, in a sentence; "" where the two are told apart."""
        if self.votes < LEAST or self.share < MERGED_ABOVE:
            return ""
        return (
            f"merge '{self.one}' and '{self.other}', or say how they differ: "
            f"{self.crossed} of {self.votes} votes on their clips are for the other one"
        )


@dataclass(frozen=True, slots=True)
class ClassReport:
    """One proposed label: `kept` of `settled` clips show it, `relabelled` show another class, the rest none or nobody agrees."""

    label: str
    clips: int
    settled: int
    kept: int
    relabelled: int

    @property
    def acceptance(self) -> float | None:
        """The share of the settled clips that show it; None before any is."""
        return self.kept / self.settled if self.settled else None

    @property
    def advice(self) -> str:
        """What to do, in a sentence; "" where the class is well or too little is known."""
        if self.settled < LEAST or self.kept / self.settled >= NOISY_BELOW:
            return ""
        return (
            f"drop '{self.label}', or find its clips in another way: "
            f"{self.kept} of {self.settled} reviewed clips show it"
        )


def class_reports(
    candidates: Sequence[Candidate], records: Iterable[Decision], rules: ReviewRules | None = None
) -> list[ClassReport]:
    """Return a report of each proposed label, the least accepted first; clips of known answer do not count."""
    from kinema.data.wording import natural_key

    decided = by_clip(standing(records))
    counts: dict[str, Counter[str]] = {}
    for candidate in candidates:
        if candidate.is_pot:
            continue
        count = counts.setdefault(candidate.label, Counter())
        count["clips"] += 1
        found = outcome(votes_of(decided.get(candidate.uid, ())), rules)
        if found.state.settled:
            count["settled"] += 1
            count["kept"] += found.label == candidate.label
            count["relabelled"] += found.state is State.ACCEPTED and found.label != candidate.label
    reports = [
        ClassReport(label, count["clips"], count["settled"], count["kept"], count["relabelled"])
        for label, count in counts.items()
    ]
    return sorted(
        reports,
        key=lambda report: (
            2.0 if report.acceptance is None else report.acceptance,
            natural_key(report.label),
        ),
    )


def confused_pairs(candidates: Sequence[Candidate], records: Iterable[Decision]) -> list[ConfusedPair]:
    """Return the pairs of labels that were ever taken for each other, the most confused first."""
    from kinema.data.wording import natural_key

    decided = by_clip(standing(records))
    votes: Counter[tuple[str, str]] = Counter()
    for candidate in candidates:
        if not candidate.is_pot:
            for vote in votes_of(decided.get(candidate.uid, ())):
                votes[candidate.label, vote] += 1
    pairs = {
        tuple(sorted((proposed, vote), key=natural_key))
        for proposed, vote in votes
        if vote not in (NOTHING, proposed)
    }
    found = []
    for one, other in pairs:
        crossed = votes[one, other] + votes[other, one]
        found.append(ConfusedPair(one, other, crossed, crossed + votes[one, one] + votes[other, other]))
    return sorted(found, key=lambda pair: (-pair.share, natural_key(pair.one), natural_key(pair.other)))
