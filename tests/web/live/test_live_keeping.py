"""Live events on their way into the review: with their clips, over a database that is away, over a killed engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django", reason="the web extra is not installed")

from kinema.errors import UsageError
from kinema.events import Event, EventRules
from kinema.streaming.sinks.base import StreamInfo

pytestmark = pytest.mark.usefixtures("_django")


class _Review:
    """What is added, and what goes wrong before."""

    def __init__(self, *failures: Exception) -> None:
        self.added: list[dict[str, Any]] = []
        self._failures = list(failures)

    def __call__(self, **fields: Any) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.added.append(fields)


def _event(number: int = 1, **values: Any) -> Event:
    known: dict[str, Any] = {"id": f"door-{number}", "clip": f"clips/{number}.mp4", "ended": True, **values}
    return Event("fall", 1.0, 2.5, 0.9, 1.5, 0.8, **known)


def _sink(root: Path, review: _Review) -> Any:
    from kinema.web.live.keeping import ReviewSink

    folder = root / "events" / "session"
    folder.mkdir(parents=True, exist_ok=True)
    sink = ReviewSink(folder, root, "Falls", review)
    sink.open(StreamInfo(["fall"], ["door"], EventRules(), folder))
    return sink


def _written(root: Path, number: int = 1) -> None:
    clip = root / "events" / "session" / "clips" / f"{number}.mp4"
    clip.parent.mkdir(parents=True, exist_ok=True)
    clip.write_bytes(b"film")


def _recorded(root: Path, number: int = 1) -> None:
    (root / "events" / "session" / "clips" / f"{number}.json").write_text("{}")


def test_an_event_is_added_once_its_clip_and_the_record_of_it_are_there(tmp_path: Path) -> None:
    review = _Review()
    sink = _sink(tmp_path, review)
    sink.event(_event(ended=False))
    sink.event(_event())
    sink.row(None)
    _written(tmp_path)
    sink.row(None)
    assert review.added == []  # the record that says where it was cut comes after it
    _recorded(tmp_path)
    sink.row(None)
    sink.row(None)
    [added] = review.added
    assert (added["uid"], added["clip"], added["recognizer"], added["score"]) == (
        "door-1",
        "events/session/clips/1.mp4",
        "Falls",
        0.9,
    )


def test_what_the_database_does_not_take_now_is_added_later(tmp_path: Path) -> None:
    from django.db import OperationalError

    review = _Review(OperationalError("database is locked"), OperationalError("database is locked"))
    sink = _sink(tmp_path, review)
    _written(tmp_path)
    _recorded(tmp_path)
    with pytest.raises(OperationalError):  # the engine tells it as a notice
        sink.event(_event())
    assert review.added == []
    sink.close(5.0)
    assert [added["uid"] for added in review.added] == ["door-1"]


def test_an_event_that_the_review_refuses_does_not_stop_the_next(tmp_path: Path) -> None:
    review = _Review(UsageError("not below the site's folder"))
    sink = _sink(tmp_path, review)
    for number in (1, 2):
        _written(tmp_path, number)
        _recorded(tmp_path, number)
    with pytest.raises(UsageError):
        sink.event(_event(1))
    sink.event(_event(2))
    assert [added["uid"] for added in review.added] == ["door-2"]


def test_what_a_killed_engine_had_not_added_the_next_one_adds(tmp_path: Path) -> None:
    killed = _sink(tmp_path, _Review())
    killed.event(_event(1))
    killed.event(_event(2))
    _written(tmp_path, 2)
    review = _Review()
    _sink(tmp_path, review).row(None)
    assert [(added["uid"], added["clip"]) for added in review.added] == [
        ("door-1", ""),  # its clip was never finished
        ("door-2", "events/session/clips/2.mp4"),
    ]
    assert [path.name for path in (tmp_path / "events" / "session").glob("*.json")] == []
    again = _Review()
    _sink(tmp_path, again).row(None)
    assert again.added == []


def test_half_a_note_of_what_waits_stops_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "events" / "session"
    folder.mkdir(parents=True)
    for text in ('[{"label": "fa', json.dumps([1, 2]), json.dumps({"a": 1})):
        (folder / "waiting.json").write_text(text)
        review = _Review()
        _sink(tmp_path, review).row(None)
        assert review.added == []
