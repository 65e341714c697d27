"""The layers of a causal MoViNet (Kondratyuk et al., CVPR 2021), with stream buffers that the caller carries.

Everything runs on pictures in a row, `(B·T, C, H, W)`; only what looks back in time takes them apart again. The names of
the parameters are those of the published PyTorch state dicts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.models.channels import divisible
from kinema.models.layer_states import LayerStates


class Passage(LayerStates):
    """One call of a causal network: T pictures of each of B streams, behind `seen` earlier ones.

    `shares` `(T, 1 + T)` are the weights of the running means: row t gives the share of the mean before this call, and
    of its pictures up to t, in the mean at t.
    """

    def __init__(
        self,
        frames: int,
        memory: int,
        seen: int = 0,
        before: Sequence[Tensor] | None = None,
        *,
        keeping: bool = False,
    ) -> None:
        super().__init__(before, keeping=keeping)
        self.frames = frames
        self.shares = running_shares(frames, memory, seen)


def running_shares(frames: int, memory: int, seen: int = 0) -> Tensor:
    """Return the `shares` of a `Passage`: all pictures alike until `memory` have been seen, then newer ones more.

    Beyond `memory` pictures each new one gets the share `1 / memory`, so that a stream of hours goes on answering for
    what happens now; up to there it is the cumulative mean of the paper.

    >>> running_shares(2, memory=9).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.5, 0.5]]
    """
    rows = torch.zeros(frames, 1 + frames, dtype=torch.float64)
    row = torch.zeros(1 + frames, dtype=torch.float64)
    row[0] = 1
    for now in range(frames):
        share = 1 / min(seen + now + 1, memory)
        row = row * (1 - share)
        row[now + 1] = share
        rows[now] = row
    return rows.float()


def running_mean(pooled: Tensor, passage: Passage) -> Tensor:
    """Return the mean so far at every picture: `(B·T, C)` to `(B·T, C)`."""
    clips = pooled.unflatten(0, (-1, passage.frames)).float()
    before = passage.take()
    if before is None:
        before = torch.zeros_like(clips[:, 0])
    passage.shares = passage.shares.to(clips)  # to a GPU once, not once a layer
    device = pooled.device.type if torch.amp.is_autocast_available(pooled.device.type) else "cpu"
    with torch.autocast(device, enabled=False):  # means of many pictures in full precision
        means = passage.shares @ torch.cat([before[:, None].float(), clips], dim=1)
    passage.keep(means[:, -1])
    return means.flatten(0, 1).to(pooled.dtype)


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: output `ceil(size / stride)`, an odd row of zeros at the end."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, same_padding(input, self.kernel_size[0], self.stride[0])))


class SamePool2d(nn.Module):
    """The mean of 3 x 3 pixels, every second one, over those that are in the picture; padded as SAME."""

    def forward(self, pictures: Tensor) -> Tensor:
        padding = same_padding(pictures, 3, 2)
        inside = F.avg_pool2d(F.pad(torch.ones_like(pictures[:1, :1]), padding), 3, 2)
        return F.avg_pool2d(F.pad(pictures, padding), 3, 2) / inside


def same_padding(pictures: Tensor, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """Return the pixels to add left, right, above and below."""
    added: list[int] = []
    for size in (pictures.shape[-1], pictures.shape[-2]):
        total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
        added += [total // 2, total - total // 2]
    return added[0], added[1], added[2], added[3]


class ConvUnit(nn.Module):
    """A convolution within each picture, and for a kernel in time one over the pictures so far.

    ```
    (B·T, C, H, W) ─ space x space ─▶ (B·T, C', H', W') ─ behind the last `time - 1` of the stream ─ time x 1 ─▶ same size
    ```

    Each is followed by batch norm and hard swish, or has a bias instead.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        space: int = 1,
        time: int = 1,
        stride: int = 1,
        *,
        depthwise: bool = False,
        norm: bool = True,
        activation: bool = True,
    ) -> None:
        super().__init__()
        groups = outputs if depthwise else 1
        within = SameConv2d(inputs, outputs, space, stride, groups=groups, bias=not norm)
        self.conv_1 = _layer(within, norm, activation)
        self.conv_2: nn.Module | None = None
        self.time = time
        if time > 1:
            over = nn.Conv2d(outputs, outputs, (time, 1), groups=groups, bias=not norm)
            self.conv_2 = _layer(over, norm, activation)

    def forward(self, pictures: Tensor, passage: Passage | None = None) -> Tensor:
        pictures = self.conv_1(pictures)
        if self.conv_2 is None or passage is None:
            return pictures
        rows, columns = pictures.shape[-2:]
        clips = pictures.flatten(2).unflatten(0, (-1, passage.frames)).transpose(1, 2)  # (B, C, T, H·W)
        before = passage.take()
        if before is None:
            before = torch.zeros_like(clips[:, :, :1]).expand(-1, -1, self.time - 1, -1)
        clips = torch.cat([before, clips], dim=2)
        passage.keep(clips[:, :, 1 - self.time :])
        return self.conv_2(clips).transpose(1, 2).flatten(0, 1).unflatten(2, (rows, columns))


