"""motion_moments: the default. What changes where, and in which order, from one frozen image network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.data.clipspec import ClipSpec
from kinema.models.backbones import BUNDLED, FrameBackbone
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.heads import TemporalHead
from kinema.models.registry import register


class MotionMoments(TemporalHead):
    """Moments over time of features that know their place in the picture, and a linear classifier.

    ```
    grid parts (B, T, C·G·G) ─┬─ standard deviation over T ─────────────────── how much changes here
                              ├─ rms of rises over `lag` samples ─┐
                              ├─ rms of falls over `lag` samples ─┴─────────── which way it changes
                              └─ mean of 2nd half − mean of 1st half ───────── what comes after what
    pool part  (B, T, C) ────── mean over T ────────────────────────────────── what it looks like
       each ─▶ signed square root ─▶ standardised ─▶ length 1 ─▶ one linear layer ─▶ (B, K)
    ```

    Cells of a coarse grid make differences over time mean motion at a place. Signed square root and length 1 are the
    power and L2 normalisation of Perronnin et al. (Improving the Fisher kernel, ECCV 2010).

    `parts` are the shapes `(C, G, G)` of the embedding's parts; a part of one cell is taken for appearance.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        parts: Sequence[tuple[int, int, int]],
        num_classes: int,
        frames: int,
        lag: int = 2,
        dropout: float = 0.0,
        scale: float = 16.0,
    ) -> None:
        self.sizes = [channels * rows * columns for channels, rows, columns in parts]
        super().__init__(sum(self.sizes), num_classes, frames)
        self.moving = [rows * columns > 1 for _, rows, columns in parts]
        self.lag = min(lag, max(1, frames - 1))
        self.scale = scale
        self.blocks: list[int] = []
        for size, moving in zip(self.sizes, self.moving, strict=True):
            self.blocks += [size, 2 * size, size] if moving else [size]
        self.register_buffer("mean", torch.zeros(sum(self.blocks)))
        self.register_buffer("std", torch.ones(sum(self.blocks)))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(sum(self.blocks), num_classes)
        nn.init.normal_(self.classifier.weight, std=1e-3)
        nn.init.zeros_(self.classifier.bias)

    def describe(self, features: Tensor) -> Tensor:
        """Return the moments `(B, M)` of windows `(B, T, D)`, after the signed square root."""
        half = features.shape[1] // 2
        found: list[Tensor] = []
        for part, moving in zip(features.split(self.sizes, dim=2), self.moving, strict=True):
            if not moving:
                found.append(part.mean(1))
                continue
            change = (
                part[:, self.lag :] - part[:, : -self.lag] if part.shape[1] > self.lag else part[:, :1] * 0
            )
            rises, falls = change.clamp(min=0), (-change).clamp(min=0)
            found.append(part.std(1, correction=0))
            found += [_root(part.square().mean(1), 1e-24) for part in (rises, falls)]
            found.append(part[:, half:].mean(1) - part[:, :half].mean(1) if half else part[:, 0] * 0)
        moments = torch.cat(found, dim=1)
        size = moments.abs()
        # What changes less than sums are rounded by stands still: the root would make 1e-4 of 1e-8.
        return torch.where(size < 1e-6, torch.zeros_like(size), moments.sign() * _root(size, 1e-12))

    def describe_track(self, samples: Tensor) -> Tensor:
        """As `describe`, by running sums in float64: a window costs one sample's work, not T."""
        if self.frames < 2 or self.frames <= self.lag:
            return super().describe_track(samples)
        half, found = self.frames // 2, []
        for part, moving in zip(samples.double().split(self.sizes, dim=1), self.moving, strict=True):
            sums = _running(part)
            mean = _between(sums, 0, self.frames, self.frames) / self.frames
            if not moving:
                found.append(mean)
                continue
            squares = _between(_running(part.square()), 0, self.frames, self.frames) / self.frames
            variance = squares - mean.square()
            # What is left of equal numbers after subtraction is rounding, not change.
            found.append(variance.where(variance > 1e-12 * squares, 0.0).sqrt())
            change = part[self.lag :] - part[: -self.lag]
            count = self.frames - self.lag
            for side in (change.clamp(min=0), (-change).clamp(min=0)):
                found.append((_between(_running(side.square()), 0, count, count).clamp(min=0) / count).sqrt())
            later = _between(sums, half, self.frames, self.frames) / (self.frames - half)
            found.append(later - _between(sums, 0, half, self.frames) / half)
        moments = torch.cat(found, dim=1)
        return (moments.sign() * moments.abs().sqrt()).to(samples.dtype)

    def prepare(self, described: Tensor) -> None:
        """Take mean and standard deviation of the moments `(N, M)`."""
        std, mean = torch.std_mean(described.float(), dim=0, correction=0)
        self.mean.copy_(mean)
        # A moment that hardly varies is not blown up: a tenth of its block's average is added.
        floors = [block + 0.1 * block.mean() + 1e-6 for block in std.split(self.blocks)]
        self.std.copy_(torch.cat(floors))

    def decide(self, described: Tensor) -> Tensor:
        standardised = (described - self.mean) / self.std
        unit = torch.cat(
            [F.normalize(block, dim=1) for block in standardised.split(self.blocks, dim=1)], dim=1
        )
        return self.classifier(self.dropout(unit * (self.scale / len(self.blocks) ** 0.5)))


def _root(values: Tensor, least: float) -> Tensor:
    """Square root whose gradient is finite at 0: where nothing moves, a trained backbone would get NaN."""
    return values.clamp(min=least).sqrt()


def _running(values: Tensor) -> Tensor:
    """Return running sums `(n + 1, D)`, beginning with zero."""
    return F.pad(values.cumsum(0), (0, 0, 1, 0))


def _between(sums: Tensor, first: int, last: int, window: int) -> Tensor:
    """Return for every window of `window` values the sum of its values `first` to before `last`."""
    count = len(sums) - window
    return sums[last : last + count] - sums[first : first + count]


@register("motion_moments", spec=ClipSpec(frames=20, fps=10.0))
def motion_moments(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = BUNDLED,
    weights: str = "bundled",
    freeze: bool = True,
    strides: Sequence[int] = (16, 32),
    grid: int = 3,
    lag: int = 2,
    dropout: float = 0.0,
) -> VideoModel:
    """The default: what changes where and in which order, from one frozen image network; a head in seconds."""
    taps = (*(f"stride{stride}:{grid}" for stride in strides), "pool")
    network = FrameBackbone(backbone, weights, taps)
    model = FactorisedModel(
        num_classes,
        spec.frames,
        network,
        MotionMoments(network.parts, num_classes, spec.frames, lag, dropout),
    )
    if freeze:
        model.freeze_backbone()
    return model
