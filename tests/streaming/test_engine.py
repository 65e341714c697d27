"""The engine: what it computes, what it leaves out and says so, and how it ends. The model here counts and sleeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.events import Event, EventRules, LabelRule, events_of
from kinema.streaming import Engine, Notice, Policy, Row, Sink, View
from kinema.streaming.sinks.callable import CallableSink
from kinema.video import Source, open_source

SPEC = ClipSpec(frames=4, fps=10, height=16, width=16)
RULES = EventRules("none", default=LabelRule(0.5, 0.5, 0.0, 1, 0.0, 0.0), background=("dark",), partial=True)


class GreyModel:
    """Says how bright the newest picture is: logits (0, 8 * (grey / 255 - 0.5)) of `dark` and `bright`."""

    def __init__(self, seconds: float = 0.0, frames: int = SPEC.frames) -> None:
        self.classes, self.temperature = ["dark", "bright"], 1.0
        self.spec = replace(SPEC, frames=frames)
        self.calls: list[int] = []
        self.advanced: list[int] = []
        self.windows: list[list[int]] = []
        self.engine = "counting"
        self._seconds = seconds

    @property
    def follower(self) -> GreyModel:
        return self

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[Any]:
        self.calls.append(len(pictures))
        time.sleep(self._seconds * len(pictures))
        return pictures[:, 0, 0, :1].astype(np.float32)

    def advance(self, samples: NDArray[Any], state: Any) -> tuple[NDArray[np.float32], Any]:
        self.advanced.append(len(samples))
        known = [*(state or []), *samples[:, 0].astype(int).tolist()]
        self.windows.append(known[-self.spec.frames :])
        bright = 8 * (samples[:, 0] / 255 - 0.5)
        return np.stack([0 * bright, bright], axis=1).astype(np.float32), known[-self.spec.frames :]

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = np.exp(logits)
        return np.asarray(scaled / scaled.sum(1, keepdims=True), np.float32)


@dataclass
class Shot:
    time: float
    index: int
    grey: int

    def image(self, size: tuple[int, int] | None) -> NDArray[np.uint8]:
        width, height = size or (32, 16)
        return np.full((height, width, 3), self.grey, np.uint8)


class Script(Source):
    """Frames at given times and greys; a live one waits for the wall clock."""

    def __init__(
        self, shots: list[tuple[float, int]], *, live: bool = False, fails: bool = False, name: str = "script"
    ) -> None:
        self.name, self.size, self.fps, self.live = name, (32, 16), 20.0, live
        self.duration = self.frame_count = None
        self.closed = False
        self._shots, self._fails = shots, fails

    def pictures(self, start: float, end: float | None) -> Generator[Any]:
        began = time.monotonic()
        for index, (moment, grey) in enumerate(self._shots):
            if self.live:
                time.sleep(max(0.0, moment - (time.monotonic() - began)))
            yield Shot(moment, index, grey)
        if self._fails:
            raise DataError(f"{self.name}: the cable was pulled; plug it in")

    def close(self) -> None:
        self.closed = True


def steady(seconds: float, fps: float = 20.0, grey: int = 0) -> list[tuple[float, int]]:
    return [(index / fps, grey) for index in range(round(seconds * fps))]


class Told:
    """Everything that an engine tells."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.events: list[Event] = []
        self.notices: list[Notice] = []
        self.views: list[View] = []

    def sink(self, views: bool = False) -> Sink:
        return CallableSink(
            on_row=self.rows.append,
            on_event=self.events.append,
            on_notice=self.notices.append,
            **({"on_view": self.views.append} if views else {}),
        )


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    until = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < until:
        time.sleep(0.02)
    assert set(threading.enumerate()) - before == set()


def test_pictures_are_taken_by_time_and_every_row_is_told(told: Told) -> None:
    model = GreyModel()
    statistics = Engine(model, [Script(steady(1.0))], sinks=[told.sink()]).run()
    # 20 frames at 20 a second; the model wants 10 a second.
    assert [round(row.time, 3) for row in told.rows] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert [row.full for row in told.rows] == [False] * 3 + [True] * 7
    assert (sum(model.calls), sum(model.advanced)) == (10, 10)
    source = statistics.sources[0]
    assert (source.seen, source.sampled, source.used, source.dropped, source.state) == (
        20,
        10,
        10,
        0,
        "ended",
    )
    assert statistics.policy == "every-frame"
    assert told.notices[-1].text == "script: ended at 1.0 s; 20 frames seen, 10 used, 0 dropped"


def test_a_slow_source_s_frame_stands_for_every_point_in_time_that_it_reaches(told: Told) -> None:
    model = GreyModel()
    Engine(model, [Script([(0.0, 10), (0.35, 20)])], sinks=[told.sink()]).run()
    # 0.35 s reaches the points 0.1, 0.2 and 0.3: one pass of the backbone, three steps of the head.
    assert [round(row.time, 2) for row in told.rows] == [0.0, 0.35, 0.35, 0.35]
    assert (sum(model.calls), sum(model.advanced)) == (2, 4)
    assert model.windows[-1] == [10, 20, 20, 20]


