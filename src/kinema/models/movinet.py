"""movinet_a0, movinet_a1, movinet_a2: causal MoViNets that follow a stream picture by picture.

Kondratyuk et al., "MoViNets: Mobile Video Networks for Efficient Video Recognition", CVPR 2021, arXiv 2103.11511; here
the stream networks that its authors released, with (2+1)D convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError
from kinema.models.base import VideoModel
from kinema.models.clip_network import ClipNetwork
from kinema.models.limits import require_clip
from kinema.models.movinet_blocks import BlockSpec, Bottleneck, ConvUnit, Passage, running_mean
from kinema.models.movinet_weights import load_movinet
from kinema.models.registry import Builder, Published, register

_HIDDEN = 2048
# Pictures of a stream in one call of the network.
_PICTURES_A_CALL = 16


@dataclass(frozen=True)
class StageSpec:
    """Blocks of `outputs` channels: expanded channels and kernel (pictures, pixels) of each, and the first one's stride."""

    outputs: int
    stride: int
    blocks: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class MoViNetSpec:
    """Channels of the first layer, the stages, and channels of the last layer before the pool."""

    name: str
    stem: int
    stages: tuple[StageSpec, ...]
    head: int


def _stage(outputs: int, stride: int, *blocks: tuple[int, str]) -> StageSpec:
    return StageSpec(outputs, stride, tuple((expanded, int(k[0]), int(k[2])) for expanded, k in blocks))


A0 = MoViNetSpec(
    "MoViNet-A0",
    8,
    (
        _stage(8, 2, (24, "1x5")),
        _stage(32, 2, (80, "3x3"), (80, "3x3"), (80, "3x3")),
        _stage(56, 2, (184, "5x3"), (112, "3x3"), (184, "3x3")),
        _stage(56, 1, (184, "5x3"), (184, "3x3"), (184, "3x3"), (184, "3x3")),
        _stage(104, 2, (384, "5x3"), (280, "1x5"), (280, "1x5"), (344, "1x5")),
    ),
    480,
)
A1 = MoViNetSpec(
    "MoViNet-A1",
    16,
    (
        _stage(16, 2, (40, "1x5"), (40, "3x3")),
        _stage(40, 2, (96, "3x3"), (120, "3x3"), (96, "3x3"), (96, "3x3")),
        _stage(64, 2, (216, "5x3"), (128, "3x3"), (216, "3x3"), (168, "3x3"), (216, "3x3")),
        _stage(
            64, 1, (216, "5x3"), (216, "3x3"), (216, "3x3"), (128, "3x3"), (128, "1x5"), (216, "3x3")
        ),
        _stage(
            136, 2, (456, "5x3"), (360, "1x5"), (360, "1x5"), (360, "1x5"), (456, "1x5"), (456, "3x3"),
            (544, "1x3"),
        ),
    ),
    600,
)  # fmt: skip
A2 = MoViNetSpec(
    "MoViNet-A2",
    16,
    (
        _stage(16, 2, (40, "1x5"), (40, "3x3"), (64, "3x3")),
        _stage(40, 2, (96, "3x3"), (120, "3x3"), (96, "3x3"), (96, "3x3"), (120, "3x3")),
        _stage(72, 2, (240, "5x3"), (160, "3x3"), (240, "3x3"), (192, "3x3"), (240, "3x3")),
        _stage(
            72, 1, (240, "5x3"), (240, "3x3"), (240, "3x3"), (240, "3x3"), (144, "1x5"), (240, "3x3")
        ),
        _stage(
            144, 2, (480, "5x3"), (384, "1x5"), (384, "1x5"), (480, "1x5"), (480, "1x5"), (480, "3x3"),
            (576, "1x3"),
        ),
    ),
    640,
)  # fmt: skip


