"""A lane: one source's thread, which decodes and samples, and the pictures that wait to be computed."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec, Picture, PictureAssembler
from kinema.errors import KinemaError
from kinema.streaming.policy import Policy
from kinema.streaming.rows import View
from kinema.streaming.statistics import SourceCounter, SourceStats
from kinema.video import Frame, Source, TimeSampler, resize

_WAITING = 32
"""Pictures of one source that wait at most; 32 of 224 x 224 are 5 MB."""
_VIEW_WIDTH = 640
_LONG_GAP = 2.0  # windows


@dataclass
class Sample:
    """A picture `(H, W, 3)` of the model's size that stands for `times`, the points in time that it serves.

    `answers`: how many of them, from the end, want a row of their own; the others were left out by the policy.
    `anew`: the stream was away for so long that its window begins again.
    """

    image: NDArray[np.uint8]
    times: list[float]
    answers: int
    captured: float
    decoding: float
    anew: bool = False


class Lane:
    """Reads one source in a thread of its own, and keeps what waits according to the policy."""

    def __init__(
        self,
        index: int,
        source: Source,
        spec: ClipSpec,
        policy: Policy,
        arrived: threading.Condition,
        on_view: Callable[[View], None] | None,
    ) -> None:
        self.index, self.source, self.policy = index, source, policy
        self.counter = SourceCounter(source.name)
        self.error: KinemaError | None = None
        self.ended = False
        self.end = 0.0  # seconds at which the last frame's showing ends, as far as known
        self.began = 0.0  # `time.time()` of the first frame
        self._spec, self._arrived, self._on_view = spec, arrived, on_view
        self._waiting: deque[Sample] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"source-{index}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; pictures that wait stay."""
        self._stop.set()
        stop = getattr(self.source, "stop", None)
        if stop is not None:
            stop()
        with self._arrived:
            self._arrived.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait for the thread; return whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def stats(self, now: float) -> SourceStats:
        """Return counts and times so far; `now` is `time.monotonic()`."""
        return replace(self.counter.stats(now), skipped=int(getattr(self.source, "dropped", 0)))

    @property
    def done(self) -> bool:
        """Whether nothing waits and nothing will come. Call it with the condition held."""
        return self.ended and not self._waiting

    @property
    def ready(self) -> int:
        """How many pictures wait. Call it with the condition held."""
        return len(self._waiting)

    def take(self, most: int) -> list[Sample]:
        """Take the pictures to compute now, oldest first. Call it with the condition held."""
        self._leave_out()
        found = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._arrived.notify_all()
        return found

    def _leave_out(self) -> None:
        """Let the newest picture stand for those that are too old to be worth computing."""
        if self.policy.kind == "every-frame" or len(self._waiting) < 2:
            return
        stale = time.monotonic() - self._waiting[0].captured > self.policy.max_staleness
        if self.policy.kind == "auto" and not stale and len(self._waiting) < _WAITING:
            return
        newest = self._waiting[-1]
        left = [sample for sample in self._waiting if sample is not newest]
        self.counter.drop(sum(sample.answers for sample in left))
        for sample in reversed(left):
            if newest.anew:
                break  # what was before the stream was away is no part of its window
            newest.times = sample.times + newest.times
            newest.anew = sample.anew
        # Only the last window's worth of the gap can still be seen by the model.
        newest.times = newest.times[-max(self._spec.frames, newest.answers) :]
        self._waiting.clear()
        self._waiting.append(newest)

    def _offer(self, sample: Sample) -> None:
        with self._arrived:
            if self.policy.kind == "every-frame":
                while len(self._waiting) >= _WAITING and not self._stop.is_set():
                    self._arrived.wait(0.2)
            self._waiting.append(sample)
            if self.policy.kind == "freshest" or len(self._waiting) >= _WAITING:
                self._leave_out()
            self._arrived.notify_all()

    def _run(self) -> None:
        try:
            self._read()
        except KinemaError as error:
            self.error = error
        except Exception as error:
            self.error = KinemaError(f"{self.source.name}: reading failed ({type(error).__name__}: {error})")
            self.error.__cause__ = error
        finally:
            self.counter.state = "failed" if self.error else "ended"
            with self._arrived:
                self.ended = True
                self._arrived.notify_all()

    def _read(self) -> None:
        spec = self._spec
        sampler, assembler = TimeSampler(0.0, spec.read_fps), PictureAssembler(spec)
        pictures: Any = self.source.pictures(0.0, None)
        last: float | None = None
        try:
            while not self._stop.is_set():
                asked = time.monotonic()
                picture = next(pictures, None)
                if picture is None:
                    return
                now = time.monotonic()
                captured = getattr(picture, "arrived", asked if not self.source.live else now)
                decoding = getattr(picture, "decoding", now - asked)
                if last is None:
                    self.began = time.time() - (now - captured)
                    self.counter.state = "running"
                gap = 0.0 if last is None else picture.time - last
                last = picture.time
                self.end = picture.time + 1 / (self.source.fps or 25.0)
                anew = self.source.live and gap > _LONG_GAP * spec.span
                if anew:  # a camera that was away: what it saw before is no part of what it sees now
                    sampler, assembler = TimeSampler(picture.time, spec.read_fps), PictureAssembler(spec)
                count = sampler.take(picture.time)
                whole = self._view(picture, captured)
                due: list[Picture] = []
                if count:
                    began = time.perf_counter()
                    size = spec.read_size(self.source.size)
                    image = picture.image(size) if whole is None else resize(whole, size)
                    frame = Frame(image, picture.time, picture.index)
                    due = [made for made in (assembler.push(frame) for _ in range(count)) if made is not None]
                    decoding += time.perf_counter() - began
                self.counter.frame(now, len(due))
                for made, times in _distinct(due, spec):
                    self._offer(Sample(made.image, times, len(times), captured, decoding, anew))
                    anew = False
        finally:
            pictures.close()

    def _view(self, picture: Any, captured: float) -> NDArray[np.uint8] | None:
        """Show the frame to those who look on; return it in its own size where it had to be converted."""
        if self._on_view is None:
            return None
        image: NDArray[np.uint8] = picture.image(None)
        height, width = image.shape[:2]
        small = image
        if width > _VIEW_WIDTH:
            small = resize(image, (_VIEW_WIDTH, max(2, round(height * _VIEW_WIDTH / width / 2) * 2)))
        self._on_view(View(self.index, picture.time, captured, small))
        return image


def _distinct(due: list[Picture], spec: ClipSpec) -> list[tuple[Picture, list[float]]]:
    """Return the pictures of one frame with the times that each serves: one picture, unless its channels are of other times."""
    if spec.colour == "gray_stack" or not due:
        return [(made, [made.time]) for made in due]
    return [(due[0], [made.time for made in due])]
