"""Frames a second from the file to the answer, counted by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kinema.data import Segment
from kinema.evaluation.speed import measure_speed
from kinema.models import Job


class Clock:
    """Stands still but for what the recognizer takes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow:
    """Answers ten frames in a second of the clock; what it builds for the first picture takes a minute."""

    device = "torch"

    def __init__(self, clock: Clock, frames: int = 10) -> None:
        self.clock, self.frames, self.built, self.stopped = clock, frames, False, False

    def timeline(self, jobs: Sequence[Job]) -> Iterator[Any]:
        try:
            for _ in jobs:
                self.clock.now += 1.0 if self.built else 60.0
                self.built = True
                yield SimpleNamespace(frame_times=np.zeros(self.frames), last=True)
        finally:
            self.stopped = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


def segments(count: int) -> list[Segment]:
    return [Segment(Path("a.mp4"), None, None, "a", "test", "g", row, "a.mp4") for row in range(count)]


def test_the_first_picture_does_not_count_and_the_rest_does(clock: Clock) -> None:
    found = measure_speed(Slow(clock), segments(3))  # type: ignore[arg-type]
    assert found is not None
    assert (found["frames_per_second"], found["frames"], found["seconds"]) == (10.0, 30, 3.0)
    assert found["device"] == "cpu"


def test_it_stops_when_its_time_is_over(clock: Clock) -> None:
    recognizer = Slow(clock)
    found = measure_speed(recognizer, segments(100), seconds=4.5)  # type: ignore[arg-type]
    assert found is not None and (found["frames"], found["seconds"]) == (50, 5.0)
    assert recognizer.stopped


def test_without_a_frame_there_is_no_speed(clock: Clock) -> None:
    assert measure_speed(Slow(clock, frames=0), segments(2)) is None  # type: ignore[arg-type]
    assert measure_speed(Slow(clock), []) is None  # type: ignore[arg-type]
