"""Batches for `fit`: described windows of cached features, or clips of pixels that are decoded while training."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema.data import Segment
from kinema.data.clips import draw_clip
from kinema.data.clipspec import ClipSpec
from kinema.data.transforms import ClipAugmentation
from kinema.models import FactorisedModel, TemporalHead, VideoModel, with_history
from kinema.training.distributed import Team
from kinema.training.features import Track
from kinema.training.settings import TrainSettings

_PART = 256  # samples described at a time


class Batches(Protocol):
    """Iterable of `(inputs, targets)`, with how a model makes logits of its inputs.

    Where inputs are no numbers that a model takes, `floats(inputs)` makes them so (`as_floats`); where reading is dear,
    `start(step)` lets the next pass begin with that batch, and the inputs may be those of the process's share of the
    batch alone (`Team.share`); the targets are always those of the whole batch.
    """

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...

    def __len__(self) -> int: ...

    def set_epoch(self, epoch: int) -> None:
        """Choose what the next pass draws; the same epoch and seed draw the same."""

    def logits(self, model: VideoModel, inputs: Tensor) -> Tensor:
        """Return logits `(B, K)`."""

    def class_weights(self) -> Tensor:
        """Return weights `(K,)`, inverse to the classes' frequencies, of mean 1 over the items."""


def as_floats(batches: Batches, inputs: Tensor) -> Tensor:
    """Return what `batches.logits` takes of inputs as they were read."""
    convert: Callable[[Tensor], Tensor] | None = getattr(batches, "floats", None)
    return inputs if convert is None else convert(inputs)


@dataclass
class Windows:
    """Described windows of many tracks in one table: `described` `(N, …)` float16, and `first` row of each track."""

    described: Tensor
    first: NDArray[np.int64]

    def rows(self, tracks: Sequence[int]) -> list[NDArray[np.int64]]:
        """Return the rows of each of these tracks."""
        return [np.arange(self.first[i], self.first[i + 1]) for i in tracks]