class MoViNetTrunk(nn.Module):
    """Pictures in a row `(B·T, 3, H, W)` to the running mean of their features `(B·T, C)`."""

    def __init__(self, spec: MoViNetSpec) -> None:
        super().__init__()
        self.conv1 = ConvUnit(3, spec.stem, 3, stride=2)
        self.blocks = nn.ModuleDict()
        inputs = spec.stem
        for i, stage in enumerate(spec.stages):
            for j, (expanded, time, space) in enumerate(stage.blocks):
                stride = stage.stride if j == 0 else 1
                self.blocks[f"b{i}_l{j}"] = Bottleneck(
                    BlockSpec(inputs, expanded, stage.outputs, space, time, stride)
                )
                inputs = stage.outputs
        self.conv7 = ConvUnit(inputs, spec.head)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, pictures: Tensor, passage: Passage) -> Tensor:
        pictures = self.conv1(pictures)
        for block in self.blocks.values():
            pictures = block(pictures, passage)
        return running_mean(self.conv7(pictures).mean((2, 3)), passage)


@dataclass
class MoViNetState:
    """What a stream leaves behind: the stream buffers and running means of the layers, and how many pictures it had."""

    layers: list[Tensor]
    seen: int


class MoViNet(ClipNetwork):
    """A causal MoViNet; a picture is computed once, and the stream buffers stand for all before it.

    ```
    (B, 3, T, H, W) ─ conv 1x3x3, / 2 ─▶ 5 stages of causal bottlenecks, / 16 ─▶ conv 1x1 ─ mean over pixels, running mean ─▶
    (B, T, C) ─ at the last picture ─▶ dense 2048, swish, dropout ─▶ dense K ─▶ (B, K)
    stream: picture + state ─ the same layers ─▶ (K,) + state
    ```

    There is no window: the logits at a picture are those of everything since the stream began, so that `predict` and
    `stream` both run from the start of the video. The running means weigh all pictures alike up to `memory` of them, as
    the paper does without end, and then forget (see `running_shares`). Before a stream there are zeros.
    """

    def __init__(
        self, spec: MoViNetSpec, num_classes: int, frames: int, memory: int, dropout: float, freeze: bool
    ) -> None:
        last = ConvUnit(_HIDDEN, num_classes, norm=False, activation=False)
        nn.init.normal_(next(last.parameters()), std=0.01)
        hidden = ConvUnit(spec.head, _HIDDEN, norm=False, activation=False)
        head = nn.Sequential(hidden, nn.SiLU(), nn.Dropout(dropout), last)
        super().__init__(num_classes, frames, 1, MoViNetTrunk(spec), head, freeze)
        self.memory = memory

    def forward(self, clips: Tensor) -> Tensor:
        frames = clips.shape[2]
        features = self.backbone(clips.transpose(1, 2).flatten(0, 1), Passage(frames, self.memory))
        return self._classify(features.unflatten(0, (-1, frames))[:, -1])

    def track(self, pictures: Tensor, state: MoViNetState | None = None) -> tuple[Tensor, Any]:
        found: list[Tensor] = []
        for part in pictures.split(_PICTURES_A_CALL):
            seen = 0 if state is None else state.seen
            before = None if state is None else state.layers
            passage = Passage(len(part), self.memory, seen, before, keeping=True)
            found.append(self._classify(self.backbone(part, passage)))
            state = MoViNetState(passage.kept, seen + len(part))
        return torch.cat(found), state

    def _classify(self, features: Tensor) -> Tensor:
        return self.head(features[..., None, None]).flatten(1)


def _clips(size: int, frames: int = 50) -> ClipSpec:
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return ClipSpec(frames, fps=5.0, height=size, width=size, resize="crop", mean=mean, std=std)


