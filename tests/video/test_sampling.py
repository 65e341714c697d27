"""Which frames a rate, a start and an end choose."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from kinema.errors import UsageError
from kinema.video import Frame, Source, TimeSampler


@dataclass
class Dot:
    time: float
    index: int

    def image(self, size: tuple[int, int] | None) -> NDArray[np.uint8]:
        width, height = size or (2, 2)
        return np.full((height, width, 3), self.index % 256, np.uint8)


class Listed(Source):
    """A source with frames at given times."""

    def __init__(self, times: list[float]) -> None:
        self.name, self.fps, self.size = "listed", None, (2, 2)
        self.duration, self.frame_count, self.live = None, len(times), False
        self.times = times
        self.asked = 0

    def pictures(self, start: float, end: float | None) -> Generator[Dot]:
        for index, time in enumerate(self.times):
            self.asked += 1
            yield Dot(time, index)

    def close(self) -> None:
        pass


def chosen(frames: list[Frame]) -> list[int]:
    return [frame.index for frame in frames]


def test_without_a_rate_every_frame_of_the_range_comes() -> None:
    source = Listed([0.0, 0.1, 0.2, 0.3, 0.4])
    assert chosen(list(source)) == [0, 1, 2, 3, 4]
    assert chosen(list(source.frames(start=0.1, end=0.3))) == [1, 2]


def test_bounds_are_met_two_milliseconds_early_so_that_neighbouring_ranges_share_no_frame() -> None:
    source = Listed([0.0, 0.0995, 0.2, 0.2985])
    assert chosen(list(source.frames(end=0.1))) == [0]
    assert chosen(list(source.frames(start=0.1, end=0.3))) == [1, 2]
    assert chosen(list(source.frames(start=0.3))) == [3]


def test_thirty_to_eight_frames_a_second_takes_the_first_frame_at_or_after_each_grid_point() -> None:
    # Grid 0, 0.125, 0.25, ... against frames at k / 30: ceil(30 * 0.125 k) = 0, 4, 8, 12, 15, 19, 23, 27.
    source = Listed([k / 30 for k in range(30)])
    assert chosen(list(source.frames(fps=8))) == [0, 4, 8, 12, 15, 19, 23, 27]


def test_a_start_moves_the_grid() -> None:
    source = Listed([k / 30 for k in range(60)])
    # Grid 0.5, 0.75, 1.0, 1.25: frames 15, 23 (0.7667), 30, 38 (1.2667).
    assert chosen(list(source.frames(start=0.5, end=1.5, fps=4))) == [15, 23, 30, 38]


def test_a_slow_source_repeats_its_frame_for_each_grid_point_that_it_is_first_to_reach() -> None:
    source = Listed([0.0, 0.5, 1.0])
    frames = list(source.frames(fps=4))
    # Grid 0 | 0.25 0.5 | 0.75 1.0; nothing after the last frame.
    assert chosen(frames) == [0, 1, 1, 2, 2]
    assert [frame.time for frame in frames] == [0.0, 0.5, 0.5, 1.0, 1.0]


def test_the_native_rate_takes_every_frame_once_in_spite_of_millisecond_rounding() -> None:
    source = Listed([round(k * 1001 / 30000, 3) for k in range(300)])
    assert chosen(list(source.frames(fps=30000 / 1001))) == list(range(300))


def test_the_decoder_is_not_asked_beyond_the_last_grid_point() -> None:
    source = Listed([k / 25 for k in range(1000)])
    assert len(list(source.frames(end=4.0, fps=4))) == 16
    assert source.asked == 95  # grid point 3.75 is served by frame 94 (3.76 s)


def test_sampler_counts_grid_points_of_a_stream() -> None:
    sampler = TimeSampler(start=10.0, fps=2.0)
    assert [sampler.take(t) for t in (9.9, 9.999, 10.2, 10.5, 10.5, 12.0, 12.1)] == [0, 1, 0, 1, 0, 3, 0]


def test_seen_is_told_of_every_frame_of_the_range() -> None:
    told: list[tuple[int, float]] = []
    source = Listed([0.0, 0.25, 0.5, 0.75, 1.0])
    frames = list(
        source.frames(start=0.25, end=1.0, fps=2, seen=lambda index, time: told.append((index, time)))
    )
    assert told == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert chosen(frames) == [1, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": -1.0},
        {"start": float("nan")},
        {"start": 2.0, "end": 2.0},
        {"end": 0.0},
        {"fps": 0.0},
        {"fps": float("inf")},
        {"size": (0, 10)},
    ],
)
def test_ranges_and_rates_that_make_no_sense_are_refused_at_once(wrong: dict) -> None:
    with pytest.raises(UsageError):
        Listed([0.0]).frames(**wrong)
