"""A thread and bounded queues for each sink, so that a slow or dead one never slows an engine."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from kinema.errors import KinemaError, first_line
from kinema.events import Event
from kinema.streaming.rows import Notice, Row, View
from kinema.streaming.sinks.base import Sink, StreamInfo

_OPEN_WITHIN = 60.0
_KINDS_TOLD = 20  # of failures of one sink; one whose every failure is another kind must not flood the screen


class SinkRunner:
    """Calls one sink from a thread of its own; `row`, `view`, `event` and `notice` only queue.

    Rows and views that find their queue full push out the oldest, which are counted in `dropped_rows` and `dropped_views`;
    a caller with `patience` (seconds) waits that long for room first. Events and notices are kept, however many. An
    exception of the sink is told to `on_notice` once for each kind and counted in `failures`.

    >>> from kinema.events import EventRules
    >>> from kinema.streaming.sinks.callable import CallableSink
    >>> runner = SinkRunner(CallableSink(on_event=lambda event: print(event.label)))
    >>> runner.open(StreamInfo(["fall"], ["door.mp4"], EventRules(), None))
    >>> runner.event(Event("fall", 1.0, 2.0, 0.9, 1.5, 0.8))
    >>> runner.close()
    fall
    0
    """

    def __init__(self, sink: Sink, on_notice: Callable[[Notice], None] | None = None) -> None:
        self.sink = sink
        self.dropped_rows = 0
        self.dropped_views = 0
        self.failures = 0
        self._on_notice = on_notice
        self._wake = threading.Condition()
        self._number = 0
        self._kept: deque[tuple[int, str, Any]] = deque()
        self._rows: deque[tuple[int, str, Any]] = deque(maxlen=max(1, sink.rows_waiting))
        self._views: deque[tuple[int, str, Any]] = deque(maxlen=max(1, sink.views_waiting))
        self._busy = ""
        self._stuck = False
        self._deadline: float | None = None
        self._told: set[tuple[Any, ...]] = set()
        self._thread: threading.Thread | None = None
        self._opened = threading.Event()
        self._refusal: BaseException | None = None
        sink.on_tell = self._tell

    def open(self, info: StreamInfo) -> None:
        """Open the sink in its thread. Raises what the sink raises, and `KinemaError` when it takes longer than a minute."""
        self._thread = threading.Thread(
            target=self._run, args=(info,), name=f"sink {self.sink.name}", daemon=True
        )
        self._thread.start()
        if not self._opened.wait(_OPEN_WITHIN):
            raise KinemaError(f"sink '{self.sink.name}' was not ready within {_OPEN_WITHIN:g} s")
        if self._refusal is not None:
            raise self._refusal

    def row(self, row: Row, patience: float = 0.0) -> None:
        """Queue a row, if the sink wants rows. Where the queue is full, wait up to `patience` seconds first: the frames of a
        file can wait."""
        if self.sink.wants_rows:
            with self._wake:
                self._make_room(self._rows, patience)
                self.dropped_rows += len(self._rows) == self._rows.maxlen
                self._add(self._rows, "row", row)

    def view(self, view: View, patience: float = 0.0) -> None:
        """Queue a frame, if the sink wants frames; `patience` as for a row."""
        if self.sink.wants_views:
            with self._wake:
                self._make_room(self._views, patience)
                self.dropped_views += len(self._views) == self._views.maxlen
                self._add(self._views, "view", view)

    def event(self, event: Event) -> None:
        """Queue an event."""
        with self._wake:
            self._add(self._kept, "event", event)

    def notice(self, notice: Notice) -> None:
        """Queue a notice."""
        with self._wake:
            self._add(self._kept, "notice", notice)

    def stop(self, timeout: float = 5.0) -> None:
        """Let the sink take what waits and close, within `timeout` seconds; returns at once."""
        with self._wake:
            if self._deadline is None:
                self._deadline = time.monotonic() + timeout
            self._wake.notify_all()

    def close(self, timeout: float = 5.0) -> int:
        """Let the sink take what waits and close; return within about `timeout` seconds, whatever the sink does.

        Returns the number of events and notices that the sink has not taken, which are told as well.
        """
        self.stop(timeout)
        if self._thread is None:
            return 0
        if self._deadline is not None:
            self._thread.join(max(0.0, self._deadline - time.monotonic()) + 0.05)
        with self._wake:
            events = sum(kind == "event" for _, kind, _ in self._kept) + (self._busy == "event")
            rest = len(self._kept) + (self._busy in ("event", "notice"))
            stuck = self._thread.is_alive()
        if rest or stuck:
            self._tell_once(
                ("close",),
                f"{self.sink.name}: did not finish within {timeout:g} s"
                + (f"; {events} event{'s' * (events != 1)} not delivered" if events else ""),
            )
        return rest

    def _make_room(self, queue: deque[tuple[int, str, Any]], patience: float) -> None:
        """Wait until a queue has room; a sink that took nothing meanwhile is not waited for again until it does."""
        if not patience or self._stuck or len(queue) != queue.maxlen:
            return
        if not self._wake.wait_for(
            lambda: len(queue) != queue.maxlen or self._deadline is not None, patience
        ):
            self._stuck = True

    def _add(self, queue: deque[tuple[int, str, Any]], kind: str, what: Any) -> None:
        self._number += 1
        queue.append((self._number, kind, what))
        self._wake.notify_all()

    def _run(self, info: StreamInfo) -> None:
        try:
            self.sink.open(info)
        except BaseException as error:
            self._refusal = error
            return
        finally:
            self._opened.set()
        calls: dict[str, Callable[[Any], None]] = {
            "row": self.sink.row,
            "view": self.sink.view,
            "event": self.sink.event,
            "notice": self.sink.notice,
        }
        while (found := self._next()) is not None:
            kind, what = found
            self._try(kind, calls[kind], what)
        self._busy = "close"
        self._try("close", self.sink.close, max(0.0, (self._deadline or 0.0) - time.monotonic()))
        self._busy = ""

    def _next(self) -> tuple[str, Any] | None:
        """Return the oldest thing that waits; None when the sink shall close."""
        with self._wake:
            self._busy = ""
            while True:
                if self._deadline is not None and time.monotonic() > self._deadline:
                    self.dropped_rows += len(self._rows)
                    self.dropped_views += len(self._views)
                    return None
                waiting = [queue for queue in (self._kept, self._rows, self._views) if queue]
                if waiting:
                    _, kind, what = min(waiting, key=lambda queue: queue[0][0]).popleft()
                    self._busy, self._stuck = kind, False
                    self._wake.notify_all()
                    return kind, what
                if self._deadline is not None:
                    return None
                self._wake.wait()

    def _try(self, kind: str, call: Callable[[Any], Any], what: Any) -> None:
        try:
            call(what)
        except Exception as error:
            self.failures += 1
            text = str(error) if isinstance(error, KinemaError) else ""
            told = (type(error), getattr(error, "errno", None), re.sub(r"\d+", "", text))
            doing = "while closing" if kind == "close" else f"with {'an' if kind == 'event' else 'a'} {kind}"
            line = text or f"failed {doing} ({type(error).__name__}: {first_line(error)})"
            name = self.sink.name
            self._tell_once(told, line if name in line.partition(": ")[0] else f"{name}: {line}")

    def _tell_once(self, kind: tuple[Any, ...], text: str) -> None:
        if kind not in self._told and len(self._told) < _KINDS_TOLD:
            self._told.add(kind)
            self._tell(text)

    def _tell(self, text: str) -> None:
        if self._on_notice is not None:
            with suppress(Exception):  # whoever listens must not stop a sink
                self._on_notice(Notice("sink", self.sink.name, text, time.time()))


def close_all(runners: Iterable[SinkRunner], timeout: float = 5.0) -> int:
    """Close several at the same time, within about `timeout` seconds in all; return what was not taken, as `close` does."""
    runners = list(runners)
    for runner in runners:
        runner.stop(timeout)
    return sum(runner.close(timeout) for runner in runners)
