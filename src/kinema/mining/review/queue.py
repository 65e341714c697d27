"""Which clip to show whom next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from kinema.mining.review.agreement import ReviewRules, State, outcome, votes_of
from kinema.mining.review.candidate import Candidate
from kinema.mining.review.decision import Decision, by_clip, last_of, standing

Neighbours = Callable[[str], Iterable[str]]
"""From a clip's uid to those of the clips that show nearly the same."""


def next_clips(
    candidates: Sequence[Candidate],
    records: Iterable[Decision],
    reviewer: str,
    rules: ReviewRules | None = None,
    *,
    neighbours: Neighbours | None = None,
    count: int = 10,
) -> list[Candidate]:
    """Return the clips that a reviewer should see next, at most `count`.

    None that the reviewer has decided or skipped, none that is settled. Clips that others have begun come first, those with
    the most votes before others, since a vote there settles most; else in the order of `candidates`. Near-duplicates follow
    each other, and what the reviewer decided last, so that they are judged alike. After every `rules.pots_every` ordinary
    clips comes one of known answer, as long as there are any that the reviewer has not seen.
    """
    rules = rules or ReviewRules()
    records = list(records)
    decided = by_clip(standing(records))
    waiting: list[tuple[int, Candidate]] = []
    pots: list[Candidate] = []
    done = seen_pots = 0
    for candidate in candidates:
        decisions = decided.get(candidate.uid, [])
        if any(decision.reviewer == reviewer for decision in decisions):
            done += not candidate.is_pot
            seen_pots += candidate.is_pot
        elif candidate.is_pot:
            pots.append(candidate)
        else:
            found = outcome(votes_of(decisions), rules)
            if found.state in (State.NEW, State.OPEN):
                waiting.append((found.votes, candidate))
    ordered = [candidate for _, candidate in sorted(waiting, key=lambda entry: -entry[0])]
    last = last_of(records, reviewer)
    arranged = together(ordered, neighbours, last.clip if last is not None else None)
    return with_pots(arranged, pots, rules.pots_every, done, seen_pots)[:count]


def together(
    candidates: Sequence[Candidate], neighbours: Neighbours | None, after: str | None = None
) -> list[Candidate]:
    """Return the candidates in their order, each followed by those that show nearly the same.

    `after`: the clip that was looked at before; those that show nearly the same as it come first.
    """
    if neighbours is None:
        return list(candidates)
    left = {candidate.uid: candidate for candidate in candidates}
    found: list[Candidate] = []
    for uids in [() if after is None else neighbours(after), *([uid] for uid in list(left))]:
        row = deque(uids)
        while row:
            candidate = left.pop(row.popleft(), None)
            if candidate is not None:
                found.append(candidate)
                row += [uid for uid in neighbours(candidate.uid) if uid in left]
    return found


def with_pots(
    ordinary: Sequence[Candidate],
    pots: Sequence[Candidate],
    every: int,
    done: int = 0,
    seen_pots: int = 0,
) -> list[Candidate]:
    """Return the ordinary clips with one of known answer after each `every` of them.

    `done`, `seen_pots`: how many ordinary ones and how many of known answer the reviewer has decided before.
    """
    left = list(pots)
    found: list[Candidate] = []
    for candidate in ordinary:
        if every and left and done // every > seen_pots:
            found.append(left.pop(0))
            seen_pots += 1
        found.append(candidate)
        done += 1
    return found
