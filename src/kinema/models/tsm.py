"""tsm, tsm_resnet50: an image network that passes channels on from picture to picture.

Lin et al., "TSM: Temporal Shift Module for Efficient Video Understanding", ICCV 2019, arXiv 1811.08383. A shift costs no
parameters and no multiplication: the network costs what its image network does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError
from kinema.models.backbones import BUNDLED, FrameBackbone
from kinema.models.base import VideoModel
from kinema.models.clip_network import ClipNetwork, linear_head
from kinema.models.layer_states import LayerStates
from kinema.models.limits import require_clip
from kinema.models.published import fit_published, read_published
from kinema.models.registry import Published, register

# The share of channels that goes each way.
_SHARE = 8
# Pictures of a stream in one call of the network.
_PICTURES_A_CALL = 16
# The stream that runs through the network in this thread; None for clips, which begin with nothing.
_stream: ContextVar[LayerStates | None] = ContextVar("tsm_stream", default=None)


@contextmanager
def _following(before: list[Tensor] | None) -> Iterator[LayerStates]:
    states = LayerStates(before, keeping=True)
    token = _stream.set(states)
    try:
        yield states
    finally:
        _stream.reset(token)


class Shift(nn.Module):
    """A layer `net` that sees some channels of the pictures beside the one it works on.

    ```
                 channels: first 1/8          second 1/8           others
    bidirectional          from t + 1         from t - 1           from t
    online                 from t - 1         from t               from t
    ```

    Takes pictures in a row `(B·T, C, H, W)`. Beyond the ends of a clip there are zeros.
    """

    def __init__(self, net: nn.Module, frames: int, online: bool) -> None:
        super().__init__()
        self.net = net
        self.frames = frames
        self.online = online

    def forward(self, pictures: Tensor) -> Tensor:
        return self.net(self.shifted(pictures))

    def shifted(self, pictures: Tensor) -> Tensor:
        """Return the pictures with their channels shifted."""
        stream = _stream.get()
        frames = self.frames if stream is None else len(pictures)
        clips = pictures.unflatten(0, (-1, frames))
        fold = max(1, clips.shape[2] // _SHARE)
        nothing = torch.zeros_like(clips[:, :1, :fold])
        if not self.online:
            later = torch.cat([clips[:, 1:, :fold], nothing], dim=1)
            earlier = torch.cat([nothing, clips[:, :-1, fold : 2 * fold]], dim=1)
            return torch.cat([later, earlier, clips[:, :, 2 * fold :]], dim=2).flatten(0, 1)
        first = None if stream is None else stream.take()
        if stream is not None:
            stream.keep(clips[:, -1:, :fold])
        earlier = torch.cat([nothing if first is None else first, clips[:, :-1, :fold]], dim=1)
        return torch.cat([earlier, clips[:, :, fold:]], dim=2).flatten(0, 1)


def install_shifts(network: nn.Module, name: str, frames: int, online: bool) -> int:
    """Put a shift before the first convolution of every residual branch of a timm network; return how many.

    Raises `UsageError` for a network without blocks of ResNet's or MobileNet's kind.
    """
    from timm.models._efficientnet_blocks import InvertedResidual
    from timm.models.resnet import BasicBlock, Bottleneck

    found: list[tuple[nn.Module, str]] = []
    for stage in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        blocks = [block for block in stage.children() if isinstance(block, (BasicBlock, Bottleneck))]
        # Deep ResNets get a shift in every second block, as the authors' code does from 23 blocks a stage on.
        found += [(block, "conv1") for block in blocks[:: 2 if len(blocks) >= 23 else 1]]
        found += [
            (block, "conv_pw")
            for block in stage.children()
            if isinstance(block, InvertedResidual) and block.has_skip
        ]
    if not found:
        raise UsageError(
            f"backbone '{name}' has no residual blocks that TSM can shift: choose a ResNet, a MobileNet or an EfficientNet"
        )
    for block, convolution in found:
        setattr(block, convolution, Shift(getattr(block, convolution), frames, online))
    return len(found)


class TSM(ClipNetwork):
    """An image network with bidirectional shifts; the logits of a clip are the mean over its pictures.

    ```
    (B, 3, T, H, W) ─▶ (B·T, 3, H, W) ─ image network, channels shifted in every block ─▶ (B·T, D) ─ dropout, linear ─▶
    (B, T, K) ─ mean ─▶ (B, K)
    ```
    """

    online = False

    def __init__(
        self,
        num_classes: int,
        frames: int,
        backbone: FrameBackbone,
        stride: int = 1,
        dropout: float = 0.5,
        freeze: bool = False,
    ) -> None:
        head = linear_head(backbone.dim, num_classes, dropout)
        super().__init__(num_classes, frames, stride, backbone, head, freeze)
        self.shifts = install_shifts(backbone.network, backbone.name, frames, self.online)

    def forward(self, clips: Tensor) -> Tensor:
        frames = clips.shape[2]
        if frames != self.frames:
            raise UsageError(f"clips of {frames} frames for a TSM of {self.frames}: set frames={frames}")
        return self.score(clips.transpose(1, 2).flatten(0, 1)).unflatten(0, (-1, frames)).mean(1)

    def score(self, pictures: Tensor) -> Tensor:
        """Return the logits `(N, K)` of pictures in a row `(N, 3, H, W)`."""
        return self.head(self.backbone(pictures))


@dataclass
class TSMState:
    """What a stream leaves behind: each block's channels of the last picture, and the last T - 1 pictures' logits."""

    layers: list[Tensor]
    scores: Tensor


class OnlineTSM(TSM):
    """TSM whose shifts only look back, so that a stream costs one pass a picture.

    ```
    stream: picture + 1/8 of the channels of the one before, at each block ─ image network ─▶ (D,) ─ linear ─▶ (K,)
            mean over the last T pictures ─▶ logits
    ```

    The state runs on from the start of the video, in `predict` as in `stream`: after the first T pictures, the oldest of
    the mean's pictures has seen more before it than it had in a clip of training. Before the stream there are zeros, and
    until T pictures have been seen the mean is over those.
    """

    online = True

    def track(self, pictures: Tensor, state: TSMState | None = None) -> tuple[Tensor, Any]:
        layers = None if state is None else state.layers
        found: list[Tensor] = []
        for part in pictures.split(_PICTURES_A_CALL):
            with _following(layers) as stream:
                found.append(self.score(part))
            layers = stream.kept
        scores = torch.cat(([] if state is None else [state.scores]) + found)
        begin = len(scores) - len(pictures)
        ends = range(begin + 1, len(scores) + 1)
        logits = torch.stack([scores[max(0, end - self.frames) : end].mean(0) for end in ends])
        kept = scores[len(scores) - min(len(scores), self.frames - 1) :]
        return logits, TSMState(layers or [], kept.clone())


def _build(
    name: str,
    num_classes: int,
    spec: ClipSpec,
    backbone: str,
    weights: str,
    freeze: bool,
    online: bool,
    stride: int,
    dropout: float,
) -> VideoModel:
    require_clip(name, spec, frames=2, height=32, width=32)
    published = _published(weights)
    if published is not None and online:
        raise UsageError(
            f"weights={weights}: of a TSM with bidirectional shifts, whose channels look ahead; set online=false, or "
            "weights to those of an image network"
        )
    network = FrameBackbone(backbone, weights if published is None else "none")
    kind = OnlineTSM if online else TSM
    model = kind(num_classes, spec.frames, network, stride, dropout, freeze)
    if published is not None:
        fit_published(model, published, weights, f"a TSM with {backbone}", "head.1.")
    return model


def _published(weights: str) -> dict[str, Tensor] | None:
    """Return the tensors of a checkpoint of the authors under kinema's names; None for any other weights.

    Theirs are `base_model.` for the image network of torchvision, whose ResNets timm names alike, and `new_fc.`.
    """
    if not Path(weights).is_file():
        return None
    stored = read_published(weights)
    if not any(name.startswith("base_model.") for name in stored):
        return None
    places = {"base_model.": "backbone.network.", "new_fc.": "head.1."}
    return {
        next((new + name[len(old) :] for old, new in places.items() if name.startswith(old)), name): value
        for name, value in stored.items()
    }


_SHARED: dict[str, Any] = {
    "paper": "Lin et al., ICCV 2019, arXiv 1811.08383",
    "tiny": {"backbone": "mobilenetv2_035"},
    "tiny_spec": ClipSpec(frames=4, fps=5, height=32, width=32),
}


@register("tsm", spec=ClipSpec(frames=16, fps=8.0), **_SHARED)
def tsm(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = BUNDLED,
    weights: str = "bundled",
    freeze: bool = False,
    online: bool = True,
    stride: int = 4,
    dropout: float = 0.5,
) -> VideoModel:
    """Temporal Shift Module on an image network; online, it follows a stream at one pass a picture.

    Lin et al., ICCV 2019, arXiv 1811.08383. With EfficientNet-Lite0, 16 pictures of 224 x 224 and 400 classes: 3.88 M
    parameters, 6.15 GFLOPs (multiply-adds in 10^9). `online=false` shifts both ways, as the paper does for clips; then
    `stride` says how often a stream's clip is computed. `weights`: bundled, pretrained, none, or a file: the image
    network's, or a TSM checkpoint of the authors.

    ```
    (B·T, 3, 224, 224) ─ image network; before each block 1/8 of the channels come from t - 1 ─▶ (B·T, D) ─ linear ─▶
    (B, T, K) ─ mean ─▶ (B, K)
    ```
    """
    return _build("tsm", num_classes, spec, backbone, weights, freeze, online, stride, dropout)


@register(
    "tsm_resnet50",
    spec=ClipSpec(frames=8, fps=3.75, resize="crop", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    published=Published(
        "open-mmlab/mmaction2, configs/recognition/tsm/README.md",
        gflops=32.88,
        note="it gives 23.87 M parameters, 0.46 M fewer than ResNet-50 with 400 classes has",
    ),
    **_SHARED,
)
def tsm_resnet50(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = "resnet50",
    weights: str = "none",
    freeze: bool = False,
    online: bool = True,
    stride: int = 4,
    dropout: float = 0.5,
) -> VideoModel:
    """Temporal Shift Module on ResNet-50, the paper's network: 8 pictures in 2.1 s; settings as for tsm.

    Lin et al., ICCV 2019, arXiv 1811.08383. With 400 classes 24.3 M parameters, 32.7 GFLOPs (multiply-adds in 10^9) at
    8 x 224 x 224.

    ```
    (B·8, 3, 224, 224) ─ ResNet-50, shifted before each of 16 blocks ─▶ (B·8, 2048) ─ linear ─▶ (B, 8, K) ─ mean ─▶ (B, K)
    ```
    """
    return _build("tsm_resnet50", num_classes, spec, backbone, weights, freeze, online, stride, dropout)