@torch.inference_mode()
def describe_tracks(
    head: TemporalHead, tracks: Sequence[Track | None], stride: int, most_bytes: int = 2_000_000_000
) -> Windows:
    """Describe windows of each track, `stride` samples apart (further apart where all would take over `most_bytes`).

    A track that is None has no windows.
    """
    shape = head.describe(torch.zeros(1, head.frames, head.dim)).shape[1:]
    counts = [len(_ends(track, head.frames, stride)) for track in tracks]
    stride *= max(1, -(-sum(counts) * shape.numel() * 2 // most_bytes))
    ends = [_ends(track, head.frames, stride) for track in tracks]
    first = np.concatenate([[0], np.cumsum([len(chosen) for chosen in ends])]).astype(np.int64)
    described = torch.empty((int(first[-1]), *shape), dtype=torch.float16)
    for track, chosen, begin in zip(tracks, ends, first, strict=False):
        if track is None:
            continue
        features = torch.from_numpy(np.asarray(track.features, np.float32))
        for offset in range(0, len(features), _PART):
            rows = [end - offset for end in chosen if offset <= end < offset + _PART]
            part = with_history(
                features[offset : offset + _PART], head.frames, features[:offset] if offset else None
            )
            described[begin : begin + len(rows)] = head.describe_track(part)[rows].half()
            begin += len(rows)
    return Windows(described, first)


class WindowBatches:
    """Described windows of some tracks. Training draws of each at random; without `settings` all come in order.

    `tracks` are rows of the tables; `mirrored` holds the windows of the flipped pictures, drawn half of the time.
    """

    def __init__(
        self,
        straight: Windows,
        tracks: Sequence[int],
        targets: Sequence[int],
        classes: int,
        *,
        settings: TrainSettings | None = None,
        mirrored: Windows | None = None,
        batch_size: int = 64,
    ) -> None:
        self._tables = [straight.described] if mirrored is None else [straight.described, mirrored.described]
        self._rows = [table.rows(tracks) for table in (straight, mirrored) if table is not None]
        self._targets = np.asarray(targets, np.int64)
        self._classes = classes
        self._settings = settings
        self._batch_size = settings.batch_size if settings else batch_size
        self._epoch = 0

    def __len__(self) -> int:
        items = (
            sum(map(len, self._rows[0]))
            if self._settings is None
            else len(self._targets) * self._settings.windows
        )
        return -(-items // self._batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self._settings is None:
            rows = np.concatenate([np.zeros(0, np.int64), *self._rows[0]])
            targets = np.repeat(self._targets, [len(part) for part in self._rows[0]])
            for begin in range(0, len(rows), self._batch_size):
                span = slice(begin, begin + self._batch_size)
                yield self._tables[0][torch.from_numpy(rows[span])].float(), torch.from_numpy(targets[span])
            return
        rng = np.random.default_rng([self._settings.seed, self._epoch])
        order = rng.permutation(np.tile(np.arange(len(self._targets)), self._settings.windows))
        for begin in range(0, len(order), self._batch_size):
            part = order[begin : begin + self._batch_size]
            sides = rng.integers(len(self._tables), size=len(part))
            places = rng.random(len(part))
            inputs: list[Tensor] = []
            targets_of: list[NDArray[np.int64]] = []
            for side, table in enumerate(self._tables):
                chosen, where = part[sides == side], places[sides == side]
                own = [self._rows[side][i] for i in chosen]
                rows = np.array([r[int(w * len(r))] for r, w in zip(own, where, strict=True)], np.int64)
                inputs.append(table[torch.from_numpy(rows)])
                targets_of.append(self._targets[chosen])
            yield torch.cat(inputs).float(), torch.from_numpy(np.concatenate(targets_of))

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def logits(self, model: VideoModel, inputs: Tensor) -> Tensor:
        assert isinstance(model, FactorisedModel)
        return model.head.decide(inputs)

    def class_weights(self) -> Tensor:
        return _balanced(self._targets, self._classes)

    def sample(self, most: int = 4096) -> Tensor:
        """Return up to `most` described windows `(N, …)` float32, evenly spread, mirrored ones included."""
        parts = []
        for table, own in zip(self._tables, self._rows, strict=True):
            rows = np.concatenate(own)
            parts.append(table[torch.from_numpy(rows[:: max(1, -(-len(rows) * len(self._tables) // most))])])
        return torch.cat(parts).float()


class ClipBatches:
    """Clips as they are stored, uint8 `(B, T, H, W, 3)`, decoded while training by threads that read ahead.

    They are normalised where the model is, part by part. Only `team`'s share of a batch is decoded.
    """

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
        team: Team = Team(),
    ) -> None:
        self._segments, self._spec, self._settings = list(segments), spec, settings
        self._targets = np.asarray(targets, np.int64)
        self._classes = classes
        self._augmentation = augmentation
        self._workers, self._team = workers, team
        self._epoch = self._start = 0

    def __len__(self) -> int:
        return -(-self._items() // self._settings.batch_size)

    def _items(self) -> int:
        return len(self._segments) * (self._settings.windows if self._augmentation else 1)

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def start(self, step: int) -> None:
        """Let the next pass, and only that, begin with batch `step` (from 0)."""
        self._start = step

    def floats(self, inputs: Tensor) -> Tensor:
        """Return normalised clips `(B, 3, T, H, W)`."""
        return self._spec.clip(inputs)

    def logits(self, model: VideoModel, inputs: Tensor) -> Tensor:
        return model(inputs)

    def class_weights(self) -> Tensor:
        return _balanced(self._targets, self._classes)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = np.arange(self._items()) % len(self._segments)
        if self._augmentation is not None:
            order = np.random.default_rng([self._settings.seed, self._epoch]).permutation(order)
        size = self._settings.batch_size
        first, self._start = self._start * size, 0
        parts = [range(begin, min(begin + size, len(order))) for begin in range(first, len(order), size)]
        shares = [[part[i] for i in self._team.share(len(part))] for part in parts]
        # A share of nothing has the shape of a clip, too.
        read = [share or [part[0]] for share, part in zip(shares, parts, strict=True)]
        places = [place for chosen in read for place in chosen]
        clips = _read_ahead(lambda place: self._clip(int(order[place]), place), places, self._workers)
        for part, share, chosen in zip(parts, shares, read, strict=True):
            inputs = torch.stack([next(clips) for _ in chosen])[: len(share)]
            yield inputs, torch.from_numpy(self._targets[order[part.start : part.stop]])

    def pictures(self) -> Iterator[Tensor]:
        """Yield the clips of each batch, uint8 `(B, T, H, W, 3)`."""
        return (pictures for pictures, _ in self)

    def _clip(self, index: int, place: int) -> Tensor:
        rng = np.random.default_rng([self._settings.seed, self._epoch, place])
        segment = self._segments[index]
        pictures = torch.from_numpy(draw_clip(segment, self._spec, rng if self._augmentation else None))
        return self._augmentation(pictures, rng) if self._augmentation else pictures


def _ends(track: Track | None, frames: int, stride: int) -> list[int]:
    return [] if track is None else _spread(len(track.times), frames, stride)


def _spread(count: int, frames: int, stride: int) -> list[int]:
    """Return the ends of windows `stride` samples apart, the last sample included."""
    if count <= frames:
        return [count - 1]
    return sorted({*range(frames - 1, count, max(1, stride)), count - 1})


def _balanced(targets: NDArray[np.int64], classes: int) -> Tensor:
    counts = np.bincount(targets, minlength=classes).astype(np.float64)
    weights = np.where(counts > 0, len(targets) / np.maximum(counts, 1) / max(1, (counts > 0).sum()), 0.0)
    return torch.from_numpy(weights.astype(np.float32))


def _read_ahead(read: Callable[[int], Tensor], places: Sequence[int], workers: int) -> Iterator[Tensor]:
    """Yield `read(place)` of each place in order, read by `workers` threads at most eight ahead."""
    from concurrent.futures import Future, ThreadPoolExecutor

    ahead: queue.Queue[Future[Tensor]] = queue.Queue()
    with ThreadPoolExecutor(max(1, workers)) as pool:
        try:
            for place in places:
                ahead.put(pool.submit(read, place))
                if ahead.qsize() >= 8:
                    yield ahead.get().result()
            while not ahead.empty():
                yield ahead.get().result()
        finally:
            while not ahead.empty():
                ahead.get().cancel()
