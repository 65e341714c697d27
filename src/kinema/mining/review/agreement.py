"""When reviewers agree: so many votes for one label, of at most so many reviewers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kinema.errors import UsageError
from kinema.mining.review.candidate import NOTHING
from kinema.mining.review.decision import Decision, by_clip, standing


class State(StrEnum):
    """Where the review of a clip is: nobody has voted; some have; agreed on a label; agreed on none; no agreement left."""

    NEW = "new"
    OPEN = "open"
    ACCEPTED = "accepted"
    WRONG = "wrong"
    DISPUTED = "disputed"

    @property
    def settled(self) -> bool:
        """Whether further votes are not asked for."""
        return self not in (State.NEW, State.OPEN)


@dataclass(frozen=True, slots=True)
class ReviewRules:
    """How many votes a clip needs.

    `need` votes for one label, of at most `of` reviewers: one of one on a site of one person, three of five as for Kinetics
    (arXiv 1705.06950, section 3.3). `pots_every`: after so many ordinary clips a reviewer gets one of known answer; 0: none.

    Raises `UsageError` for numbers that cannot be met.
    """

    need: int = 1
    of: int = 1
    pots_every: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.need <= self.of:
            raise UsageError(
                f"{self.need} votes of {self.of} reviewers: give at least one vote, and as many reviewers as votes"
            )
        if self.pots_every < 0:
            raise UsageError(f"a clip of known answer after every {self.pots_every}: give 0 (none) or more")


KINETICS = ReviewRules(need=3, of=5)
"""At least three of five, as for Kinetics."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the votes so far: the state, the agreed label (of `ACCEPTED`), and how many votes were cast."""

    state: State
    label: str = NOTHING
    votes: int = 0


def outcome(votes: Sequence[str], rules: ReviewRules | None = None) -> Outcome:
    """Return what the votes for one clip come to, in whatever order they came; `NOTHING` is a vote against its label.

    >>> outcome(["wave", "wave", "", "wave"], KINETICS)
    Outcome(state=<State.ACCEPTED: 'accepted'>, label='wave', votes=4)
    >>> outcome(["wave", "", "", ""], KINETICS).state  # two more could not make three
    <State.WRONG: 'wrong'>
    """
    rules = rules or ReviewRules()
    cast = len(votes)
    if not cast:
        return Outcome(State.NEW)
    counts = Counter(votes)
    against = counts.pop(NOTHING, 0)
    ranked = counts.most_common()
    best = ranked[0][1] if ranked else 0
    tied = len(ranked) > 1 and ranked[1][1] == best
    if best >= rules.need and not tied:
        return Outcome(State.ACCEPTED, ranked[0][0], cast)
    if cast < rules.of and best + rules.of - cast >= rules.need:
        return Outcome(State.OPEN, votes=cast)
    return Outcome(State.WRONG if against > best else State.DISPUTED, votes=cast)


def outcomes(
    uids: Iterable[str], records: Iterable[Decision], rules: ReviewRules | None = None
) -> dict[str, Outcome]:
    """Return the outcome of each clip."""
    decided = by_clip(standing(records))
    return {uid: outcome(votes_of(decided.get(uid, ())), rules) for uid in uids}


def votes_of(decisions: Iterable[Decision]) -> list[str]:
    """Return the votes among decisions in force; who skipped has not voted."""
    return [decision.vote for decision in decisions if decision.vote is not None]