def test_several_sources_share_the_calls_of_one_model(told: Told) -> None:
    model = GreyModel(seconds=0.002)
    sources = [Script(steady(1.0, grey=10 * number), name=f"camera {number}") for number in range(4)]
    statistics = Engine(model, sources, sinks=[told.sink()]).run()
    assert sum(model.calls) == 40
    assert len(model.calls) < 20
    assert statistics.batches == len(model.calls)
    for number in range(4):
        mine = [row for row in told.rows if row.source == number]
        assert len(mine) == 10
        assert {row.name for row in mine} == {f"camera {number}"}
        assert [row.time for row in mine] == sorted(row.time for row in mine)
        # Each source has a state of its own: its windows hold its own grey only.
    assert all(len(set(window)) == 1 for window in model.windows)


@pytest.mark.parametrize("kind", ["freshest", "auto:0.1"])
def test_what_cannot_be_computed_in_time_is_left_out_and_counted(kind: str, told: Told) -> None:
    # 10 pictures a second come, 4 can be computed; of a gap longer than the window only the window's worth would be told.
    model = GreyModel(seconds=0.25, frames=30)
    live = Script(steady(3.0), live=True)
    statistics = Engine(model, [live], policy=Policy.parse(kind), sinks=[told.sink()], batch_size=1).run()
    source = statistics.sources[0]
    assert source.seen == 60
    assert source.sampled == 30
    assert source.used == len(told.rows)
    assert source.used + source.dropped == 30
    assert 4 <= source.used <= 16
    assert source.latency[1] < 1500  # ms; with all of them in a queue the last would be 4.5 s behind
    # The model is moved on by every point in time, as in training. One step warmed it up.
    assert sum(model.advanced) == 30 + 1


def test_every_frame_of_a_live_source_is_computed_where_that_is_asked(told: Told) -> None:
    model = GreyModel(seconds=0.03)
    live = Script(steady(1.0), live=True)
    statistics = Engine(model, [live], policy=Policy("every-frame"), sinks=[told.sink()]).run()
    assert (statistics.sources[0].used, statistics.sources[0].dropped, len(told.rows)) == (10, 0, 10)


def test_auto_leaves_nothing_out_while_it_keeps_up(told: Told) -> None:
    statistics = Engine(GreyModel(), [Script(steady(1.0), live=True)], sinks=[told.sink()]).run()
    source = statistics.sources[0]
    assert statistics.policy == "auto, at most 0.5 s stale"
    assert (source.used, source.dropped) == (10, 0)
    assert source.latency[1] < 200


def test_a_live_source_that_was_away_begins_a_new_window(told: Told) -> None:
    model = GreyModel()
    shots = [*steady(0.5, grey=10), *[(3.0 + moment, 90) for moment, _ in steady(0.5)]]
    source = Script(shots)
    source.live = True  # its clock does not wait here: no sleeping
    source.pictures = Script(shots).pictures  # type: ignore[method-assign]
    Engine(model, [source], policy=Policy("every-frame"), sinks=[told.sink()]).run()
    assert [row.full for row in told.rows] == [False, False, False, True, True] * 2
    assert all(len(set(window)) == 1 for window in model.windows)
    assert sum(model.advanced) == 10 + 1  # one to warm up, and not the 25 points of the gap


def test_the_events_are_those_of_the_whole_timeline(told: Told) -> None:
    greys = [0] * 10 + [250] * 12 + [0] * 8 + [255] * 10
    shots = [(index / 20, grey) for index, grey in enumerate(greys)]
    Engine(GreyModel(), [Script(shots)], rules=RULES, sinks=[told.sink()]).run()
    times = np.array([row.time for row in told.rows])
    rows = np.stack([row.probabilities for row in told.rows])
    expected = events_of(times, rows, ["dark", "bright"], RULES, end=2.0, source="script")
    assert [event for event in told.events if event.ended] == expected
    assert [(event.label, event.start, event.end) for event in expected] == [
        ("bright", 0.5, pytest.approx(1.0)),
        ("bright", 1.5, pytest.approx(1.9)),
    ]
    begun = [event for event in told.events if not event.ended]
    assert [event.id for event in begun] == [event.id for event in expected]


def test_a_source_that_fails_is_told_once_and_the_others_go_on(told: Told) -> None:
    broken, whole = Script(steady(0.3), fails=True, name="door"), Script(steady(1.0), name="hall")
    engine = Engine(GreyModel(), [broken, whole], sinks=[told.sink()])
    statistics = engine.run()
    assert [str(error) for error in engine.failed] == ["door: the cable was pulled; plug it in"]
    assert [notice.text for notice in told.notices if notice.kind == "failed"] == [
        "door: the cable was pulled; plug it in"
    ]
    assert [source.state for source in statistics.sources] == ["failed", "ended"]
    assert sum(row.name == "hall" for row in told.rows) == 10
    assert broken.closed and whole.closed


