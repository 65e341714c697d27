"""The logic of reviews: what counts, when reviewers agree, what comes next, and how careful they are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kinema.errors import DataError, UsageError
from kinema.mining.review import (
    KINETICS,
    Candidate,
    Decision,
    ReviewRules,
    State,
    Verdict,
    class_reports,
    confused_pairs,
    last_of,
    next_clips,
    outcome,
    outcomes,
    reviewer_reports,
    standing,
)

WHEN = datetime(2026, 5, 21, 9, 30, tzinfo=UTC)


def said(clip: str, reviewer: str, what: str, id: str = "") -> Decision:
    """ "accept wave", "wrong", "relabel box", "skip", "undo ID"."""
    verdict, _, rest = what.partition(" ")
    label = "" if verdict == "undo" else rest
    undoes = rest if verdict == "undo" else ""
    return Decision(clip, reviewer, Verdict(verdict), label, WHEN, id or f"{clip}-{reviewer}-{what}", undoes)


def clips(*uids: str, label: str = "wave", **fields: str) -> list[Candidate]:
    return [Candidate(uid, label, **fields) for uid in uids]


def test_the_last_decision_of_a_reviewer_stands_and_others_keep_theirs() -> None:
    records = [
        said("c", "ann", "accept wave"),
        said("c", "bob", "wrong"),
        said("c", "ann", "relabel box"),
    ]
    assert [(one.reviewer, one.vote) for one in standing(records)] == [("ann", "box"), ("bob", "")]


def test_undo_is_a_record_and_brings_back_what_was_before() -> None:
    first, second = said("c", "ann", "accept wave", "1"), said("c", "ann", "wrong", "2")
    undone = said("c", "ann", "undo 2", "3")
    assert last_of([first, second], "ann") == second
    assert standing([first, second, undone]) == [first]
    assert last_of([first, second, undone], "ann") == first
    assert standing([first, second, undone, said("c", "ann", "undo 1", "4")]) == []
    assert last_of([first, second, undone, said("c", "ann", "undo 1", "4")], "ann") is None


def test_an_undo_takes_back_one_s_own_decision_even_when_others_decided_since() -> None:
    mine = said("c", "ann", "wrong", "1")
    assert last_of([mine, said("c", "bob", "accept wave"), said("d", "bob", "skip")], "ann") == mine


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("accept", "accept needs the label"),
        ("relabel  ", "relabel needs the label"),
        ("wrong wave", "wrong takes no label"),
        ("skip wave", "skip takes no label"),
        ("undo", "an undo names the decision"),
    ],
)
def test_a_decision_that_says_too_little_or_too_much_is_refused(what: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        said("c", "ann", what)


def test_a_decision_comes_back_from_json_and_what_is_none_is_refused() -> None:
    values = {
        "id": "7",
        "clip": "c",
        "reviewer": "ann",
        "verdict": "relabel",
        "label": "box",
        "when": "2026-05-21T09:30:00+00:00",
        "undoes": "",
    }
    assert said("c", "ann", "relabel box", "7").to_dict() == values
    assert Decision.from_dict(values) == said("c", "ann", "relabel box", "7")
    with pytest.raises(DataError, match="did you mean 'accept'"):
        Decision.from_dict({**values, "verdict": "acept"})
    with pytest.raises(DataError, match="not a decision"):
        Decision.from_dict({"clip": "c"})


@pytest.mark.parametrize(
    ("votes", "rules", "state", "label"),
    [
        ([], ReviewRules(), "new", ""),
        (["wave"], ReviewRules(), "accepted", "wave"),
        ([""], ReviewRules(), "wrong", ""),
        (["box"], ReviewRules(), "accepted", "box"),
        (["wave", "wave"], KINETICS, "open", ""),
        (["wave", "wave", "wave"], KINETICS, "accepted", "wave"),
        (["", "wave", "", "wave", "wave"], KINETICS, "accepted", "wave"),
        (["", "", "wave"], KINETICS, "open", ""),  # two more could make three
        (["", "", ""], KINETICS, "wrong", ""),  # two more could not
        (["", "", "wave", ""], KINETICS, "wrong", ""),
        (["wave", "wave", "box", "box", ""], KINETICS, "disputed", ""),
        (["wave", "box", ""], KINETICS, "open", ""),
        (["wave", "box", "", "clap"], KINETICS, "disputed", ""),
        (["wave", ""], ReviewRules(2, 2), "disputed", ""),
        (["", ""], ReviewRules(2, 2), "wrong", ""),
        (["wave", "box"], ReviewRules(1, 2), "disputed", ""),  # both have what they need
    ],
)
def test_when_votes_settle_a_clip(votes: list[str], rules: ReviewRules, state: str, label: str) -> None:
    found = outcome(votes, rules)
    assert (found.state, found.label, found.votes) == (State(state), label, len(votes))


def test_who_skips_has_not_voted() -> None:
    records = [said("c", "ann", "skip"), said("c", "bob", "accept wave")]
    assert outcomes(["c", "d"], records, ReviewRules(2, 2))["c"].votes == 1
    assert outcomes(["c", "d"], records)["d"].state is State.NEW


@pytest.mark.parametrize(("need", "of", "pots"), [(0, 1, 0), (3, 2, 0), (1, 1, -1)])
def test_rules_that_cannot_be_met_are_refused(need: int, of: int, pots: int) -> None:
    with pytest.raises(UsageError):
        ReviewRules(need, of, pots)


def uids(found: list[Candidate]) -> list[str]:
    return [candidate.uid for candidate in found]


def test_what_is_next_lacks_votes_and_was_not_decided_by_oneself() -> None:
    rules = ReviewRules(2, 3)
    records = [
        said("a", "ann", "accept wave"),  # ann's own
        said("b", "ann", "skip"),  # seen as well
        said("c", "bob", "accept wave"),  # begun by others
        said("d", "bob", "accept wave"),
        said("d", "cy", "accept wave"),  # settled
    ]
    candidates = clips("a", "b", "c", "d", "e", "f")
    assert uids(next_clips(candidates, records, "ann", rules)) == ["c", "e", "f"]
    assert uids(next_clips(candidates, records, "bob", rules)) == ["a", "b", "e", "f"]
    assert uids(next_clips(candidates, records, "bob", rules, count=2)) == ["a", "b"]
    taken_back = [*records, Decision("a", "ann", Verdict.UNDO, undoes=records[0].id)]
    assert uids(next_clips(candidates, taken_back, "ann", rules)) == ["c", "a", "e", "f"]


def test_near_duplicates_follow_each_other() -> None:
    near = {"a": ["d"], "d": ["a", "f"], "f": ["d"]}
    found = next_clips(
        clips("a", "b", "c", "d", "e", "f"), [], "ann", neighbours=lambda uid: near.get(uid, [])
    )
    assert uids(found) == ["a", "d", "f", "b", "c", "e"]
    # One at a time, too: what was decided last is followed by those that show the same.
    asked = []
    records: list[Decision] = []
    while following := next_clips(
        clips("a", "b", "c", "d", "e", "f"), records, "ann", neighbours=lambda uid: near.get(uid, []), count=1
    ):
        asked += uids(following)
        records.append(said(asked[-1], "ann", "wrong"))
    assert asked == ["a", "d", "f", "b", "c", "e"]


def test_a_clip_of_known_answer_comes_after_every_few_and_only_once() -> None:
    rules = ReviewRules(1, 1, pots_every=2)
    candidates = [
        *clips("a", "b", "c", "d", "e", "f"),
        Candidate("p", "wave", known="wave"),
        Candidate("q", "box", known=""),
    ]
    assert uids(next_clips(candidates, [], "ann", rules)) == ["a", "b", "p", "c", "d", "q", "e", "f"]
    records = [said("a", "ann", "accept wave"), said("b", "ann", "wrong"), said("p", "ann", "accept wave")]
    assert uids(next_clips(candidates, records, "ann", rules)) == ["c", "d", "q", "e", "f"]
    # Others have voted on it more often than any clip needs; it comes all the same.
    others = [said("p", name, "accept wave") for name in ("bob", "cy", "di")]
    assert "p" in uids(next_clips(candidates, others, "ann", rules))
    assert uids(next_clips(candidates, [], "ann", ReviewRules(1, 1, 0))) == ["a", "b", "c", "d", "e", "f"]


def test_agreement_with_the_others_and_with_known_answers() -> None:
    candidates = [
        *clips("a", "b", "c", "d"),
        Candidate("p", "wave", known="wave"),
        Candidate("q", "wave", known="box"),
    ]
    records = [
        *(said("a", name, "accept wave") for name in ("ann", "bob", "cy")),
        said("b", "ann", "wrong"),
        said("b", "bob", "accept wave"),
        said("b", "cy", "accept wave"),
        said("c", "ann", "accept wave"),  # nobody else
        said("d", "ann", "accept wave"),
        said("d", "bob", "accept wave"),
        said("d", "cy", "wrong"),  # for ann the others are split
        said("p", "ann", "accept wave"),
        said("p", "bob", "wrong"),
        said("q", "ann", "wrong"),  # right: it does not show a wave
        said("q", "bob", "relabel clap"),
        said("c", "cy", "skip"),
        said("c", "bob", "wrong", "x"),
        said("c", "bob", "undo x"),
    ]
    ann, bob, cy = reviewer_reports(candidates, records)
    assert (ann.reviewer, ann.votes, ann.compared, ann.agreed, ann.pots, ann.right) == ("ann", 6, 4, 1, 2, 2)
    assert (bob.votes, bob.undone, bob.compared, bob.agreed, bob.pots, bob.right) == (5, 1, 3, 1, 2, 0)
    assert (cy.votes, cy.skipped, cy.compared, cy.agreed, cy.accuracy) == (3, 1, 2, 1, None)
    assert (ann.accuracy, bob.accuracy, ann.agreement) == (1.0, 0.0, 0.25)


def test_a_reviewer_who_fails_the_known_answers_is_named() -> None:
    candidates = [Candidate(f"p{n}", "wave", known="wave") for n in range(10)]
    records = [said(f"p{n}", "ann", "wrong" if n < 4 else "accept wave") for n in range(10)]
    records += [said(f"p{n}", "bob", "wrong" if n < 3 else "accept wave") for n in range(10)]
    ann, bob = reviewer_reports(candidates, records)
    assert ann.doubt == "6 of 10 clips of known answer right: look at these votes, or leave them out"
    assert bob.doubt == ""  # seven of ten, and nine times the same as ann


def test_classes_that_few_clips_show_should_be_dropped() -> None:
    candidates = [
        *(Candidate(f"w{n}", "wave") for n in range(12)),
        *(Candidate(f"b{n}", "box") for n in range(3)),
        Candidate("p", "wave", known=""),
    ]
    records = [said(f"w{n}", "ann", "accept wave" if n < 4 else "wrong") for n in range(10)]
    records += [said("b0", "ann", "wrong"), said("p", "ann", "wrong"), said("w11", "ann", "relabel clap")]
    box, wave = class_reports(candidates, records)
    assert (box.label, box.clips, box.settled, box.kept, box.advice) == ("box", 3, 1, 0, "")  # too few to say
    assert (wave.clips, wave.settled, wave.kept, wave.relabelled) == (12, 11, 4, 1)
    assert wave.advice == "drop 'wave', or find its clips in another way: 4 of 11 reviewed clips show it"


def test_labels_that_are_taken_for_each_other_should_be_merged() -> None:
    candidates = [
        *(Candidate(f"j{n}", "jog") for n in range(8)),
        *(Candidate(f"r{n}", "run") for n in range(8)),
    ]
    records = [said(f"j{n}", "ann", "accept jog" if n < 5 else "relabel run") for n in range(8)]
    records += [said(f"r{n}", "ann", "accept run" if n < 6 else "relabel jog") for n in range(8)]
    records += [said("j0", "bob", "relabel walk"), said("j1", "bob", "wrong")]
    pairs = confused_pairs(candidates, records)
    assert [(pair.one, pair.other, pair.crossed, pair.votes) for pair in pairs] == [
        ("jog", "run", 5, 16),
        ("jog", "walk", 1, 6),
    ]
    assert pairs[0].advice == (
        "merge 'jog' and 'run', or say how they differ: 5 of 16 votes on their clips are for the other one"
    )
    assert pairs[1].advice == ""  # six votes say nothing
