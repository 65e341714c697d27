"""Features of a frozen backbone, computed once and kept on disk under a key of everything they depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinema.data import Segment
from kinema.data.clips import rate_of
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, KinemaError
from kinema.files import atomic_path, cache_folder
from kinema.models import Embedder, FeatureChunk, FrameBackbone, Job, embed_jobs
from kinema.training.content import ContentHashes
from kinema.video.store_errors import StoreError

# Raised when decoding, sampling or embedding change what the same inputs give.
_VERSION = 1


@dataclass
class Track:
    """The features of one segment, in the file `path`, and `times` `(n,)` seconds.

    `frame_times` and `frame_indices` `(m,)` name every frame of the segment, sampled or not.
    """

    segment: Segment
    times: NDArray[np.float64]
    path: Path
    frame_times: NDArray[np.float64]
    frame_indices: NDArray[np.int64]

    @property
    def features(self) -> NDArray[np.float16]:
        """`(n, D)` float16, a read-only memory map; not kept, since a map holds a file open and there are thousands."""
        return _mapped(self.path)


@dataclass
class Extraction:
    """Tracks in the order of the segments, None where a video could not be read, with the reasons in `problems`.

    `computed` counts the tracks that were not in the cache.
    """

    tracks: list[Track | None]
    problems: list[str]
    computed: int

    def readable(self) -> list[Track]:
        """The tracks of the segments that could be read."""
        return [track for track in self.tracks if track is not None]


class FeatureCache:
    """Extracts features of segments, or finds them in the cache folder.

    A key covers the backbone's weights and taps, the pixels of the ClipSpec, the engine, the content of the file, its
    range in seconds and whether the pictures are mirrored. Entries are written atomically, so two processes may share
    the folder, and a killed extraction goes on where it stopped.
    """

    def __init__(self, backbone: FrameBackbone, spec: ClipSpec, embedder: Embedder) -> None:
        self._spec = spec
        self._embedder = embedder
        self._folder = cache_folder() / "features"
        self._base = [_VERSION, backbone.fingerprint(), spec.fingerprint(pixels_only=True), embedder.engine]
        self._hashes = ContentHashes()

    def extract(
        self,
        segments: Sequence[Segment],
        *,
        mirrored: bool = False,
        progress: Callable[[int, int], None] | None = None,
        batch_size: int = 16,
    ) -> Extraction:
        """Return the tracks of `segments`; `progress(done, total)` counts segments.

        A segment that cannot be read is listed in `problems` and has no track. Raises `StoreError` when an object store
        refuses or does not answer.
        """
        problems: list[str] = []
        keys: list[str | None] = []
        for segment in segments:
            try:
                keys.append(self._key(segment, mirrored))
            except OSError as error:
                keys.append(None)
                problems.append(f"{segment.video}: {error.strerror or error}")
            except DataError as error:  # a stored video that is not there
                keys.append(None)
                problems.append(str(error))
        missing = [i for i, key in enumerate(keys) if key is not None and not self._path(key).exists()]
        done = len(segments) - len(missing)
        if progress is not None:
            progress(done, len(segments))
        absent, absent_keys = [segments[i] for i in missing], [keys[i] for i in missing]
        computed = 0
        for index, problem in self._compute(absent, absent_keys, mirrored, batch_size):
            if isinstance(problem, StoreError):  # no fault of the video: to train without it would be wrong
                raise problem
            computed += problem is None
            if problem is not None:
                problems.append(str(problem))
                keys[missing[index]] = None
            done += 1
            if progress is not None:
                progress(done, len(segments))
        tracks = [
            self._load(segment, key) if key else None for segment, key in zip(segments, keys, strict=True)
        ]
        return Extraction(tracks, problems, computed)

    def _compute(
        self, segments: list[Segment], keys: list[str | None], mirrored: bool, batch_size: int
    ) -> Iterator[tuple[int, KinemaError | None]]:
        jobs = [Job(s.video, s.start, s.end, rate_of(s)) for s in segments]
        parts: dict[int, list[FeatureChunk]] = {}
        chunks = embed_jobs(
            jobs,
            self._spec,
            self._embedder,
            batch_size=batch_size,
            at_a_time=self._embedder.at_a_time,
            prepare=_mirror if mirrored else None,
        )
        for chunk in chunks:
            parts.setdefault(chunk.job, []).append(chunk)
            if not chunk.last:
                continue
            whole = parts.pop(chunk.job)
            error: KinemaError | None = chunk.error
            if error is None and not any(len(part.times) for part in whole):
                segment = segments[chunk.job]
                until = "its end" if segment.end is None else f"{segment.end:g} s"
                error = DataError(f"{segment.video}: no frame between {segment.start or 0:g} s and {until}")
            if error is None:
                key = keys[chunk.job]
                assert key is not None
                self._store(key, whole)
            yield chunk.job, error

    def _key(self, segment: Segment, mirrored: bool) -> str:
        parts = [
            *self._base,
            self._hashes(segment.video),
            segment.start,
            segment.end,
            rate_of(segment),
            mirrored,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.npy"

    def _store(self, key: str, chunks: list[FeatureChunk]) -> None:
        path = self._path(key)
        chunks = [chunk for chunk in chunks if len(chunk.times) or len(chunk.frame_times)]
        times = np.concatenate([chunk.times for chunk in chunks])
        frames = np.stack(
            [
                np.concatenate([chunk.frame_times for chunk in chunks]),
                np.concatenate([chunk.frame_indices for chunk in chunks]).astype(np.float64),
            ]
        )
        features = np.concatenate([_half(chunk.features) for chunk in chunks if len(chunk.times)])
        # The features go last: an entry exists once they do.
        for suffix, array in ((".times.npy", times), (".frames.npy", frames), (".npy", features)):
            with atomic_path(path.with_suffix(suffix)) as temporary, temporary.open("wb") as handle:
                np.save(handle, array)

    def _load(self, segment: Segment, key: str) -> Track:
        path = self._path(key)
        try:
            count = len(_mapped(path))
            times = np.load(path.with_suffix(".times.npy"))
            frame_times, indices = np.load(path.with_suffix(".frames.npy"))
            if count != len(times):
                raise ValueError(f"{count} features, {len(times)} times")
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: damaged cache entry ({error}); delete it and run again") from error
        return Track(segment, times, path, frame_times, indices.astype(np.int64))


def _mapped(path: Path) -> NDArray[np.float16]:
    features: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return features


def _mirror(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image[:, ::-1]


def _half(features: NDArray[np.float32]) -> NDArray[np.float16]:
    limit = float(np.finfo(np.float16).max)
    return np.clip(features, -limit, limit).astype(np.float16)
