"""The networks of torchvision.models.video without their classifiers, at any size, and their published weights.

Every network gives one vector of a clip: `(B, 3, T, H, W) -> (B, D)`. torchvision is imported when one is built.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

import kinema.torch_setup  # noqa: F401  (before torchvision)
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError, first_line
from kinema.models.clip_network import ClipNetwork, keep_classifier, linear_head
from kinema.models.published import fit_published, read_published

Adapt = Callable[[dict[str, Tensor], nn.Module], None]


@dataclass(frozen=True)
class Layout:
    """A network without its classifier, the number of its features, and where published files keep the classifier.

    `adapt` brings published tensors to the sizes of the network, where these depend on the clip.
    """

    network: nn.Module
    dim: int
    classifier: str
    adapt: Adapt | None = None


def video_resnet(
    name: str, convolutions: Sequence[str], separated_stem: bool, channels: int, depths: Sequence[int]
) -> Layout:
    """Return an R3D, MC3 or R(2+1)D: one of torchvision's convolutions a stage, `depths` basic blocks in each."""
    from torchvision.models.video import resnet

    if channels < 1:
        raise UsageError(
            f"model '{name}', setting channels={channels}: give the channels of the first stage, at least 1"
        )

    class VideoResNet(resnet.VideoResNet):
        """Stages of another width than 64; the stem keeps its own."""

        def _make_layer(self, block: Any, conv: Any, planes: int, blocks: int, stride: int = 1) -> Any:
            return super()._make_layer(block, conv, planes // 64 * channels, blocks, stride)

    network = VideoResNet(
        block=resnet.BasicBlock,
        conv_makers=[getattr(resnet, convolution) for convolution in convolutions],
        layers=four(name, "depths", depths),
        stem=resnet.R2Plus1dStem if separated_stem else resnet.BasicStem,
    )
    network.fc = nn.Identity()
    return Layout(network, 8 * channels, "fc")


def s3d_network(momentum: float) -> Layout:
    """Return S3D; `momentum` is the share of a batch in the running statistics of its norms."""
    from torchvision.models.video import S3D

    norm = partial(nn.BatchNorm3d, eps=0.001, momentum=momentum)
    features = S3D(norm_layer=norm).features
    for module in features.modules():
        # With torch's own start values hardly 1e-8 of a clip is left at the end while the norms know nothing yet.
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return Layout(_S3D(features), 1024, "classifier.1")


class _S3D(nn.Module):
    """torchvision's S3D without its classifier; clips smaller than its pooling window are pooled whole."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, clips: Tensor) -> Tensor:
        maps = self.features(clips)
        window = [min(size, most) for size, most in zip(maps.shape[2:], (2, 7, 7), strict=True)]
        return F.avg_pool3d(maps, window, stride=1).mean((2, 3, 4))


def mvit(
    name: str, version: int, spec: ClipSpec, channels: int, depths: Sequence[int], drop_path: float
) -> Layout:
    """Return MViT of version 1 or 2 with positions for the clips of `spec`, `depths` blocks in its four scales."""
    from torchvision.models.video import MViT
    from torchvision.models.video.mvit import MSBlockConfig

    if channels < 1:
        raise UsageError(
            f"model '{name}', setting channels={channels}: give the channels of the first scale, at least 1"
        )
    scales = [scale for scale, depth in enumerate(four(name, "depths", depths)) for _ in range(depth)]
    blocks = []
    for index, scale in enumerate(scales):
        enters = (
            index > 0 and scales[index - 1] != scale
        )  # the first block of a scale halves height and width
        before = scales[index - 1] if enters else scale
        after = scales[index + 1] if index + 1 < len(scales) else scale
        # Version 1 doubles the channels at the end of a scale, version 2 where the next begins.
        channels_in, channels_out = (scale, after) if version == 1 else (before, scale)
        everywhere = version == 2
        blocks.append(
            MSBlockConfig(
                num_heads=2**scale,
                input_channels=channels * 2**channels_in,
                output_channels=channels * 2**channels_out,
                kernel_q=[3, 3, 3] if enters or everywhere else [],
                kernel_kv=[3, 3, 3],
                stride_q=[1, 2, 2] if enters else [1, 1, 1] if everywhere else [],
                stride_kv=[1, 8 >> scale, 8 >> scale],
            )
        )
    network = MViT(
        # What the first convolution makes of the clip, times its stride: sizes that are not multiples of it round up.
        spatial_size=(4 * math.ceil(spec.height / 4), 4 * math.ceil(spec.width / 4)),
        temporal_size=2 * math.ceil(spec.frames / 2),
        block_setting=blocks,
        residual_pool=version == 2,
        residual_with_cls_embed=False,
        rel_pos_embed=version == 2,
        proj_after_attn=version == 2,
        stochastic_depth_prob=drop_path,
    )
    network.head = nn.Identity()
    return Layout(network, 8 * channels, "head.1", _resize_positions)


def swin3d(name: str, channels: int, depths: Sequence[int], drop_path: float) -> Layout:
    """Return a Video Swin Transformer: patches 2 x 4 x 4, windows 8 x 7 x 7, heads of 32 numbers."""
    from torchvision.models.video import SwinTransformer3d

    if channels < 1 or channels % 32:
        raise UsageError(
            f"model '{name}', setting channels={channels}: give a multiple of 32, as every head has 32 numbers"
        )
    network = SwinTransformer3d(
        patch_size=[2, 4, 4],
        embed_dim=channels,
        depths=four(name, "depths", depths),
        num_heads=[channels // 32 * 2**stage for stage in range(4)],
        window_size=[8, 7, 7],
        stochastic_depth_prob=drop_path,
    )
    network.head = nn.Identity()
    return Layout(network, 8 * channels, "head")


def four(model: str, setting: str, values: Sequence[int]) -> list[int]:
    """Return four whole numbers of at least 1; anything else is a `UsageError`."""
    found = list(values) if isinstance(values, (list, tuple)) else []
    if len(found) != 4 or any(not isinstance(v, int) or isinstance(v, bool) or v < 1 for v in found):
        raise UsageError(
            f"model '{model}', setting {setting}={values!r}: give four whole numbers of at least 1"
        )
    return found


def finish(
    name: str,
    num_classes: int,
    spec: ClipSpec,
    layout: Layout,
    weights: str,
    freeze: bool,
    stride: int,
    dropout: float,
) -> ClipNetwork:
    """Put a classifier behind the network and load `weights`: `none`, `official`, or the path of the published file.

    The published classifier is kept where there are as many classes as it was trained for.
    """
    head = linear_head(layout.dim, num_classes, dropout)
    if weights != "none":
        source, stored = _published(name, weights)
        classifier = [stored.pop(f"{layout.classifier}.{part}", None) for part in ("weight", "bias")]
        if layout.adapt:
            layout.adapt(stored, layout.network)
        fit_published(layout.network, stored, source, f"this '{name}'", layout.classifier)
        keep_classifier(head, *classifier)
    return ClipNetwork(num_classes, spec.frames, stride, layout.network, head, freeze)


def _published(name: str, weights: str) -> tuple[str, dict[str, Tensor]]:
    """Return where the tensors come from, for messages, and the tensors."""
    from torchvision.models import get_model_weights

    entry: Any = get_model_weights(name).DEFAULT
    file = entry.url.rpartition("/")[2]
    if weights != "official":
        if not Path(weights).is_file():
            raise UsageError(
                f"weights={weights}: no such file; give none, official, or the path of {file}, which torchvision "
                f"publishes for '{name}'"
            )
        return weights, read_published(weights)
    try:
        stored = entry.get_state_dict(progress=False, check_hash=True, weights_only=True, map_location="cpu")
    except Exception as error:  # no network, a proxy's answer, a full disk, a file cut short
        raise DataError(
            f"the official weights of '{name}' cannot be fetched ({first_line(error)}): get {entry.url} where there is a "
            "network and give its path as weights=PATH, or train from nothing with weights=none"
        ) from error
    return file, dict(stored)


def _resize_positions(stored: dict[str, Tensor], network: nn.Module) -> None:
    """Interpolate MViT's position embeddings to the network's, as SlowFast does for clips of another size."""
    own = network.state_dict()
    for key, target in own.items():
        tensor = stored.get(key)
        if tensor is None or tensor.shape == target.shape or tensor.shape[1:] != target.shape[1:]:
            continue
        if key.endswith("spatial_pos"):
            side = math.isqrt(len(tensor))
            rows, columns = getattr(network.pos_encoding, "spatial_size", (0, 0))
            if side * side == len(tensor):
                stored[key] = resize_grid(tensor, (side, side), (rows, columns))
        elif key.endswith("temporal_pos") or "rel_pos_" in key:
            stored[key] = resize_line(tensor, len(target))


def resize_grid(embedding: Tensor, size: tuple[int, int], target: tuple[int, int]) -> Tensor:
    """Interpolate `(rows · columns, D)` from one grid to another."""
    grid = embedding.reshape(1, *size, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(grid, size=target, mode="bicubic", align_corners=False)
    return resized.flatten(2)[0].T.contiguous()


def resize_line(embedding: Tensor, length: int) -> Tensor:
    """Interpolate `(n, D)` to `(length, D)`."""
    resized = F.interpolate(embedding.T[None], size=length, mode="linear", align_corners=False)
    return resized[0].T.contiguous()