def test_stop_ends_a_source_that_would_go_on_for_ever(told: Told) -> None:
    source = Script(steady(3600.0), live=True)
    engine = Engine(GreyModel(), [source], rules=RULES, sinks=[told.sink()])
    engine.start()
    assert not engine.wait(0.3)
    began = time.monotonic()
    engine.stop()
    assert engine.wait(20)
    engine.close()
    assert time.monotonic() - began < 20
    assert source.closed
    assert 2 <= len(told.rows) <= 8


def test_an_event_that_goes_on_ends_when_the_engine_is_stopped(told: Told) -> None:
    engine = Engine(GreyModel(), [Script(steady(60, grey=255), live=True)], rules=RULES, sinks=[told.sink()])
    with engine:
        engine.start()
        engine.wait(0.6)
    assert [event.ended for event in told.events] == [False, True]


def test_a_fault_of_the_model_ends_the_run_and_is_raised(told: Told) -> None:
    class Broken(GreyModel):
        def embed(self, pictures: NDArray[np.uint8]) -> NDArray[Any]:
            raise RuntimeError("out of memory")

    source = Script(steady(60.0), live=True)
    with pytest.raises(RuntimeError, match="out of memory"):
        Engine(Broken(), [source], sinks=[told.sink()]).run()
    assert source.closed


def test_a_sink_that_hangs_never_slows_the_rows(told: Told) -> None:
    release = threading.Event()

    class Dead(Sink):
        name, wants_rows = "dead", True

        def row(self, row: Row) -> None:
            release.wait(30)

    engine = Engine(GreyModel(), [Script(steady(2.0))], sinks=[Dead(), told.sink()])
    began = time.monotonic()
    engine.start()
    assert engine.wait(20)
    assert time.monotonic() - began < 20  # the sink lets go after 30
    engine.close(timeout=0.3)
    release.set()
    assert len(told.rows) == 20


@pytest.mark.parametrize(("live", "taken"), [(False, 40), (True, 4)])
def test_a_file_waits_for_its_sinks_and_a_camera_does_not(live: bool, taken: int) -> None:
    got: list[float] = []

    class Slow(Sink):
        name, wants_rows, rows_waiting = "slow", True, 2

        def row(self, row: Row) -> None:
            got.append(row.time)
            time.sleep(0.02 if not live else 1.0)

    source = Script(steady(4.0, fps=10.0))
    source.live = live
    source.pictures = Script(steady(4.0, fps=10.0)).pictures  # type: ignore[method-assign]
    Engine(GreyModel(), [source], policy=Policy("every-frame"), sinks=[Slow()]).run()
    assert len(got) == taken if not live else 1 <= len(got) <= taken


def test_views_are_every_frame_at_most_640_pixels_wide(told: Told) -> None:
    class Wide(Script):
        def __init__(self) -> None:
            super().__init__(steady(0.5))
            self.size = (1280, 720)

        def pictures(self, start: float, end: float | None) -> Generator[Any]:
            for shot in super().pictures(start, end):
                yield WideShot(shot.time, shot.index, shot.grey)

    class WideShot(Shot):
        def image(self, size: tuple[int, int] | None) -> NDArray[np.uint8]:
            return super().image(size or (1280, 720))

    Engine(GreyModel(), [Wide()], sinks=[told.sink(views=True)]).run()
    assert [view.image.shape for view in told.views] == [(360, 640, 3)] * 10
    assert [round(view.time, 2) for view in told.views] == [
        0.0,
        0.05,
        0.1,
        0.15,
        0.2,
        0.25,
        0.3,
        0.35,
        0.4,
        0.45,
    ]


def test_what_cannot_be_is_refused_before_anything_starts() -> None:
    with pytest.raises(UsageError, match="no source given"):
        Engine(GreyModel(), [])
    with pytest.raises(UsageError, match="script: given twice"):
        Engine(GreyModel(), [Script([]), Script([])])
    rules = EventRules(labels=("fall",))
    with pytest.raises(UsageError, match="event label 'fall': the recognizer does not know it"):
        Engine(GreyModel(), [Script([])], rules=rules)
    with pytest.raises(UsageError, match=r"--policy newest: .*Known: auto, every-frame, freshest"):
        Policy.parse("newest")
    with pytest.raises(UsageError, match="only auto takes seconds"):
        Policy.parse("freshest:1")
    for text in ("auto:-1", "auto:soon", "auto:inf"):
        with pytest.raises(UsageError, match="give seconds above 0"):
            Policy.parse(text)


def test_the_end_of_a_real_file_is_an_end_and_no_crash(test_data: Path, told: Told) -> None:
    video = sorted((test_data / "ut-interaction").glob("*/set1_seq01*"))[0]
    with Engine(GreyModel(), [open_source(video)], sinks=[told.sink()]) as engine:
        statistics = engine.run()
    assert statistics.sources[0].state == "ended"
    assert len(told.rows) == statistics.sources[0].used > 20
