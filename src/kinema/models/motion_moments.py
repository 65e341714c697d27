"""motion_moments: the default. What changes where, how strongly and in which order, from one frozen image network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.data.clipspec import ClipSpec
from kinema.models.backbones import BUNDLED, FrameBackbone
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.heads import TemporalHead
from kinema.models.kinds import choose_kinds
from kinema.models.registry import register
from kinema.models.running_moments import RunningAnswers, RunningMoments


class MotionMoments(TemporalHead):
    """Moments over time of features that know their place in the picture, and a linear classifier.

    ```
    grid parts (B, T, C·G·G) ─┬─ standard deviation over T ─────────────────── how much changes here
                              ├─ rms of rises over `lag` samples ─┐
                              ├─ rms of falls over `lag` samples ─┴─────────── which way it changes
                              ├─ mean of 2nd half − mean of 1st half ───────── what comes after what
                              └─ rms of rises and falls from sample to sample,
                                 of the cell where it is greatest ──────────── how strongly anything moves
    pool part  (B, T, C) ────── mean over T ────────────────────────────────── what it looks like
       each ─▶ signed square root ─▶ standardised ─▶ length 1 ─▶ one linear layer ─▶ (B, K)
    ```

    Three kinds of evidence: `look` (the mean), `place` (what changes where) and `energy` (the last row, which knows no
    place). `choose` leaves out what misleads on groups of the training data that were held out: where every source has a
    background of its own, the look of a place says more of the source than of the action.

    Cells of a coarse grid make differences over time mean motion at a place. Signed square root and length 1 are the
    power and L2 normalisation of Perronnin et al. (Improving the Fisher kernel, ECCV 2010).

    `parts` are the shapes `(C, G, G)` of the embedding's parts; a part of one cell is taken for appearance.
    """

    mean: Tensor
    std: Tensor
    weights: Tensor

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
        self.kinds: list[str] = []
        self.channels = [channels for channels, _, _ in parts]
        for channels, size, moving in zip(self.channels, self.sizes, self.moving, strict=True):
            self.blocks += [size, 2 * size, size, 2 * channels] if moving else [size]
            self.kinds += ["place", "place", "place", "energy"] if moving else ["look"]
        self.register_buffer("weights", torch.full((len(self.blocks),), len(self.blocks) ** -0.5))
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
        for part, moving, channels in zip(
            features.split(self.sizes, dim=2), self.moving, self.channels, strict=True
        ):
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
            step = part[:, 1:] - part[:, :-1] if part.shape[1] > 1 else part * 0
            for side in (step.clamp(min=0), step.clamp(max=0)):
                power = side.square().mean(1).unflatten(1, (channels, -1))
                found.append(_root(power.amax(2), 1e-24))
        moments = torch.cat(found, dim=1)
        size = moments.abs()
        # What changes less than sums are rounded by stands still: the root would make 1e-4 of 1e-8.
        return torch.where(size < 1e-6, torch.zeros_like(size), moments.sign() * _root(size, 1e-12))

    def describe_track(self, samples: Tensor) -> Tensor:
        """As `describe`, by running sums in float64: a window costs one sample's work, not T."""
        if self.frames < 2 or self.frames <= self.lag:
            return super().describe_track(samples)
        half, found, kind = self.frames // 2, [], samples.dtype
        for part, moving, channels in zip(
            samples.double().split(self.sizes, dim=1), self.moving, self.channels, strict=True
        ):
            sums = _running(part)
            mean = _between(sums, 0, self.frames, self.frames).div_(self.frames)
            if not moving:
                found.append(mean.to(kind))
                continue
            squares = _between(_running(part.square()), 0, self.frames, self.frames).div_(self.frames)
            variance = squares - mean.square_()
            # What is left of equal numbers after subtraction is rounding, not change.
            found.append(variance.where(variance > squares.mul_(1e-12), 0.0).to(kind).sqrt_())
            change = part[self.lag :] - part[: -self.lag]
            count = self.frames - self.lag
            # The negative part's square is the same as the square of its opposite.
            for side in (change.clamp(min=0), change.clamp(max=0)):
                power = _between(_running(side.square_()), 0, count, count).clamp_(min=0).div_(count)
                found.append(power.to(kind).sqrt_())
            later = _between(sums, half, self.frames, self.frames).div_(self.frames - half)
            found.append((later - _between(sums, 0, half, self.frames).div_(half)).to(kind))
            step, count = part[1:] - part[:-1], self.frames - 1
            for side in (step.clamp(min=0), step.clamp(max=0)):
                power = _between(_running(side.square_()), 0, count, count).clamp_(min=0).div_(count)
                found.append(power.unflatten(1, (channels, -1)).amax(2).to(kind).sqrt_())
        moments = torch.cat(found, dim=1)
        return moments.sign().mul_(moments.abs_().sqrt_())

    def running(self, window: Tensor) -> RunningAnswers | None:
        if self.frames < 2 or self.frames <= self.lag:
            return None
        moments = RunningMoments(window, self.lag, self.sizes, self.moving, self.channels)
        factors, last = self.weights * self.scale, self.classifier
        return RunningAnswers(moments, self.mean, self.std, self.blocks, factors, last.weight, last.bias)

    def prepare(self, described: Tensor) -> None:
        """Take mean and standard deviation of the moments `(N, M)`."""
        std, mean = torch.std_mean(described.float(), dim=0, correction=0)
        self.mean.copy_(mean)
        # A moment that hardly varies is not blown up: a tenth of its block's average is added.
        floors = [block + 0.1 * block.mean() + 1e-6 for block in std.split(self.blocks)]
        self.std.copy_(torch.cat(floors))

    @torch.inference_mode()
    def choose(self, videos: Sequence[Tensor], targets: Sequence[int], groups: Sequence[str]) -> str | None:
        """Weigh the kinds of evidence by how they do on held-out groups of training videos; see `kinds.choose_kinds`."""
        evidence: dict[str, list[Tensor]] = {}
        units = [self.unit_blocks(windows.float()) for windows in videos]
        for number, kind in enumerate(self.kinds):
            evidence.setdefault(kind, []).append(torch.stack([unit[number].mean(0) for unit in units]))
        chosen = choose_kinds(
            {kind: torch.cat(parts, dim=1).numpy() for kind, parts in evidence.items()}, targets, groups
        )
        used = torch.tensor([kind in chosen for kind in self.kinds], dtype=torch.float32)
        self.weights.copy_(used / used.sum().sqrt())
        if len(chosen) == len(evidence):
            return None
        return f"held-out groups of the training videos are told apart best by {' and '.join(chosen)} alone"

    def decide(self, described: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.evidence(described) * self.scale))

    def evidence(self, described: Tensor) -> Tensor:
        """Return what the linear layer sees of moments `(B, M)`, before it is scaled: its blocks by their weights."""
        weighted = [
            unit * weight for unit, weight in zip(self.unit_blocks(described), self.weights, strict=True)
        ]
        return torch.cat(weighted, dim=1)

    def unit_blocks(self, described: Tensor) -> list[Tensor]:
        """Return the blocks of moments `(B, M)`, standardised and of length 1."""
        standardised = (described - self.mean) / self.std
        return [F.normalize(block, dim=1) for block in standardised.split(self.blocks, dim=1)]


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


@register(
    "motion_moments",
    spec=ClipSpec(frames=20, fps=10.0),
    paper="kinema's own; EfficientNet-Lite0: Tan and Le, ICML 2019, arXiv 1905.11946",
)
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
    """The default: what changes where and in which order, from one frozen image network; a head in seconds.

    With EfficientNet-Lite0 (Tan and Le, EfficientNet, ICML 2019, arXiv 1905.11946) and 400 classes: 10.45 M parameters,
    7.69 GFLOPs (multiply-adds) a clip of 20 x 224 x 224.

    ```
    (B·T, 3, 224, 224) ─ backbone ─┬─ maps at stride 16 and 32, each 3 x 3 cells ─▶ std, rises, falls, late − early ─┐
                                   └─ pooled vector ─▶ mean ────────────────────────────────────────────────────────┴─▶
      moments (B, M) ─ signed root, standardised, length 1 ─ linear ─▶ (B, K)
    ```
    """
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
