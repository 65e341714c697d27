"""Many videos at a time: threads, progress, and what happens when one fails or all are stopped."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

from kinema.data.frames.folder import FrameFolder
from kinema.data.frames.plan import Stretch
from kinema.data.frames.tables import Failure
from kinema.data.frames.writing import write_stretch
from kinema.errors import DataError, KinemaError
from kinema.video import Source, open_source
from kinema.video.remote import address_of

Progress = Callable[[float, int, int], None]
_LOOK = 0.1  # seconds between calls of `progress`


class Run:
    """One run over the stretches that are not finished, a video a thread.

    `contents` holds what `content_of` says of each video.
    """

    # Threads, since decoding, conversion, compression and writing all leave Python's lock: on 40 small clips and two
    # cores processes needed 1.1 times the processor time of threads.

    def __init__(self, folder: FrameFolder, contents: dict[Path, str], workers: int) -> None:
        self._folder = folder
        self._contents = contents
        self._workers = workers
        self._stop = threading.Event()
        self._shares: dict[str, float] = {}  # of each clip in the making, from 0 to 1
        self._finished: set[str] = set()

    def all(self, stretches: Sequence[Stretch], progress: Progress | None) -> list[Failure]:
        """Write all stretches and return what was lost. `progress` is called from this thread."""
        jobs: dict[tuple[Path, float | None], list[Stretch]] = {}
        for stretch in stretches:
            jobs.setdefault((stretch.video, stretch.rate), []).append(stretch)
        with ExitStack() as stack:
            # Fewer videos than cores: the images of one are compressed in several threads.
            few = len(jobs) < self._workers
            encoders = stack.enter_context(ThreadPoolExecutor(self._workers, "encode")) if few else None
            pool = stack.enter_context(ThreadPoolExecutor(self._workers, "frames"))
            threads = None if few else 1
            running = [pool.submit(self._video, mine, encoders, threads) for mine in jobs.values()]
            try:
                self._follow(running, len(stretches), progress)
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise
            return [failure for job in running for failure in job.result()]

    def _follow(
        self, running: Sequence[Future[list[Failure]]], total: int, progress: Progress | None
    ) -> None:
        waiting = set(running)
        while waiting:
            ended, waiting = wait(waiting, timeout=_LOOK)
            for job in ended:
                job.result()
            if progress is not None:
                images = sum(len(record.times) for record in list(self._folder.records.values()))
                progress(len(self._finished) + sum(list(self._shares.values())), total, images)

    def _video(
        self, stretches: Sequence[Stretch], encoders: Executor | None, threads: int | None
    ) -> list[Failure]:
        failures: list[Failure] = []
        source = None
        try:
            for stretch in stretches:
                try:
                    if source is None:
                        source = open_source(stretch.video, fps=stretch.rate, threads=threads)
                    self._stretch(stretch, source, encoders)
                except _StopError:
                    return failures
                except Exception as error:
                    if isinstance(error, KinemaError) and not isinstance(error, DataError):
                        raise  # the disk, not the video
                    # One video must not stop the others, whatever is wrong with it.
                    failures += _lost(stretch, error)
                self._finished.add(stretch.key)
                self._shares.pop(stretch.key, None)
        finally:
            if source is not None:
                source.close()
        return failures

    def _stretch(self, stretch: Stretch, source: Source, encoders: Executor | None) -> None:
        start = stretch.start
        end = stretch.end if stretch.end is not None else source.duration
        seconds = None if end is None or end <= start else end - start

        def tick(time: float) -> None:
            if self._stop.is_set():
                raise _StopError
            if seconds is not None:
                self._shares[stretch.key] = min(1.0, (time - start) / seconds)

        partial = self._folder.partial()
        try:
            record = write_stretch(
                stretch, source, self._folder.settings, partial, encoders=encoders, tick=tick
            )
            record.content = self._contents[stretch.video]
            self._folder.publish(partial, record)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


class _StopError(Exception):
    """The run is being given up."""


def _lost(stretch: Stretch, error: Exception) -> list[Failure]:
    reason = " ".join(str(error).split()).removeprefix(f"{stretch.video}: ") or type(error).__name__
    kind = "no frames" if "no frame in this range" in reason else "unreadable"
    if not stretch.video.exists() and not address_of(stretch.video):
        kind, reason = "missing", "no such file; check the path in the manifest"
    return [Failure(stretch.name, s.start, s.end, s.label, kind, reason) for s in stretch.segments]
