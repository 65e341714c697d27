"""Predictions that can be watched: the newest picture with what is said of it, while the video is still being read."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kinema.errors import KinemaError
from kinema.evaluation.predictions import TimelineModel
from kinema.evaluation.timeline_view import thin, view
from kinema.files import atomic_path, write_text
from kinema.models.prediction import Job, TimelineChunk
from kinema.video import Source, open_source, resize
from kinema.video.drawing import draw_prediction
from kinema.video.frame import Picture
from kinema.video.jpeg import jpeg

PICTURE, TIMELINE = "preview.jpg", "preview.json"
_LONGEST, _SHORTEST = 640, 240  # pixels of the picture's sides
_WAITING = 15  # pictures; older ones are left out where rows come faster than they can be shown
_ROWS = 2000
_TIMELINE_EVERY = 1.0  # seconds


class Preview:
    """A recognizer for `predict_to_folder` that shows what it sees; its numbers are those of the one it stands for.

    While a video is read, `folder/preview.jpg` is replaced by the newest annotated picture every `every` seconds, and
    `folder/preview.json` by the timeline so far (`timeline_view.view`; `seconds` is the length of the video where it is
    known). Each file is whole at any moment. A disk that refuses them ends the show and not the prediction.

    >>> with Preview(recognizer, "out") as watched:  # doctest: +SKIP
    ...     predict_to_folder(watched, ["clip.mp4"], "out")
    """

    def __init__(
        self, recognizer: TimelineModel, folder: Path, *, every: float = 0.2, seconds: float | None = None
    ) -> None:
        self._recognizer = recognizer
        self.classes, self.spec = recognizer.classes, recognizer.spec
        self._show = _Show(recognizer.classes, Path(folder), every, seconds)
        self._every = every

    def __getattr__(self, name: str) -> Any:
        # What identifies a recognizer (name, temperature, weights, folder) is that of the one it stands for.
        return getattr(self._recognizer, name)

    def __enter__(self) -> Self:
        self._show.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show.stop()

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """As the recognizer."""
        return self._recognizer.probabilities(logits)

    def timeline(self, jobs: Sequence[Job], *, batch_size: int = 16) -> Iterator[TimelineChunk]:
        """As the recognizer; each row is shown on the picture that it came from."""
        kept = [deque[tuple[float, NDArray[np.uint8]]]() for _ in jobs]
        opened: list[_Seen] = []
        watched = []
        for job, pictures in zip(jobs, kept, strict=True):
            # A video that cannot be opened is left to the recognizer, which says so in its place.
            with suppress(KinemaError):
                source = job.video if isinstance(job.video, Source) else open_source(job.video, fps=job.fps)
                opened.append(_Seen(source, pictures, self._every))
                job = replace(job, video=opened[-1])
            watched.append(job)
        try:
            with closing(_generator(self._recognizer.timeline(watched, batch_size=batch_size))) as chunks:
                for chunk in chunks:
                    self._take(chunk, kept[chunk.job])
                    yield chunk
        finally:
            for source in opened:
                source.close()

    def _take(self, chunk: TimelineChunk, pictures: deque[tuple[float, NDArray[np.uint8]]]) -> None:
        if not len(chunk.times):
            return
        rows = self._recognizer.probabilities(chunk.logits)
        self._show.rows(chunk.times, rows)
        while pictures and pictures[0][0] <= chunk.times[-1]:
            moment, image = pictures.popleft()
            row = int(np.searchsorted(chunk.times, moment + 1e-9, side="right")) - 1
            if row >= 0:
                self._show.picture(image, rows[row])


class _Show:
    """Draws and writes in a thread of its own, so that nobody waits for it."""

    def __init__(self, classes: Sequence[str], folder: Path, every: float, seconds: float | None) -> None:
        self._classes, self._folder, self._every, self._seconds = list(classes), folder, every, seconds
        self._waiting: deque[tuple[NDArray[np.uint8], NDArray[np.float32]]] = deque(maxlen=_WAITING)
        self._times = np.zeros(0, np.float64)
        self._rows = np.zeros((0, len(classes)), np.float32)
        self._new = threading.Condition()
        self._stopping = False
        self._written = 0.0
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._new:
            self._stopping = True
            self._new.notify()
        if self._thread.is_alive():
            self._thread.join(10)

    def picture(self, image: NDArray[np.uint8], row: NDArray[np.float32]) -> None:
        with self._new:
            self._waiting.append((image, row))
            self._new.notify()

    def rows(self, times: NDArray[np.float64], rows: NDArray[np.float32]) -> None:
        with self._new:
            times, rows = np.concatenate([self._times, times]), np.concatenate([self._rows, rows])
            # Thinned to half once they are too many: memory does not grow with the video.
            self._times, self._rows = thin(times, rows, _ROWS) if len(times) > 2 * _ROWS else (times, rows)

    def _run(self) -> None:
        with suppress(KinemaError, OSError):
            while True:
                with self._new:
                    self._new.wait_for(lambda: self._waiting or self._stopping)
                    stopping = self._stopping
                    if stopping and self._waiting:
                        self._waiting = deque([self._waiting[-1]])
                    item = self._waiting.popleft() if self._waiting else None
                if item is not None:
                    self._draw(*item)
                if stopping or time.monotonic() - self._written > _TIMELINE_EVERY:
                    self._written = time.monotonic()
                    self._write_timeline()
                if stopping:
                    return
                with self._new:
                    self._new.wait_for(lambda: self._stopping, timeout=self._every)

    def _draw(self, image: NDArray[np.uint8], row: NDArray[np.float32]) -> None:
        drawn = jpeg(draw_prediction(image, self._classes, row), 80)
        with atomic_path(self._folder / PICTURE) as temporary:
            temporary.write_bytes(drawn)

    def _write_timeline(self) -> None:
        import json

        with self._new:
            times, rows = self._times, self._rows
        last = float(times[-1]) if len(times) else 0.0
        found = view(self._classes, times, rows, max(self._seconds or 0.0, last), until=round(last, 3))
        write_text(self._folder / TIMELINE, json.dumps(found))


class _Seen(Source):
    """A source that keeps a small copy of a picture now and then, when its pixels are asked for anyway."""

    def __init__(self, source: Source, kept: deque[tuple[float, NDArray[np.uint8]]], every: float) -> None:
        self.name, self.fps, self.size = source.name, source.fps, source.size
        self.duration, self.frame_count, self.live = source.duration, source.frame_count, source.live
        self._source, self._kept, self._every = source, kept, every
        self._ahead = source._ahead
        self._last = 0.0
        width, height = source.size
        self._small = _small(width, height)

    @property
    def problems(self) -> list[str]:
        return self._source.problems

    def pictures(self, start: float, end: float | None) -> Generator[Picture]:
        with closing(self._source.pictures(start, end)) as pictures:
            for picture in pictures:
                yield _SeenPicture(picture, self._keep)

    def close(self) -> None:
        self._source.close()

    def _keep(self, moment: float, image: Callable[[], NDArray[np.uint8]]) -> None:
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            self._kept.append((moment, resize(image(), self._small)))


@dataclass(slots=True)
class _SeenPicture:
    """A picture whose full pixels may be kept; those that are asked for are the same (`resize` of the full ones)."""

    picture: Picture
    keep: Callable[[float, Callable[[], NDArray[np.uint8]]], None]

    @property
    def time(self) -> float:
        return self.picture.time

    @property
    def index(self) -> int:
        return self.picture.index

    def image(self, size: tuple[int, int] | None) -> NDArray[np.uint8]:
        full: list[NDArray[np.uint8]] = []

        def whole() -> NDArray[np.uint8]:
            full.append(self.picture.image(None))
            return full[0]

        self.keep(self.picture.time, whole)
        if not full:
            return self.picture.image(size)
        return full[0] if size is None else np.ascontiguousarray(resize(full[0], size))


def _small(width: int, height: int) -> tuple[int, int]:
    share = min(_LONGEST / max(width, height), max(1.0, _SHORTEST / min(width, height)))
    return max(1, round(width * share)), max(1, round(height * share))


def _generator(chunks: Iterator[TimelineChunk]) -> Generator[TimelineChunk]:
    yield from chunks
