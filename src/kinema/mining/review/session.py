"""A session: one reviewer goes from clip to clip, and may take decisions back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from kinema.errors import UsageError, closest
from kinema.mining.review.agreement import ReviewRules, State, outcomes
from kinema.mining.review.book import ReviewBook
from kinema.mining.review.candidate import Candidate
from kinema.mining.review.decision import Decision, Verdict, standing
from kinema.mining.review.queue import Neighbours, next_clips


@dataclass(frozen=True, slots=True)
class ReviewProgress:
    """How far a review is: clips in all, what came of those that are settled, and how many one reviewer has decided.

    Clips of known answer do not count.
    """

    total: int
    accepted: int
    wrong: int
    disputed: int
    mine: int

    @property
    def settled(self) -> int:
        """How many need no more votes."""
        return self.accepted + self.wrong + self.disputed


def review_progress(
    candidates: Sequence[Candidate],
    records: Iterable[Decision],
    reviewer: str,
    rules: ReviewRules | None = None,
) -> ReviewProgress:
    """Return how far the review of some clips is."""
    records = list(records)
    uids = {candidate.uid for candidate in candidates if not candidate.is_pot}
    states = Counter(found.state for found in outcomes(uids, records, rules).values())
    mine = {one.clip for one in standing(records) if one.reviewer == reviewer and one.clip in uids}
    return ReviewProgress(
        len(uids), states[State.ACCEPTED], states[State.WRONG], states[State.DISPUTED], len(mine)
    )


class Session:
    """One reviewer's way through a book, into which others may write at the same time.

    `neighbours`: near-duplicates come one after the other. `only`: the proposed labels that are asked about; all without.
    Raises `UsageError` for one that no clip has.
    """

    def __init__(
        self,
        book: ReviewBook,
        reviewer: str,
        rules: ReviewRules | None = None,
        *,
        neighbours: Neighbours | None = None,
        only: Collection[str] = (),
    ) -> None:
        self.book, self.reviewer, self.rules = book, reviewer, rules or ReviewRules()
        self._neighbours = neighbours
        every = book.candidates()
        proposed = sorted({candidate.label for candidate in every})
        for label in only:
            if label not in proposed:
                raise UsageError(f"no clip is proposed as '{label}'; {closest(label, proposed)}")
        self.candidates = [one for one in every if not only or one.label in only]
        self._up: Candidate | None = None
        self._before: Candidate | None = None

    def clip(self) -> Candidate | None:
        """Return the clip that is up; None where nothing is left for this reviewer. It stays until it is decided."""
        if self._up is None:
            records = self.book.records()
            found = next_clips(
                self.candidates, records, self.reviewer, self.rules, neighbours=self._neighbours, count=1
            )
            self._up = found[0] if found else None
        return self._up

    @property
    def shows_the_same(self) -> bool:
        """Whether the clip that is up shows the same footage as the one that was decided before it."""
        if self._up is None or self._before is None or self._neighbours is None:
            return False
        return self._up.uid in self._neighbours(self._before.uid)

    def decide(self, verdict: Verdict, label: str = "") -> Decision:
        """Decide the clip that is up. Raises `UsageError` where none is, and for a decision that cannot be."""
        clip = self.clip()
        if clip is None:
            raise UsageError("nothing is left to be decided")
        made = self.book.decide(clip.uid, self.reviewer, verdict, label)
        self._before, self._up = clip, None
        return made

    def undo(self) -> Decision | None:
        """Take back the reviewer's last decision, of an earlier session too, and return it; its clip is up again.

        None where there is none.
        """
        taken = self.book.undo(self.reviewer)
        if taken is not None:
            again = next((one for one in self.candidates if one.uid == taken.clip), None)
            self._up, self._before = again or self._up, None
        return taken

    def labels(self) -> list[str]:
        """Return the labels to choose from: those proposed, and those that people gave."""
        from kinema.data.wording import natural_key

        proposed = {candidate.label for candidate in self.book.candidates()}
        given = {one.vote for one in standing(self.book.records()) if one.vote}
        return sorted(proposed | given, key=natural_key)

    def progress(self) -> ReviewProgress:
        """Return how far the review is."""
        return review_progress(self.candidates, self.book.records(), self.reviewer, self.rules)
