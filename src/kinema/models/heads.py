"""Temporal heads: a window of features `(B, T, D)`, oldest first, to logits `(B, K)`.

Every head standardises its input with statistics of the training features first, since the features of frozen networks
are sparse and of very different scales.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinema.errors import UsageError, closest


class Running(Protocol):
    """Answers for the window that ends with each new sample of one stream, on the CPU."""

    def push(self, sample: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the next sample `(D,)`; return the logits `(K,)` that `forward` gives for the window that ends with it."""


class TemporalHead(nn.Module):
    """`forward(features (B, T, D)) -> logits (B, K)`, as `decide(describe(features))`.

    `describe` has no parameters and does not change while training, so its result may be computed once for each window.
    """

    def __init__(self, dim: int, num_classes: int, frames: int) -> None:
        super().__init__()
        self.dim, self.num_classes, self.frames = dim, num_classes, frames

    def describe(self, features: Tensor) -> Tensor:
        """Return what `decide` sees of windows `(B, T, D)`: the windows themselves unless a head says otherwise."""
        return features

    def describe_track(self, samples: Tensor) -> Tensor:
        """Describe every window of consecutive samples `(frames - 1 + n, D)`: `(n, …)`, as `describe` would each."""
        every = samples.unfold(0, self.frames, 1).transpose(1, 2)
        return torch.cat([self.describe(part) for part in every.split(64)])

    def running(self, window: Tensor) -> Running | None:
        """Return what answers a live stream sample by sample at less than a window's work, where a head can.

        `window` `(frames, D)`: the samples so far, oldest first.
        """
        return None

    def prepare(self, described: Tensor) -> None:
        """Take what is fixed from described training windows `(N, …)` before the first step."""

    def choose(self, videos: Sequence[Tensor], targets: Sequence[int], groups: Sequence[str]) -> str | None:
        """Choose, after `prepare`, what to use of the described windows `(n, …)` of each training video.

        Return what was chosen, in words, where it is not what the head begins with.
        """
        return None

    def decide(self, described: Tensor) -> Tensor:
        """Return logits `(B, K)`."""
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        return self.decide(self.describe(features))


class SequenceHead(TemporalHead):
    """A head that sees the standardised samples themselves."""

    def __init__(self, dim: int, num_classes: int, frames: int) -> None:
        super().__init__(dim, num_classes, frames)
        self.standardise = Standardise(dim)

    def prepare(self, described: Tensor) -> None:
        self.standardise.fit(described.reshape(-1, self.dim))


class Standardise(nn.Module):
    """`(x - mean) / std` of every feature, with statistics stored in the model."""

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def fit(self, features: Tensor) -> None:
        """Take mean and std of `(N, D)`; features that hardly vary are not blown up."""
        std, mean = torch.std_mean(features.float(), dim=0, correction=0)
        self.mean.copy_(mean)
        self.std.copy_(std.clamp(min=0.05 * float(std.mean()) + 1e-6))

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.std


class Pool(TemporalHead):
    """Mean or max over time, then a linear classifier. Blind to order: the baseline for what time adds."""

    def __init__(
        self,
        dim: int,
        num_classes: int,
        frames: int,
        pooling: Literal["mean", "max"] = "mean",
        dropout: float = 0.5,
    ) -> None:
        super().__init__(dim, num_classes, frames)
        self.pooling = pooling
        self.standardise = Standardise(dim)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(dim, num_classes))

    def describe(self, features: Tensor) -> Tensor:
        return features.mean(1) if self.pooling == "mean" else features.amax(1)

    def prepare(self, described: Tensor) -> None:
        self.standardise.fit(described)

    def decide(self, described: Tensor) -> Tensor:
        return self.classifier(self.standardise(described))


class Recurrent(SequenceHead):
    """LSTM, GRU or plain RNN over the window; the last output is classified.

    ```
    (B, T, D) ─ linear ─▶ (B, T, width) ─ cell x layers ─▶ (B, T, hidden) ─ last ─▶ (B, hidden) ─ linear ─▶ (B, K)
    ```
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        frames: int,
        cell: Literal["lstm", "gru", "rnn"] = "lstm",
        hidden: int = 128,
        layers: int = 1,
        width: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(dim, num_classes, frames)
        cells: dict[str, Callable[..., nn.Module]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(dim, width), nn.ReLU())
        self.cell = cells[cell](
            width, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, num_classes))

    def decide(self, described: Tensor) -> Tensor:
        outputs, _ = self.cell(self.project(self.standardise(described)))
        return self.classifier(outputs[:, -1])


class Convolution1D(SequenceHead):
    """Two convolutions over time with ReLU, the mean over time, a linear classifier.

    ```
    (B, T, D) ─ conv k ─▶ (B, hidden, T) ─ conv k ─▶ (B, hidden, T) ─ mean ─▶ (B, hidden) ─ linear ─▶ (B, K)
    ```
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        frames: int,
        hidden: int = 128,
        kernel: int = 3,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(dim, num_classes, frames)
        self.convolutions = nn.Sequential(
            nn.Dropout(dropout),
            nn.Conv1d(dim, hidden, kernel, padding="same"),
            nn.ReLU(),
            nn.Conv1d(hidden, hidden, kernel, padding="same"),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, num_classes))

    def decide(self, described: Tensor) -> Tensor:
        maps = self.convolutions(self.standardise(described).transpose(1, 2))
        return self.classifier(maps.mean(2))


