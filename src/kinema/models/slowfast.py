"""slowfast: a slow path that sees few pictures with many channels, a fast one that sees all with few."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError
from kinema.models.base import VideoModel
from kinema.models.clip_model import ClipModel
from kinema.models.limits import require_clip
from kinema.models.registry import Published, register

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


class _Block(nn.Module):
    """A residual block whose first convolution also spans `kernel` moments.

    ```
    basic:      (k, 3, 3) /s ─ (1, 3, 3)                     bottleneck: (k, 1, 1) ─ (1, 3, 3) /s ─ (1, 1, 1) x 4
    ```
    """

    def __init__(
        self, inputs: int, inner: int, outputs: int, kernel: int, stride: int, bottleneck: bool
    ) -> None:
        super().__init__()
        if bottleneck:
            self.path = nn.Sequential(
                *_convolution(inputs, inner, (kernel, 1, 1)),
                nn.ReLU(inplace=True),
                *_convolution(inner, inner, (1, 3, 3), stride),
                nn.ReLU(inplace=True),
                *_convolution(inner, outputs, (1, 1, 1)),
            )
        else:
            self.path = nn.Sequential(
                *_convolution(inputs, inner, (kernel, 3, 3), stride),
                nn.ReLU(inplace=True),
                *_convolution(inner, outputs, (1, 3, 3)),
            )
        same = inputs == outputs and stride == 1
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(*_convolution(inputs, outputs, (1, 1, 1), stride))
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        summed: Tensor = self.relu(self.path(maps) + self.shortcut(maps))
        return summed


def _convolution(inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1) -> list[nn.Module]:
    padding = tuple(side // 2 for side in kernel)
    convolution = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), padding, bias=False)  # type: ignore[arg-type]
    return [convolution, nn.BatchNorm3d(outputs)]


class SlowFast(ClipModel):
    """Two residual networks with lateral connections from the fast to the slow one.

    ```
    clips (B, 3, T, H, W)
     ├─ every α-th picture ─ conv 1·7·7, 64 ─ pool ─⊕─ res2 ─⊕─ res3 ─⊕─ res4 (3 moments) ⊕ res5 (3 moments) ─ mean ─┐
     │                                              ↑        ↑        ↑                   ↑     conv k·1·1, /α      ├─ linear
     └─ every picture ──── conv 5·7·7, 64 / β ─ pool ┴─ res2 ─┴─ res3 ─┴─ res4 ────────────┴ res5, 3 moments ─ mean ─┘
    ```
    """

    def __init__(
        self,
        num_classes: int,
        spec: ClipSpec,
        depth: int,
        alpha: int,
        beta_inverse: int,
        channels: int,
        fusion_kernel: int,
        dropout: float,
        stride: int,
    ) -> None:
        super().__init__(num_classes, spec.frames, stride)
        self.alpha = alpha
        fast_channels = channels // beta_inverse
        bottleneck = depth >= 50
        self.slow_stem, self.fast_stem = _stem(channels, 1), _stem(fast_channels, 5)
        slow, fast = channels, fast_channels
        stages: list[tuple[Any, Any]] = []
        laterals: list[nn.Module] = []
        for stage, blocks in enumerate(_BLOCKS[depth]):
            laterals.append(_lateral(fast, fusion_kernel, alpha))
            settings: dict[str, Any] = {
                "blocks": blocks,
                "stride": 1 if stage == 0 else 2,
                "bottleneck": bottleneck,
            }
            inner = 2**stage
            slow_stage, slow = _stage(slow + 2 * fast, inner * channels, 1 if stage < 2 else 3, **settings)
            fast_stage, fast = _stage(fast, inner * fast_channels, 3, **settings)
            stages.append((slow_stage, fast_stage))
        self.laterals = nn.ModuleList(laterals)
        self.slow_stages = nn.ModuleList(pair[0] for pair in stages)
        self.fast_stages = nn.ModuleList(pair[1] for pair in stages)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(slow + fast, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, clips: Tensor) -> Tensor:
        slow, fast = self.slow_stem(clips[:, :, :: self.alpha]), self.fast_stem(clips)
        for lateral, slow_stage, fast_stage in zip(
            self.laterals, self.slow_stages, self.fast_stages, strict=True
        ):
            slow = slow_stage(torch.cat([slow, lateral(fast)], dim=1))
            fast = fast_stage(fast)
        return self.classifier(torch.cat([slow.mean((2, 3, 4)), fast.mean((2, 3, 4))], dim=1))


def _stem(channels: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(3, channels, (kernel, 7, 7), (1, 2, 2), (kernel // 2, 3, 3), bias=False),
        nn.BatchNorm3d(channels),
        nn.ReLU(inplace=True),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
    )


def _lateral(channels: int, kernel: int, alpha: int) -> nn.Sequential:
    """From the fast path to the slow one's rate: twice the channels, one moment of alpha."""
    convolution = nn.Conv3d(
        channels, 2 * channels, (kernel, 1, 1), (alpha, 1, 1), (kernel // 2, 0, 0), bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm3d(2 * channels), nn.ReLU(inplace=True))


def _stage(
    inputs: int, inner: int, kernel: int, *, blocks: int, stride: int, bottleneck: bool
) -> tuple[nn.Sequential, int]:
    outputs = inner * (4 if bottleneck else 1)
    found = [_Block(inputs, inner, outputs, kernel, stride, bottleneck)]
    found += [_Block(outputs, inner, outputs, kernel, 1, bottleneck) for _ in range(blocks - 1)]
    return nn.Sequential(*found), outputs


@register(
    "slowfast",
    spec=ClipSpec(
        frames=32, fps=15.0, height=256, width=256, resize="crop", mean=(0.45,) * 3, std=(0.225,) * 3
    ),
    paper="Feichtenhofer et al., ICCV 2019, arXiv 1812.03982",
    published=Published("facebookresearch/pytorchvideo, docs/source/model_zoo.md", 34.57, 65.71),
    tiny={"depth": 18, "channels": 8, "beta_inverse": 4, "stride": 2},
    tiny_spec=ClipSpec(frames=8, fps=5.0, height=32, width=32),
)
def slowfast(
    num_classes: int,
    spec: ClipSpec,
    depth: int = 50,
    alpha: int = 4,
    beta_inverse: int = 8,
    channels: int = 64,
    fusion_kernel: int = 7,
    dropout: float = 0.5,
    stride: int = 8,
) -> VideoModel:
    """SlowFast 8 x 8, ResNet-50: a slow path for what is seen, a fast one for how it moves, joined at every stage.

    Feichtenhofer et al., SlowFast Networks for Video Recognition, ICCV 2019, arXiv 1812.03982. `alpha`: the fast path's
    pictures for one of the slow path's; `channels`: of the slow path's first layer; `beta_inverse`: the slow path's
    channels for one of the fast path's. S3's is
    `depth=18 alpha=8 fusion_kernel=5`, here with the convolutions over time that it lacked.
    `stride`: pictures from one answer of a stream to the next.

    With 400 classes: 34,566,488 parameters, 65.7 GFLOPs (multiply-adds) a clip of 32 x 256 x 256.

    ```
    (3, 32, 256, 256) ─┬─ every 4th picture ─ 64 ⊕ res2 256 ⊕ res3 512 ⊕ res4 1024 ⊕ res5 2048 ─ mean ─┬─ linear ─▶ (K)
                       └─ every picture ───── 8 ┴─ res2 32 ─┴─ res3 64 ─┴─ res4 128 ─┴─ res5 256 ─ mean ─┘
    ```
    """
    if depth not in _BLOCKS:
        raise UsageError(f"model 'slowfast', setting depth={depth}: give {', '.join(map(str, _BLOCKS))}")
    if alpha < 1 or beta_inverse < 1 or channels % beta_inverse or channels < beta_inverse:
        raise UsageError(
            f"model 'slowfast', settings alpha={alpha}, beta_inverse={beta_inverse}, channels={channels}: "
            "give numbers of at least 1, and channels that beta_inverse divides"
        )
    if fusion_kernel < 1 or fusion_kernel % 2 == 0:
        raise UsageError(f"model 'slowfast', setting fusion_kernel={fusion_kernel}: give an odd number")
    require_clip("slowfast", spec, frames=alpha + 1 if alpha > 1 else 1, height=32, width=32)
    return SlowFast(num_classes, spec, depth, alpha, beta_inverse, channels, fusion_kernel, dropout, stride)
