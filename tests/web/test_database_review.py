"""Clips and decisions in the database: what is kept, what it comes to, what comes next, and at what cost."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("database")

WHEN = datetime(2026, 5, 21, 9, 30, tzinfo=UTC)


def clip(uid: str, label: str = "wave", **fields: Any) -> Any:
    from kinema.web.review.clips import add_clip

    return add_clip(uid, label, **{"recorded": WHEN, **fields})


def user(name: str = "ann") -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get_or_create(username=name)[0]


def decide(made: Any, name: str, verdict: str, label: str = "") -> Any:
    from kinema.mining.review import Verdict
    from kinema.web.review import book

    return book.decide(made, user(name), Verdict(verdict), label)


def change_rules(need: int, of: int, pots_every: int = 0) -> int:
    from kinema.mining.review import ReviewRules
    from kinema.web.review import book

    return book.change_rules(ReviewRules(need, of, pots_every))


def state(made: Any) -> tuple[str, str, int]:
    made.refresh_from_db()
    return made.state, made.agreed, made.votes


def test_adding_a_clip_again_brings_it_up_to_date_and_keeps_what_people_said() -> None:
    first = clip("e1", score=0.5, end=2.0)
    again = clip("e1", score=0.9, end=4.0, source="door")
    assert (again.pk, again.score, again.end, again.source) == (first.pk, 0.9, 4.0, "door")
    assert clip("e1", "box").label == "box"  # nobody has voted yet
    decide(first, "ann", "accept")
    after = clip("e1", "kick", score=0.95)
    assert (after.label, after.score, after.state) == ("box", 0.95, "accepted")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": ""}, "a clip needs an id and a label"),
        ({"colour": "red"}, "a clip has no colour; it has clip, clip_end"),
        ({"clip": "../secret.mp4"}, r"\.\./secret\.mp4: not a file of the site"),
        ({"clip": "secret-key"}, "secret-key: not a file of the site"),
        ({"clip": "/etc/passwd.mp4"}, "not below the site's folder"),
        ({"thumbnail": "x.mp4"}, r"x\.mp4: not a file of the site that ends in \.jpg"),
    ],
)
def test_a_clip_that_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    from kinema.errors import UsageError
    from kinema.web.review.models import Clip

    with pytest.raises(UsageError, match=message):
        clip("e1", **fields)
    assert Clip.objects.count() == 0


def test_a_whole_path_below_the_site_is_kept_from_its_folder() -> None:
    from kinema.web.folder import site

    path = site().place("events", "door") / "e1.mp4"
    path.write_bytes(b"x")
    assert clip("e1", clip=path).clip == "events/door/e1.mp4"


def test_decisions_are_added_and_an_undo_is_one_of_them() -> None:
    from kinema.web.review import book
    from kinema.web.review.models import Decision

    made = clip("e1")
    decide(made, "ann", "accept")
    assert state(made) == ("accepted", "wave", 1)
    decide(made, "ann", "relabel", "  high   five ")
    assert state(made) == ("accepted", "high five", 1)
    undone = book.undo(user("ann"))
    assert (undone.verdict, undone.label) == ("relabel", "high five")
    assert state(made) == ("accepted", "wave", 1)
    book.undo(user("ann"))
    assert state(made) == ("new", "", 0)
    assert book.undo(user("ann")) is None
    kept = list(Decision.objects.values_list("name", "verdict", "label"))
    assert kept == [
        ("ann", "accept", "wave"),
        ("ann", "relabel", "high five"),
        ("ann", "undo", ""),
        ("ann", "undo", ""),
    ]


def test_relabelling_with_the_same_label_accepts_and_without_one_is_refused() -> None:
    from kinema.errors import UsageError

    made = clip("e1")
    assert decide(made, "ann", "relabel", "wave").verdict == "accept"
    with pytest.raises(UsageError, match="relabel needs the label"):
        decide(made, "ann", "relabel", "  ")


def test_what_a_reviewer_said_outlives_the_reviewer() -> None:
    made = clip("e1")
    decide(made, "ann", "wrong")
    user("ann").delete()
    assert [(one.name, one.reviewer, one.verdict) for one in made.decisions.all()] == [("ann", None, "wrong")]
    assert state(made) == ("wrong", "", 1)


def test_several_reviewers_settle_a_clip_and_other_rules_judge_it_anew() -> None:
    change_rules(2, 3)
    made, other = clip("e1"), clip("e2")
    decide(made, "ann", "accept")
    assert state(made) == ("open", "", 1)
    decide(made, "bob", "wrong")
    assert state(made) == ("open", "", 2)
    decide(made, "cy", "accept")
    assert state(made) == ("accepted", "wave", 3)
    decide(other, "ann", "accept")
    assert change_rules(3, 3) == 1
    assert (state(made)[0], state(other)[0]) == ("disputed", "open")
    assert change_rules(1, 1) == 2
    assert (state(made)[0], state(other)[0]) == ("accepted", "accepted")


def test_what_comes_next() -> None:
    from kinema.web.review import book
    from kinema.web.review.filters import ClipFilter

    def following(name: str, wanted: Any = None) -> list[str]:
        return [found.uid for found in book.next_clips(user(name), wanted, 10)]

    change_rules(2, 3, pots_every=2)
    made = [
        clip(f"e{n}", recorded=WHEN + timedelta(minutes=n), family="twins" if n in (1, 4) else "")
        for n in range(5)
    ]
    assert following("ann") == ["e4", "e1", "e3", "e2", "e0"]  # the newest first, twins side by side
    decide(made[2], "bob", "accept")
    decide(made[3], "ann", "skip")
    assert following("ann") == ["e2", "e4", "e1", "e0"]  # begun ones first; none of one's own
    assert following("bob") == ["e4", "e1", "e3", "e0"]
    clip("pot", known="wave", recorded=WHEN - timedelta(days=1))
    assert following("bob") == ["e4", "pot", "e1", "e3", "e0"]  # after two: one is decided
    assert following("ann", ClipFilter(day="2026-05-22")) == []
    decide(made[4], "di", "wrong")
    assert following("di")[0] == "e1"  # the twin of what was decided last, before those that others began
    decide(made[1], "di", "wrong")
    assert following("di")[:2] == ["pot", "e2"]
    decide(made[2], "ann", "accept")
    assert "e2" not in following("cy")  # settled


def test_counts_leave_out_clips_of_known_answer() -> None:
    from kinema.web.review import book

    for number, verdict in enumerate(["accept", "wrong", "accept"]):
        decide(clip(f"e{number}"), "ann", verdict)
    clip("e3")
    decide(clip("pot", known=""), "ann", "wrong")
    found = book.counts(user("ann"))
    assert found == {
        "total": 4,
        "waiting": 1,
        "accepted": 2,
        "wrong": 1,
        "disputed": 0,
        "settled": 3,
        "mine": 3,
    }


def test_filters() -> None:
    from kinema.web.review.filters import ClipFilter

    clip("a", "wave", source="door", score=0.9)
    clip("b", "box", source="yard", score=0.6, kind="mined")
    third = clip("c", "wave", source="yard", score=0.3, recorded=WHEN + timedelta(days=1))
    decide(third, "ann", "relabel", "clap")

    def found(**values: str) -> list[str]:
        return sorted(one.uid for one in ClipFilter.of(values).clips())

    assert found() == ["a", "b", "c"]
    assert found(label="wave") == ["a", "c"]
    assert found(label="clap") == ["c"]  # also by what people call it
    assert found(source="yard") == ["b", "c"]
    assert found(score="0.5") == ["a", "b"]
    assert found(kind="mined") == ["b"]
    assert found(state="waiting") == ["a", "b"]
    assert found(state="accepted", source="yard") == ["c"]
    assert found(day="2026-05-22") == ["c"]
    # What makes no sense is left out, also where it is dangerous.
    assert found(day="yesterday", score="many", kind="x", state="'; DROP TABLE") == ["a", "b", "c"]
    wanted = ClipFilter.of({"label": "a&b", "state": "waiting", "page": "3"})
    assert wanted.query == "?label=a%26b&state=waiting"


def test_ten_thousand_clips_cost_no_more_queries_than_ten(client: Any, django_queries: Any) -> None:
    from kinema.web.review.models import Clip

    def fill(first: int, last: int) -> None:
        Clip.objects.bulk_create(
            Clip(
                uid=f"e{n}",
                label=f"label {n % 7}",
                source=f"camera {n % 5}",
                recorded=WHEN + timedelta(seconds=n),
            )
            for n in range(first, last)
        )

    def cost(address: str) -> int:
        client.get(address)  # what is made once
        with django_queries() as queries:
            answer = client.get(address)
        assert answer.status_code == 200
        return len(queries)

    fill(0, 60)
    addresses = ["/review/", "/review/?page=2", "/review/go/", "/api/review/next", "/api/review/clips?page=2"]
    few = [cost(address) for address in addresses]
    fill(60, 10_000)
    assert [cost(address) for address in addresses] == few
    assert max(few) <= 15
    page = client.get("/review/?page=209").content.decode()
    assert "Page 209 of 209" in page
    assert page.count('<li class="tile">') == 16


def test_two_reviewers_at_once_both_count() -> None:
    from django.db import connection

    change_rules(4, 4)
    made = clip("e1")
    names = ("ann", "bob", "cy", "di")
    for name in names:
        user(name)

    def work(name: str) -> None:
        decide(type(made).objects.get(pk=made.pk), name, "accept")
        connection.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert state(made) == ("accepted", "wave", 4)


def test_the_site_s_book_is_one_like_that_in_a_file() -> None:
    from kinema.errors import UsageError
    from kinema.mining.review import ReviewBook, Verdict, next_clips
    from kinema.web.review.book import SiteBook

    clip("e1", known="", family="f")
    clip("e2", source="door", details={"began_at": "2026-05-21T09:30:00+00:00"})
    user("ann")
    book: ReviewBook = SiteBook()
    assert [(one.uid, one.known, one.group) for one in book.candidates()] == [
        ("e2", None, "door 2026-05-21"),
        ("e1", "", "e1"),
    ]
    record = book.decide("e2", "ann", Verdict.ACCEPT)
    assert (record.clip, record.reviewer, record.label) == ("e2", "ann", "wave")
    assert next_clips(book.candidates(), book.records(), "ann") == []
    assert book.undo("ann") == record
    assert [one.verdict for one in book.records()] == ["accept", "undo"]
    with pytest.raises(UsageError, match="no user 'zoe'"):
        book.undo("zoe")
    with pytest.raises(UsageError, match="no clip 'e9'"):
        book.decide("e9", "ann", Verdict.SKIP)


@pytest.fixture
def django_queries() -> Any:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    return lambda: CaptureQueriesContext(connection)
