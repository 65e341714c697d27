"""Batches for `fit`: described windows of cached features, or clips of pixels that are decoded while training."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema.data import Segment
from kinema.data.clips import draw_start, read_clip
from kinema.data.clipspec import ClipSpec
from kinema.data.transforms import ClipAugmentation
from kinema.models import FactorisedModel, TemporalHead, VideoModel, windows
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


@dataclass
class Windows:
    """The described windows of one track: `(n, …)` float16, computed once."""

    described: Tensor


def describe_tracks(
    head: TemporalHead, tracks: Sequence[Track], stride: int, most_bytes: int = 2_000_000_000
) -> list[Windows]:
    """Describe windows of each track, `stride` samples apart (further apart where all would take over `most_bytes`)."""
    probe = head.describe(torch.zeros(1, head.frames, head.dim))
    each = probe.numel() * 2
    total = sum(len(_spread(len(track.times), head.frames, stride)) for track in tracks) * each
    stride = stride * max(1, -(-total // most_bytes))
    found = []
    with torch.inference_mode():
        for track in tracks:
            features = torch.from_numpy(np.asarray(track.features, np.float32))
            ends = _spread(len(features), head.frames, stride)
            chosen = windows(features, head.frames)[ends]
            found.append(Windows(torch.cat([head.describe(part) for part in chosen.split(64)]).half()))
    return [Windows(item.described.clone()) for item in found]


class WindowBatches:
    """Described windows of many tracks. Training draws some of each at random; without `settings` all are taken in order.

    `mirrored` are the windows of the flipped pictures, drawn half of the time.
    """

    def __init__(
        self,
        tracks: Sequence[Windows],
        targets: Sequence[int],
        classes: int,
        *,
        settings: TrainSettings | None = None,
        mirrored: Sequence[Windows] | None = None,
        batch_size: int = 64,
    ) -> None:
        self._tracks, self._mirrored = list(tracks), list(mirrored or [])
        self._targets = np.asarray(targets, np.int64)
        self._classes = classes
        self._settings = settings
        self._batch_size = settings.batch_size if settings else batch_size
        self._epoch = 0
        self._all = [(i, row) for i, track in enumerate(self._tracks) for row in range(len(track.described))]

    def __len__(self) -> int:
        items = len(self._all) if self._settings is None else len(self._tracks) * self._settings.windows
        return -(-items // self._batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self._settings is None:
            for begin in range(0, len(self._all), self._batch_size):
                part = self._all[begin : begin + self._batch_size]
                yield self._batch([self._tracks[i].described[row] for i, row in part], [i for i, _ in part])
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
        return model.head.decide(inputs)

    def class_weights(self) -> Tensor:
        return _balanced(self._targets, self._classes)

    def sample(self, most: int = 4096) -> Tensor:
        """Return up to `most` described windows `(N, …)` float32, evenly spread, mirrored ones included."""
        every = [row for part in (self._tracks, self._mirrored) for track in part for row in track.described]
        return torch.stack(every[:: max(1, -(-len(every) // most))]).float()

    def _draw(self, index: int, rng: np.random.Generator) -> Tensor:
        flipped = bool(self._mirrored) and rng.random() < 0.5
        described = (self._mirrored if flipped else self._tracks)[index].described
        return described[int(rng.integers(len(described)))]

    def _batch(self, rows: list[Tensor], tracks: Any) -> tuple[Tensor, Tensor]:
        return torch.stack(rows).float(), torch.from_numpy(self._targets[np.asarray(tracks)])


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


def _spread(count: int, frames: int, stride: int) -> list[int]:
    """Return the ends of windows `stride` samples apart, the last sample included."""
    if count <= frames:
        return [count - 1]
    return sorted({*range(frames - 1, count, max(1, stride)), count - 1})


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
