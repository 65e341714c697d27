"""The live engine: sources → pictures in time → one recognizer for all → smoothing → events → sinks.

```
source ─ lane: thread decodes, samples by time ─▶ waiting pictures ─┐           ┌▶ sink: queue, thread
source ─ lane …                                 ─▶ policy ──────────┼▶ engine ──┼▶ sink …
source ─ lane …                                                     ┘  thread   └▶ sink …
```

One thread computes: the newest pictures of all sources in one call of the backbone, then each source's head, smoothing and
events. No sink can hold up a live source, and no source can hold up another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from kinema.errors import KinemaError, UsageError
from kinema.events import Event, EventRules
from kinema.streaming.followed import Followed, StreamModel
from kinema.streaming.lanes import Lane, Sample
from kinema.streaming.policy import Policy
from kinema.streaming.rows import Notice, NoticeKind, View
from kinema.streaming.sinks.base import Sink, StreamInfo
from kinema.streaming.sinks.runner import SinkRunner, close_all
from kinema.streaming.statistics import Statistics
from kinema.video import Source

_LOOK = 0.5  # seconds between looks at whether all is well
_PATIENCE = 5.0  # seconds that a source may take to end
_BATCH = 16
_SINKS_WAITED = 10.0  # seconds that the frames of a file wait for a sink that is behind


class Engine:
    """Runs one recognizer over one or more sources until they end or `stop` is called.

    `sources` are opened ones; the engine closes them. `policy` None: every frame of a source that can wait, `auto` for a
    live one. `rules` None: the defaults. `folder`: where sinks keep what they write. `name_files(event)` returns the
    event with the paths of its clip and thumbnail, known before they are written.

    >>> with Engine(recognizer, [open_source("door.mp4")], sinks=[CallableSink(print)]) as engine:  # doctest: +SKIP
    ...     statistics = engine.run()

    Raises `UsageError` for no source, or rules that name a class the recognizer lacks; `KinemaError` when a sink can never
    work.
    """

    def __init__(
        self,
        recognizer: StreamModel,
        sources: Sequence[Source],
        *,
        policy: Policy | None = None,
        rules: EventRules | None = None,
        sinks: Sequence[Sink] = (),
        folder: Path | None = None,
        name_files: Callable[[Event], Event] | None = None,
        batch_size: int = _BATCH,
    ) -> None:
        if not sources:
            raise UsageError("no source given: name a video, a camera or an address")
        names = [source.name for source in sources]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"{twice}: given twice; events name their source, so give each once")
        if batch_size < 1:
            raise UsageError(f"batch_size must be at least 1, not {batch_size}")
        self.recognizer, self.rules = recognizer, rules or EventRules()
        self.rules.alerting(list(recognizer.classes))
        self.policy = policy
        self._name_files = name_files
        self._batch_size = batch_size
        self._info = StreamInfo(
            list(recognizer.classes), [source.name for source in sources], self.rules, folder
        )
        self._runners = [SinkRunner(sink, self._tell) for sink in sinks]
        self._viewers = [runner for runner in self._runners if runner.sink.wants_views]
        self._readers = [runner for runner in self._runners if runner.sink.wants_rows]
        self._condition = threading.Condition()
        self._lanes: list[Lane] = []
        for index, source in enumerate(sources):
            chosen = policy or Policy("auto" if source.live else "every-frame")
            lane = Lane(
                index, source, recognizer.spec, chosen, self._condition, self._view if self._viewers else None
            )
            self._lanes.append(lane)
            if hasattr(source, "on_notice"):
                source.on_notice = self._source_notice(lane)
        # A live source must not be held up, not even by the sinks of a file beside it.
        waits = all(not lane.source.live and lane.policy.kind == "every-frame" for lane in self._lanes)
        self._patience = _SINKS_WAITED if waits else 0.0
        self._streams = [Followed(lane, recognizer, self.rules) for lane in self._lanes]
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._began = time.monotonic()
        self._batches = 0
        self._turn = 0
        self._closed = False

    def run(self) -> Statistics:
        """Start, wait until all sources have ended, close, and return what was done.

        Raises what stopped the engine itself; a source that fails alone is told as a notice, and is in `failed`.
        """
        try:
            self.start()
            self.wait()
        finally:
            self.close()
        return self.statistics()

    def start(self) -> None:
        """Open the sinks and begin to read; returns at once."""
        for runner in self._runners:
            runner.open(self._info)
        self._warm_up()
        self._began = time.monotonic()
        for lane in self._lanes:
            lane.start()
        self._thread.start()

    def _warm_up(self) -> None:
        """Do what the first picture would wait for; a camera's next ones would be left out meanwhile."""
        follower, spec = self.recognizer.follower, self.recognizer.spec
        if any(lane.source.live for lane in self._lanes):
            nothing = np.zeros((1, spec.height, spec.width, 3), np.uint8)
            follower.advance(follower.embed(nothing), None)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all sources have ended; return whether they have. Raises what stopped the engine itself."""
        until = None if timeout is None else time.monotonic() + timeout
        # In short waits, so that Ctrl-C is heard on every system.
        while not self._ended.wait(
            _LOOK if until is None else max(0.0, min(_LOOK, until - time.monotonic()))
        ):
            if until is not None and time.monotonic() >= until:
                return False
        if self._failure is not None:
            raise self._failure
        return True

    def stop(self) -> None:
        """Ask all sources to end; callable from any thread and from a signal handler's thread."""
        self._stopping.set()
        for lane in self._lanes:
            lane.stop()

    def close(self, timeout: float = 5.0) -> None:
        """Stop, end the events that go on, let the sinks finish within `timeout` seconds, release everything."""
        if self._closed:
            return
        self._closed = True
        self.stop()
        if self._thread.ident is not None:
            self._thread.join(_PATIENCE)
        with ExitStack() as stack:
            for lane in self._lanes:
                stack.callback(self._release, lane)
            close_all(self._runners, timeout)

    @property
    def failed(self) -> list[KinemaError]:
        """Why sources ended early, an error each."""
        return [lane.error for lane in self._lanes if lane.error is not None]

    def statistics(self) -> Statistics:
        """Return counts and times so far; callable from any thread at any time."""
        now = time.monotonic()
        sinks = [
            {"name": r.sink.name, "failures": r.failures, "dropped_rows": r.dropped_rows, "dropped_views": r.dropped_views}
            for r in self._runners
        ]  # fmt: skip
        policies = dict.fromkeys(str(lane.policy) for lane in self._lanes)
        follower = getattr(self.recognizer, "_follower", None) or self.recognizer.follower
        return Statistics(
            "; ".join(policies),
            str(follower.engine),
            now - self._began,
            self._batches,
            [lane.stats(now) for lane in self._lanes],
            sinks,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while self._work():
                pass
        except BaseException as error:
            self._failure = error
            self.stop()
        finally:
            self._ended.set()

    def _work(self) -> bool:
        """Compute the pictures that wait; return whether there may be more."""
        with self._condition:
            while not any(lane.ready for lane in self._lanes):
                if all(lane.done for lane in self._lanes):
                    break
                ended = [s for s in self._streams if s.lane.done and not s.finished]
                if ended:
                    break
                self._condition.wait(_LOOK)
            work = self._take()
        if work:
            self._compute(work)
        for stream in self._streams:
            with self._condition:
                done = stream.lane.done
            if done and not stream.finished:
                self._finish(stream)
        return not all(stream.finished for stream in self._streams)

    def _take(self) -> list[tuple[Followed, list[Sample]]]:
        """Take a batch, an equal share of each source that has pictures waiting; another source is first each time."""
        ready = [stream for stream in self._streams if stream.lane.ready]
        if not ready:
            return []
        self._turn += 1
        ready = ready[self._turn % len(ready) :] + ready[: self._turn % len(ready)]
        found, room = [], self._batch_size
        for place, stream in enumerate(ready):
            share = max(1, room // (len(ready) - place))
            samples = stream.lane.take(min(share, room))
            if samples:
                found.append((stream, samples))
            room -= len(samples)
            if room <= 0:
                break
        return found

    def _compute(self, work: list[tuple[Followed, list[Sample]]]) -> None:
        pictures = [sample.image for _, samples in work for sample in samples]
        taken = time.monotonic()
        features = self.recognizer.follower.embed(
            np.stack(pictures) if len(pictures) > 1 else pictures[0][None]
        )
        backbone = (time.monotonic() - taken) / len(pictures)
        self._batches += 1
        begin = 0
        for stream, samples in work:
            part = features[begin : begin + len(samples)]
            begin += len(samples)
            for row, events in stream.advance(samples, part, taken, backbone):
                for runner in self._readers:
                    runner.row(row, 0.0 if runner.sink.may_miss else self._patience)
                for event in events:
                    self._event(event)

    def _finish(self, stream: Followed) -> None:
        stream.finished = True
        for event in stream.detector.finish(stream.lane.end) if stream.detector else []:
            self._event(event)
        lane = stream.lane
        for problem in lane.source.problems:
            self._tell(Notice("source", lane.source.name, problem, time.time()))
        if lane.error is not None:
            self._tell(Notice("failed", lane.source.name, str(lane.error), time.time()))
        else:
            stats = lane.stats(time.monotonic())
            counts = f"{stats.seen} frames seen, {stats.used} used, {stats.dropped} dropped"
            if stats.skipped:
                counts += f"; {stats.skipped} more came faster than they could be read"
            text = f"{lane.source.name}: ended at {lane.end:.1f} s; {counts}"
            self._tell(Notice("ended", lane.source.name, text, time.time()))

    def _event(self, event: Event) -> None:
        if self._name_files is not None:
            event = self._name_files(event)
        for runner in self._runners:
            runner.event(event)

    def _view(self, view: View) -> None:
        for runner in self._viewers:
            runner.view(view, 0.0 if runner.sink.may_miss else self._patience)

    def _tell(self, notice: Notice) -> None:
        for runner in self._runners:
            runner.notice(notice)

    def _source_notice(self, lane: Lane) -> Callable[[NoticeKind, str], None]:
        def tell(kind: NoticeKind, text: str) -> None:
            if kind == "lost":
                lane.counter.state = "lost"
            elif kind == "back":
                lane.counter.state = "running"
            self._tell(Notice(kind, lane.source.name, text, time.time()))

        return tell

    def _release(self, lane: Lane) -> None:
        if not lane.join(_PATIENCE):
            text = f"{lane.source.name}: did not end within {_PATIENCE:g} s; it is left behind"
            self._tell(Notice("failed", lane.source.name, text, time.time()))
            return
        with suppress(KinemaError, OSError):
            lane.source.close()