class TemporalConvolution(SequenceHead):
    """Causal TCN: residual blocks of dilated convolutions that never look ahead (Bai et al., arXiv 1803.01271).

    ```
    (B, T, D) ─ linear ─▶ (B, hidden, T) ─ [conv k, dilation 1, 2, 4, … + skip] ─▶ last sample ─ linear ─▶ (B, K)
    ```
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        frames: int,
        hidden: int = 128,
        kernel: int = 3,
        blocks: int = 3,
        dropout: float = 0.3,
    ) -> None:
        super().__init__(dim, num_classes, frames)
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(dim, hidden))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ConstantPad1d(((kernel - 1) * 2**block, 0), 0.0),
                nn.Conv1d(hidden, hidden, kernel, dilation=2**block),
                nn.ReLU(),
                nn.Dropout(dropout),
            )
            for block in range(blocks)
        )
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, num_classes))

    def decide(self, described: Tensor) -> Tensor:
        maps = self.project(self.standardise(described)).transpose(1, 2)
        for block in self.blocks:
            maps = maps + block(maps)
        return self.classifier(maps[:, :, -1])


class AttentionPooling(SequenceHead):
    """Learned queries attend to the samples, each marked with its place in the window, so that order counts.

    ```
    (B, T, D) ─ linear ─▶ (B, T, hidden) + place ─ multi-head attention, Q queries ─▶ (B, Q * hidden) ─ linear ─▶ (B, K)
    ```
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        frames: int,
        hidden: int = 128,
        heads: int = 4,
        queries: int = 2,
        dropout: float = 0.3,
    ) -> None:
        super().__init__(dim, num_classes, frames)
        self.project = nn.Sequential(nn.Dropout(dropout), nn.Linear(dim, hidden))
        self.place = nn.Parameter(torch.randn(frames, hidden) * 0.5)
        self.queries = nn.Parameter(torch.randn(queries, hidden) * 0.5)
        self.attention = nn.MultiheadAttention(hidden, heads, dropout=0.0, batch_first=True)
        self.norm = nn.LayerNorm(queries * hidden)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(queries * hidden, num_classes))

    def decide(self, described: Tensor) -> Tensor:
        samples = self.project(self.standardise(described)) + self.place
        queries = self.queries.expand(len(samples), -1, -1)
        pooled, _ = self.attention(queries, samples, samples, need_weights=False)
        return self.classifier(self.norm(pooled.flatten(1)))


_HEADS: dict[str, tuple[Callable[..., TemporalHead], dict[str, Any]]] = {
    "mean": (Pool, {"pooling": "mean"}),
    "max": (Pool, {"pooling": "max"}),
    "lstm": (Recurrent, {"cell": "lstm"}),
    "gru": (Recurrent, {"cell": "gru"}),
    "rnn": (Recurrent, {"cell": "rnn"}),
    "conv1d": (Convolution1D, {}),
    "tcn": (TemporalConvolution, {}),
    "attention": (AttentionPooling, {}),
}


def register_head(name: str, builder: Callable[..., TemporalHead], **fixed: Any) -> None:
    """Let `create_head` build `builder(dim, num_classes, frames, **fixed, **settings)` under `name`."""
    if name in _HEADS:
        raise ValueError(f"head '{name}' is registered twice")
    _HEADS[name] = (builder, fixed)


def head_names() -> list[str]:
    """Return the names that `create_head` knows."""
    return sorted(_HEADS)


def create_head(name: str, dim: int, num_classes: int, frames: int, **settings: Any) -> TemporalHead:
    """Build a temporal head for features of `dim` numbers and windows of `frames` samples.

    Unknown names and settings raise `UsageError` with the nearest known word.
    """
    if name not in _HEADS:
        raise UsageError(f"unknown temporal head '{name}': {closest(name, head_names())}")
    builder, fixed = _HEADS[name]
    known = [
        p for p in inspect.signature(builder).parameters if p not in ("dim", "num_classes", "frames", *fixed)
    ]
    for setting in settings:
        if setting not in known:
            raise UsageError(f"head '{name}' has no setting '{setting}': {closest(setting, known)}")
    return builder(dim, num_classes, frames, **fixed, **settings)
