"""A sink that is slow, dead or faulty never slows an engine, and nothing but rows and views is ever left out."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kinema.errors import KinemaError, UsageError
from kinema.events import Event
from kinema.streaming import Notice, Row, Sink, StreamInfo, View
from kinema.streaming.sinks.callable import CallableSink
from kinema.streaming.sinks.runner import SinkRunner, close_all


def _row(time_: float) -> Row:
    values = np.array([0.1, 0.8, 0.1], np.float32)
    return Row(0, "door.mp4", time_, values, values, True, True, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class _Blocked(Sink):
    name = "blocked"
    wants_rows = True
    wants_views = True

    def __init__(self) -> None:
        self.free = threading.Event()
        self.seen: list[Any] = []

    def row(self, row: Row) -> None:
        self.free.wait()
        self.seen.append(row.time)

    def view(self, view: View) -> None:
        self.free.wait()
        self.seen.append("view")

    def event(self, event: Event) -> None:
        self.free.wait()
        self.seen.append(event.id)


def test_a_dead_sink_takes_no_time(info: StreamInfo, event: Callable[..., Event]) -> None:
    sink, notices = _Blocked(), list[Notice]()
    sink.rows_waiting = 100
    runner = SinkRunner(sink, notices.append)
    runner.open(info)
    runner.event(event(id="first"))
    time.sleep(0.05)  # the sink is inside its call now
    rows, events = [_row(0.1 * number) for number in range(1000)], [event(id=str(n)) for n in range(20)]
    began = time.thread_time()  # of this thread: other programs of the computer do not count
    for row in rows:
        runner.row(row)
    for one in events:
        runner.event(one)
    assert time.thread_time() - began < 0.1
    assert runner.dropped_rows == 900

    began = time.monotonic()
    assert runner.close(0.2) == 21
    assert time.monotonic() - began < 10.0
    assert [notice.text for notice in notices] == [
        "blocked: did not finish within 0.2 s; 21 events not delivered"
    ]
    sink.free.set()


def test_what_waits_is_taken_in_order_at_the_end(info: StreamInfo, event: Callable[..., Event]) -> None:
    sink = _Blocked()
    sink.rows_waiting = 2
    runner = SinkRunner(sink)
    runner.open(info)
    runner.event(event(id="a"))
    time.sleep(0.05)
    for number in range(4):
        runner.row(_row(float(number)))
    runner.event(event(id="b"))
    runner.view(View(0, 4.0, 0.0, np.zeros((4, 4, 3), np.uint8)))
    sink.free.set()
    assert runner.close(5.0) == 0
    assert sink.seen == ["a", 2.0, 3.0, "b", "view"]
    assert (runner.dropped_rows, runner.dropped_views) == (2, 0)


def test_a_failure_is_told_once_a_kind(info: StreamInfo, event: Callable[..., Event]) -> None:
    seen: list[str] = []

    def take(event: Event) -> None:
        seen.append(event.id)
        if event.id.startswith("bad"):
            raise ValueError(f"cannot take {event.id}")
        if event.id.startswith("disk"):
            raise OSError(28, "No space left on device")

    notices: list[Notice] = []
    runner = SinkRunner(CallableSink(on_event=take, name="mine"), notices.append)
    runner.open(info)
    for name in ("bad1", "bad2", "disk1", "good", "disk2"):
        runner.event(event(id=name))
    runner.close(5.0)
    assert seen == ["bad1", "bad2", "disk1", "good", "disk2"]
    assert [(notice.kind, notice.name, notice.text) for notice in notices] == [
        ("sink", "mine", "mine: failed with an event (ValueError: cannot take bad1)"),
        ("sink", "mine", "mine: failed with an event (OSError: [Errno 28] No space left on device)"),
    ]
    assert runner.failures == 4


def test_wrong_settings_stop_the_start(info: StreamInfo) -> None:
    class Wrong(Sink):
        def open(self, info: StreamInfo) -> None:
            raise UsageError("wrong: no such port")

    runner = SinkRunner(Wrong())
    with pytest.raises(UsageError, match="wrong: no such port"):
        runner.open(info)
    assert runner.close(1.0) == 0


def test_a_sink_is_called_from_one_thread(info: StreamInfo, event: Callable[..., Event]) -> None:
    class Noting(Sink):
        wants_rows = True
        threads: set[int]

        def open(self, info: StreamInfo) -> None:
            self.threads = {threading.get_ident()}

        def event(self, event: Event) -> None:
            self.threads.add(threading.get_ident())

        row = notice = event  # type: ignore[assignment]

        def close(self, timeout: float = 5.0) -> None:
            self.threads.add(threading.get_ident())

    sink = Noting()
    runner = SinkRunner(sink)
    runner.open(info)
    runner.event(event())
    runner.row(_row(0.0))
    runner.notice(Notice("lost", "door.mp4", "gone", 0.0))
    runner.close()
    assert len(sink.threads) == 1
    assert threading.get_ident() not in sink.threads


def test_several_close_together(info: StreamInfo, event: Callable[..., Event]) -> None:
    runners = [SinkRunner(_Blocked()) for _ in range(4)]
    for runner in runners:
        runner.open(info)
        runner.event(event())
    began = time.monotonic()
    assert close_all(runners, 1.5) == 4
    assert time.monotonic() - began < 6.0  # one after another would take that long
    for runner in runners:
        runner.sink.free.set()  # type: ignore[attr-defined]


def test_a_sink_that_hangs_for_ever_does_not_hang_the_process() -> None:
    program = """
import time
from kinema.events import Event, EventRules
from kinema.streaming import Sink, StreamInfo
from kinema.streaming.sinks.runner import SinkRunner
class Hangs(Sink):
    def event(self, event): time.sleep(1000)
runner = SinkRunner(Hangs(), lambda notice: print(notice.text))
runner.open(StreamInfo(["fall"], ["a"], EventRules(), None))
runner.event(Event("fall", 0, 1, 1, 0, 1))
runner.close(0.2)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "sink: did not finish within 0.2 s; 1 event not delivered\n")


def test_a_callable_sink_takes_what_it_is_given_functions_for(event: Callable[..., Event]) -> None:
    seen: list[object] = []
    sink = CallableSink(on_event=seen.append, on_notice=lambda notice: seen.append(notice.text))
    assert (sink.wants_rows, sink.wants_views) == (False, False)
    sink.event(event())
    sink.row(_row(0.0))
    sink.notice(Notice("lost", "door", "gone", 0.0))
    assert seen == [event(), "gone"]
    assert CallableSink(on_row=print).wants_rows
    with pytest.raises(KinemaError):
        CallableSink(on_event=_refuse).event(event())


def _refuse(event: Event) -> None:
    raise KinemaError("no")
