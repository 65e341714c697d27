"""Batches for `fit`: windows of cached features, or clips of pixels that are decoded while training."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema.data import Segment
from kinema.data.clips import draw_start, read_clip
from kinema.data.clipspec import ClipSpec
from kinema.data.transforms import ClipAugmentation
from kinema.models import FactorisedModel, VideoModel
from kinema.training.features import Track
from kinema.training.settings import TrainSettings


class Batches(Protocol):
    """Iterable of `(inputs, targets)`, with how a model makes logits of its inputs."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...

    def __len__(self) -> int: ...

    def set_epoch(self, epoch: int) -> None:
        """Choose what the next pass draws; the same epoch and seed draw the same."""

    def logits(self, model: VideoModel, inputs: Tensor) -> Tensor:
        """Return logits `(B, K)`."""

    def class_weights(self) -> Tensor:
        """Return weights `(K,)`, inverse to the classes' frequencies, of mean 1 over the items."""


class FeatureBatches:
    """Windows `(B, T, D)` of tracks. Training draws them at random; without `settings` they are fixed and cover each track.

    `mirrored` are the tracks of the flipped pictures, drawn half of the time.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        targets: Sequence[int],
        classes: int,
        frames: int,
        *,
        settings: TrainSettings | None = None,
        mirrored: Sequence[Track] | None = None,
        batch_size: int = 32,
    ) -> None:
        self._tracks, self._mirrored = list(tracks), list(mirrored or [])
        self._targets = np.asarray(targets, np.int64)
        self._classes, self._frames = classes, frames
        self._settings = settings
        self._batch_size = settings.batch_size if settings else batch_size
        self._epoch = 0
        if settings is None:
            self._fixed = [
                (i, end) for i, track in enumerate(self._tracks) for end in _spread(len(track.times), frames)
            ]

    def __len__(self) -> int:
        items = len(self._fixed) if self._settings is None else len(self._tracks) * self._settings.windows
        return -(-items // self._batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self._settings is None:
            for begin in range(0, len(self._fixed), self._batch_size):
                part = self._fixed[begin : begin + self._batch_size]
                arrays = [_window(self._tracks[i].features, end, self._frames) for i, end in part]
                yield self._batch(arrays, [i for i, _ in part])
            return
        rng = np.random.default_rng([self._settings.seed, self._epoch])
        order = rng.permutation(np.tile(np.arange(len(self._tracks)), self._settings.windows))
        for begin in range(0, len(order), self._batch_size):
            part = order[begin : begin + self._batch_size]
            yield self._batch([self._draw(int(i), rng) for i in part], part)

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def logits(self, model: VideoModel, inputs: Tensor) -> Tensor:
        assert isinstance(model, FactorisedModel)
        return model.classify(inputs)

    def class_weights(self) -> Tensor:
        return _balanced(self._targets, self._classes)

    def _draw(self, index: int, rng: np.random.Generator) -> NDArray[np.float16]:
        assert self._settings is not None
        flipped = bool(self._mirrored) and rng.random() < 0.5
        features = (self._mirrored if flipped else self._tracks)[index].features
        speed = self._settings.speed ** rng.uniform(-1, 1) if self._settings.speed > 1 else 1.0
        span = round((self._frames - 1) * speed)
        end = int(rng.integers(span, len(features))) if len(features) > span else len(features) - 1
        if speed == 1.0:
            return _window(features, end, self._frames)
        rows = np.clip(np.round(end - speed * np.arange(self._frames - 1, -1, -1)).astype(int), 0, None)
        return features[rows]

    def _batch(self, arrays: list[NDArray[np.float16]], rows: Any) -> tuple[Tensor, Tensor]:
        inputs = torch.from_numpy(np.stack(arrays).astype(np.float32))
        return inputs, torch.from_numpy(self._targets[np.asarray(rows)])


class ClipBatches:
    """Clips `(B, 3, T, H, W)` decoded from their videos while training, by threads that read ahead."""

    def __init__(
        self,
        segments: Sequence[Segment],
        targets: Sequence[int],
        classes: int,
        spec: ClipSpec,
        settings: TrainSettings,
        *,
        augmentation: ClipAugmentation | None = None,
        workers: int = 2,
    ) -> None:
        self._segments, self._spec, self._settings = list(segments), spec, settings
        self._targets = np.asarray(targets, np.int64)
        self._classes = classes
        self._augmentation = augmentation
        self._workers = workers
        self._epoch = 0

    def __len__(self) -> int:
        return -(-self._items() // self._settings.batch_size)

    def _items(self) -> int:
        return len(self._segments) * (self._settings.windows if self._augmentation else 1)

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def logits(self, model: VideoModel, inputs: Tensor) -> Tensor:
        return model(inputs)

    def class_weights(self) -> Tensor:
        return _balanced(self._targets, self._classes)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = np.arange(self._items()) % len(self._segments)
        if self._augmentation is not None:
            order = np.random.default_rng([self._settings.seed, self._epoch]).permutation(order)
        size = self._settings.batch_size
        clips = _read_ahead(lambda place: self._clip(int(order[place]), place), len(order), self._workers)
        for begin in range(0, len(order), size):
            part = order[begin : begin + size]
            pictures = torch.stack([next(clips) for _ in part])
            yield self._spec.clip(pictures), torch.from_numpy(self._targets[part])

    def _clip(self, index: int, place: int) -> Tensor:
        rng = np.random.default_rng([self._settings.seed, self._epoch, place])
        segment = self._segments[index]
        start = draw_start(segment, self._spec, rng if self._augmentation else None)
        pictures = torch.from_numpy(read_clip(segment, self._spec, start))
        return self._augmentation(pictures, rng) if self._augmentation else pictures


def _window(features: NDArray[np.float16], end: int, frames: int) -> NDArray[np.float16]:
    """Return the `frames` rows that end at `end`, the first row standing for those before it."""
    begin = end - frames + 1
    if begin >= 0:
        return features[begin : end + 1]
    return np.concatenate([np.repeat(features[:1], -begin, axis=0), features[: end + 1]])


def _spread(count: int, frames: int) -> list[int]:
    """Return the ends of windows that half overlap, the last sample included."""
    if count <= frames:
        return [count - 1]
    return sorted({*range(frames - 1, count, max(1, frames // 2)), count - 1})


def _balanced(targets: NDArray[np.int64], classes: int) -> Tensor:
    counts = np.bincount(targets, minlength=classes).astype(np.float64)
    weights = np.where(counts > 0, len(targets) / np.maximum(counts, 1) / max(1, (counts > 0).sum()), 0.0)
    return torch.from_numpy(weights.astype(np.float32))


def _read_ahead(read: Callable[[int], Tensor], count: int, workers: int) -> Iterator[Tensor]:
    """Yield `read(0)`, `read(1)`, … in order, read by `workers` threads at most eight ahead."""
    from concurrent.futures import Future, ThreadPoolExecutor

    ahead: queue.Queue[Future[Tensor]] = queue.Queue()
    stop = threading.Event()
    with ThreadPoolExecutor(max(1, workers)) as pool:
        try:
            for place in range(count):
                ahead.put(pool.submit(read, place))
                if ahead.qsize() >= 8:
                    yield ahead.get().result()
            while not ahead.empty():
                yield ahead.get().result()
        finally:
            stop.set()
            while not ahead.empty():
                ahead.get().cancel()
