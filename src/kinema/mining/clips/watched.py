"""WatchedVideo: a video that is scored and searched for cuts in one pass, and that is opened only when its turn comes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from kinema.mining.clips.shots import CutFinder
from kinema.video import Frame, Source, TimeSampler, open_source
from kinema.video.frame import Picture

_LEAD = 16  # frames that the finder sees before the first one that is wanted: it compares a change with those around it


class WatchedVideo(Source):
    """A video file or frame folder whose every decoded frame passes by a `CutFinder`.

    `every`: each so-many-th frame is a sample, whatever rate is asked for; None for the rate that is asked for. `end`: when
    the last frame's showing ended, as far as was read.
    """

    live = False

    def __init__(
        self, path: Path, *, fps: float | None = None, every: int | None = None, threads: int | None = 1
    ) -> None:
        self.name = str(path)
        self.finder = CutFinder()
        self.end = 0.0
        self._path, self._rate, self._every, self._threads = path, fps, every, threads
        self._inner: Source | None = None
        self._problems: list[str] = []

    def open(self) -> Source:
        """Open the video, if it is not open. Raises what `open_source` raises."""
        if self._inner is None:
            self._inner = open_source(self._path, fps=self._rate, threads=self._threads)
            self.fps = self._inner.fps
            self.duration, self.frame_count = self._inner.duration, self._inner.frame_count
            self._ahead = self._inner._ahead
        return self._inner

    @property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """(width, height) as displayed."""
        return self.open().size

    @property
    def problems(self) -> list[str]:
        """One line for each thing found wrong so far."""
        return self._problems if self._inner is None else self._inner.problems

    def pictures(self, start: float, end: float | None) -> Generator[Picture]:
        """Yield the frames as the video does, after the finder has seen them."""
        source, last, before = self.open(), 0.0, 0.0
        lead = _LEAD / min(source.fps or 25.0, 25.0)
        with closing(source.pictures(max(0.0, start - lead), end)) as pictures:
            for picture in pictures:
                self.finder.push(picture)
                before, last = last, picture.time
                self.end = last
                yield picture
        # A frame is shown until the next; the last one as long as the one before it, or as the rate says.
        self.end = last + (1 / source.fps if source.fps else max(0.0, last - before))
        self.finder.finish()

    def close(self) -> None:
        """Release the file; what it said of itself is kept."""
        if self._inner is not None:
            self._problems = list(self._inner.problems)
            self._inner.close()
            self._inner = None

    def _sampled(
        self, start: float, end: float | None, sampler: TimeSampler | None, *rest: Any, **named: Any
    ) -> Iterator[Frame]:
        if self._every is not None and sampler is not None:
            sampler = _EveryKth(self._every)
        yield from super()._sampled(start, end, sampler, *rest, **named)
        self.close()


class _EveryKth(TimeSampler):
    def __init__(self, every: int) -> None:
        super().__init__(0.0, 1.0)
        self._every, self._passed = every, 0

    def take(self, time: float) -> int:
        self._passed += 1
        return int((self._passed - 1) % self._every == 0)