def _movinet(name: str, network: MoViNetSpec, size: int, published: Published, description: str) -> Builder:
    @register(
        name, description=description, spec=_clips(size), paper="Kondratyuk et al., CVPR 2021, arXiv 2103.11511",
        published=published, classes=600, tiny_spec=_clips(32, frames=4),
    )  # fmt: skip
    def build(
        num_classes: int,
        spec: ClipSpec,
        weights: str = "none",
        freeze: bool = False,
        memory: int = 0,
        dropout: float = 0.2,
    ) -> VideoModel:
        require_clip(name, spec, frames=2, height=32, width=32)
        if memory < 0:
            raise UsageError(
                f"model '{name}', setting memory={memory}: give pictures, or 0 for those of a clip"
            )
        model = MoViNet(network, num_classes, spec.frames, memory or spec.frames, dropout, freeze)
        if weights != "none":
            load_movinet(model, weights, network.name)
        return model

    return build


_SOURCE = "tensorflow/models, official/projects/movinet/README.md"
# The released networks differ from those of the paper: 24 in place of 40 channels in the first block of A0, for one.
_NOTE = "counted before the authors changed the networks for the release; it gives no parameters"

movinet_a0 = _movinet(
    "movinet_a0",
    A0,
    172,
    Published(_SOURCE, gflops=2.7, note=_NOTE),
    """Causal MoViNet-A0: the smallest that follows a stream with a state, one pass a picture.

    Kondratyuk et al., CVPR 2021, arXiv 2103.11511. With 600 classes 3.75 M parameters, 2.43 GFLOPs for the 50 pictures of
    10 s at 172 x 172. `weights`: none, or the path of a published stream checkpoint. `memory`: pictures after which it
    forgets; 0: those of a clip.

    ```
    (3, 50, 172, 172) ─ conv 1x3x3 ─▶ (8, 50, 86, 86) ─ 1 block ─▶ (8, 50, 43, 43) ─ 3 ─▶ (32, 50, 22, 22)
      ─ 3 + 4 ─▶ (56, 50, 11, 11) ─ 4 ─▶ (104, 50, 6, 6) ─ 1x1x1 ─▶ 480 ─ running mean ─ dense 2048 ─ dense ─▶ (K)
    block: 1x1x1 expand, depthwise in space and back in time, squeeze-excite over the past, 1x1x1 project, + skip
    ```
    """,
)
movinet_a1 = _movinet(
    "movinet_a1",
    A1,
    172,
    Published(_SOURCE, gflops=6.0, note=_NOTE),
    """Causal MoViNet-A1: twice the work of A0; settings as there.

    Kondratyuk et al., CVPR 2021, arXiv 2103.11511. With 600 classes 6.45 M parameters, 5.56 GFLOPs for the 50 pictures of
    10 s at 172 x 172.

    ```
    (3, 50, 172, 172) ─ conv 1x3x3 ─▶ (16, 50, 86, 86) ─ 2 blocks ─▶ (16, 50, 43, 43) ─ 4 ─▶ (40, 50, 22, 22)
      ─ 5 + 6 ─▶ (64, 50, 11, 11) ─ 7 ─▶ (136, 50, 6, 6) ─ 1x1x1 ─▶ 600 ─ running mean ─ dense 2048 ─ dense ─▶ (K)
    ```
    """,
)
movinet_a2 = _movinet(
    "movinet_a2",
    A2,
    224,
    Published(_SOURCE, gflops=10, note=_NOTE),
    """Causal MoViNet-A2: larger pictures and four times the work of A0; settings as there.

    Kondratyuk et al., CVPR 2021, arXiv 2103.11511. With 600 classes 7.33 M parameters, 10.72 GFLOPs for the 50 pictures of
    10 s at 224 x 224.

    ```
    (3, 50, 224, 224) ─ conv 1x3x3 ─▶ (16, 50, 112, 112) ─ 3 blocks ─▶ (16, 50, 56, 56) ─ 5 ─▶ (40, 50, 28, 28)
      ─ 5 + 6 ─▶ (72, 50, 14, 14) ─ 7 ─▶ (144, 50, 7, 7) ─ 1x1x1 ─▶ 640 ─ running mean ─ dense 2048 ─ dense ─▶ (K)
    ```
    """,
)
