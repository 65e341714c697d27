"""The engine on a real RTSP stream: what is seen live, and a camera that goes away and comes back."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from kinema.data.clipspec import ClipSpec
from kinema.events import EventRules
from kinema.models import Recognizer
from kinema.streaming import Engine, Notice, Row
from kinema.streaming.sinks.callable import CallableSink
from kinema.video import open_source


def _recognizer() -> Recognizer:
    torch.manual_seed(0)
    spec = ClipSpec(frames=4, fps=10, height=32, width=32)
    return Recognizer.create("lrcn", ["a", "b"], spec, weights="none", backbone="test_resnet")


def _threads() -> int:
    """Threads but those of the recognizer, which stays."""
    return sum(not thread.name.startswith("embed") for thread in threading.enumerate())


def _wait(done: Any, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(done())


@pytest.mark.slow
def test_a_camera_that_goes_away_is_followed_again_in_a_new_window(rtsp: Any) -> None:
    rtsp.start("--size", "320x240")
    rows: list[Row] = []
    notices: list[Notice] = []
    before = _threads()
    sink = CallableSink(on_row=rows.append, on_notice=notices.append)
    recognizer = _recognizer()
    recognizer.follower.embed(np.zeros((1, 32, 32, 3), np.uint8))  # ready before the first picture comes
    with open_source(rtsp.address()) as source:
        engine = Engine(recognizer, [source], rules=EventRules(), sinks=[sink])
        with engine:
            engine.start()
            assert _wait(lambda: len(rows) >= 20, 15)
            assert engine.statistics().sources[0].state == "running"
            rtsp.stop()
            assert _wait(lambda: any(notice.kind == "lost" for notice in notices), 15)
            assert engine.statistics().sources[0].state == "lost"
            time.sleep(1.0)
            seen = len(rows)
            rtsp.start("--size", "160x120")
            returned = time.monotonic()
            assert _wait(lambda: len(rows) > seen, 10)
            assert time.monotonic() - returned < 6  # 2 s on a quiet machine: benchmarks/reconnect.py
            assert _wait(lambda: len(rows) >= seen + 10, 15)
            statistics = engine.statistics()
    first = rows[:20]
    # The camera sends 25 pictures a second, the model takes 10 of them, and its first window is full with the fourth.
    assert [row.full for row in first[:6]] == [False, False, False, True, True, True]
    gaps = [b.time - a.time for a, b in pairwise(first)]
    assert 0.07 < sum(gaps) / len(gaps) < 0.16
    after = rows[seen:]
    assert after[0].time - rows[seen - 1].time > 1.0
    assert [row.full for row in after[:5]] == [False, False, False, True, True]
    source_stats = statistics.sources[0]
    assert source_stats.latency[0] < 1000
    assert source_stats.seen >= 2 * source_stats.used
    assert _wait(lambda: _threads() <= before, 10)