def _layer(convolution: nn.Conv2d, norm: bool, activation: bool) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict(conv2d=convolution)
    if norm:
        parts["norm"] = nn.BatchNorm2d(convolution.out_channels, eps=1e-3)
    if activation:
        parts["act"] = nn.Hardswish()
    return nn.Sequential(parts)


class SqueezeExcite(nn.Module):
    """Weighs channels by their mean over this picture and their running mean over the stream so far."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = divisible(channels // 4 * 2)
        self.fc1 = ConvUnit(2 * channels, squeezed, norm=False, activation=False)
        self.fc2 = ConvUnit(squeezed, channels, norm=False, activation=False)

    def forward(self, pictures: Tensor, passage: Passage) -> Tensor:
        now = pictures.mean((2, 3))
        described = torch.cat([running_mean(now, passage), now], dim=1)[..., None, None]
        # The hard sigmoid that the weights were trained with has slope 0.2, torch's has 1/6.
        weights = (0.2 * self.fc2(F.hardswish(self.fc1(described))) + 0.5).clamp(0, 1)
        return pictures * weights


@dataclass(frozen=True)
class BlockSpec:
    """A bottleneck: channels in, expanded and out, pixels and pictures of its kernel, and its stride in pixels."""

    inputs: int
    expanded: int
    outputs: int
    space: int
    time: int
    stride: int


class Bottleneck(nn.Module):
    """An inverted bottleneck with causal convolution and squeeze-excite.

    ```
    (B·T, C, H, W) ─┬─ 1x1 expand ─▶ depthwise in space, then in time ─▶ squeeze-excite ─▶ 1x1 project ─ · alpha ─┬─ + ─▶
                    └─ (mean of 3 x 3 where the stride is 2 ─▶ 1x1 where the size changes) ──────────────────────┘
    ```
    """

    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.expand = ConvUnit(spec.inputs, spec.expanded)
        self.deep = ConvUnit(spec.expanded, spec.expanded, spec.space, spec.time, spec.stride, depthwise=True)
        self.se = SqueezeExcite(spec.expanded)
        self.project = ConvUnit(spec.expanded, spec.outputs, activation=False)
        self.res: nn.Module | None = None
        if spec.stride > 1 or spec.inputs != spec.outputs:
            pool = [SamePool2d()] if spec.stride > 1 else []
            self.res = nn.Sequential(*pool, ConvUnit(spec.inputs, spec.outputs, activation=False))
        # Zero in the paper (ReZero); from there the block's other parameters would have no gradient at the first step.
        self.alpha = nn.Parameter(torch.tensor(0.1))

    def forward(self, pictures: Tensor, passage: Passage) -> Tensor:
        found = self.se(self.deep(self.expand(pictures), passage), passage)
        passed_on = pictures if self.res is None else self.res(pictures)
        return passed_on + self.alpha * self.project(found)
