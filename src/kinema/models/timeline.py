"""Pictures of many videos through one model: decoding threads, batches across videos, memory that stays flat."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec, Picture
from kinema.errors import DataError, KinemaError
from kinema.models.prediction import Job
from kinema.video import Source, open_source

_POLL = 0.2  # seconds between looks at whether the consumer has gone
_PATIENCE = 2.0  # seconds that the pictures of a live source wait for others to fill their batch


@dataclass
class FeatureChunk:
    """The next features `(n, …)` of one job, their `times` `(n,)`, and the frames decoded since the last chunk."""

    job: int
    times: NDArray[np.float64]
    features: NDArray[Any]
    frame_times: NDArray[np.float64]
    frame_indices: NDArray[np.int64]
    last: bool = False
    error: KinemaError | None = None
    problems: list[str] = field(default_factory=list)


@dataclass
class _Item:
    """A picture, or the end of a job (`picture` None)."""

    job: int
    picture: Picture | None
    frames: list[tuple[int, float]]
    error: KinemaError | None = None
    problems: list[str] = field(default_factory=list)


@dataclass
class _Pending:
    times: list[float] = field(default_factory=list)
    frames: list[tuple[int, float]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    last: bool = False
    error: KinemaError | None = None
    problems: list[str] = field(default_factory=list)


def embed_jobs(
    jobs: Sequence[Job],
    spec: ClipSpec,
    embed: Callable[[NDArray[np.uint8]], NDArray[Any]],
    *,
    batch_size: int = 16,
    decoders: int = 2,
    at_a_time: int = 1,
    prepare: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
) -> Iterator[FeatureChunk]:
    """Yield the features of all jobs, each job's chunks in order, batches filled across jobs.

    `decoders` threads decode ahead by at most four batches, and `at_a_time` threads embed a batch each while the caller
    works on the chunks of earlier ones. A job that cannot be read ends with a chunk whose `error` is set; the others go on.
    `prepare` is applied to each picture, for a flipped copy say.

    How many pictures share a batch depends on the jobs alone, not on how fast they are decoded, as the last bits of features
    depend on it. Only a live source's pictures are not kept waiting.
    """
    items: queue.Queue[_Item] = queue.Queue(maxsize=4 * batch_size)
    stop = threading.Event()
    patience = _PATIENCE if any(isinstance(job.video, Source) and job.video.live for job in jobs) else None
    waiting = iter(enumerate(jobs))
    lock = threading.Lock()

    def put(item: _Item) -> None:
        while not stop.is_set():
            with suppress(queue.Full):
                items.put(item, timeout=_POLL)
                return

    def decode() -> None:
        while not stop.is_set():
            with lock:
                index, job = next(waiting, (-1, None))
            if job is None:
                return
            frames: list[tuple[int, float]] = []
            problems: list[str] = []
            error: KinemaError | None = None
            try:
                for picture in _pictures(job, spec, frames, problems, alone):
                    if stop.is_set():
                        return
                    put(_Item(index, picture, frames.copy()))
                    frames.clear()
            except KinemaError as caught:
                error = caught
            except Exception as caught:
                error = DataError(f"{_name(job)}: decoding failed ({type(caught).__name__}: {caught})")
                error.__cause__ = caught
            put(_Item(index, None, frames, error, problems))

    # Where several videos are decoded side by side, a thread each is enough.
    alone = None if len(jobs) < max(2, decoders) else 1
    threads = [threading.Thread(target=decode, daemon=True) for _ in range(max(1, min(decoders, len(jobs))))]
    for thread in threads:
        thread.start()
    embedding = ThreadPoolExecutor(at_a_time)
    try:
        open_jobs = len(jobs)
        ahead: deque[tuple[dict[int, _Pending], Future[NDArray[Any]]]] = deque()
        while open_jobs or ahead:
            pictures: list[NDArray[np.uint8]] = []
            pending: dict[int, _Pending] = {}
            while open_jobs and len(pictures) < batch_size:
                try:
                    item = items.get(timeout=patience if pictures and patience else _POLL)
                except queue.Empty:
                    alive = any(thread.is_alive() for thread in threads)
                    if (pictures and patience) or (ahead and not pictures) or (not alive and items.empty()):
                        break
                    continue
                entry = pending.setdefault(item.job, _Pending())
                entry.frames += item.frames
                if item.picture is None:
                    entry.last, entry.error, entry.problems = True, item.error, item.problems
                    open_jobs -= 1
                else:
                    entry.times.append(item.picture.time)
                    entry.rows.append(len(pictures))
                    pictures.append(prepare(item.picture.image) if prepare else item.picture.image)
            if not pending and not ahead:
                raise KinemaError("decoding threads ended early: please report this")
            if pending:
                ahead.append((pending, embedding.submit(_embed, embed, pictures)))
            # One batch more than is computed is under way, so that it is at hand when another is done.
            if len(ahead) > at_a_time + 1 or not pending:
                entries, computed = ahead.popleft()
                features = computed.result()
                for job_index, entry in entries.items():
                    yield _chunk(job_index, entry, features)
    finally:
        stop.set()
        embedding.shutdown(cancel_futures=True)
        for thread in threads:
            thread.join(timeout=5)


def _embed(
    embed: Callable[[NDArray[np.uint8]], NDArray[Any]], pictures: list[NDArray[np.uint8]]
) -> NDArray[Any]:
    return embed(np.stack(pictures)) if pictures else np.zeros((0, 0), np.float32)


def joined(chunks: Sequence[FeatureChunk]) -> FeatureChunk:
    """Return consecutive chunks of one job as one."""
    if len(chunks) == 1:
        return chunks[0]
    features = [chunk.features for chunk in chunks if len(chunk.times)]
    return replace(
        chunks[-1],
        times=np.concatenate([chunk.times for chunk in chunks]),
        features=np.concatenate(features) if features else chunks[-1].features,
        frame_times=np.concatenate([chunk.frame_times for chunk in chunks]),
        frame_indices=np.concatenate([chunk.frame_indices for chunk in chunks]),
    )


def _chunk(job: int, entry: _Pending, features: NDArray[Any]) -> FeatureChunk:
    return FeatureChunk(
        job,
        np.array(entry.times, np.float64),
        features[entry.rows] if entry.rows else np.zeros((0, features.shape[-1]), np.float32),
        np.array([time for _, time in entry.frames], np.float64),
        np.array([index for index, _ in entry.frames], np.int64),
        entry.last,
        entry.error,
        entry.problems,
    )


def _name(job: Job) -> str:
    return job.video.name if isinstance(job.video, Source) else str(job.video)


def _pictures(
    job: Job, spec: ClipSpec, frames: list[tuple[int, float]], problems: list[str], threads: int | None
) -> Iterator[Picture]:
    def seen(index: int, time: float) -> None:
        frames.append((index, time))

    settings: dict[str, Any] = {"start": job.start or 0.0, "end": job.end, "seen": seen}
    if isinstance(job.video, Source):
        yield from spec.pictures(job.video, **settings)
        problems += job.video.problems
        return
    with open_source(Path(job.video), fps=job.fps, threads=threads) as source:
        yield from spec.pictures(source, **settings)
        problems += source.problems
