"""x3d_xs, x3d_s, x3d_m: one small 3D network with clips of three lengths and sizes.

Feichtenhofer, "X3D: Expanding Architectures for Efficient Video Recognition", CVPR 2020, arXiv 2004.04730; layers and
names as in PyTorchVideo's released weights. Published GFLOPs are those of the size that it was trained at; the default
here is the size at which it is tested.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.models.base import VideoModel
from kinema.models.channels import divisible
from kinema.models.clip_network import ClipNetwork, linear_head
from kinema.models.limits import require_clip
from kinema.models.published import fit_published, read_published
from kinema.models.registry import Builder, Published, register

# The paper's factors, as expanded for all three sizes: width 2, bottleneck 2.25, depth 2.2.
_WIDTHS = (24, 48, 96, 192)
_BOTTLENECK = 2.25
_DEPTHS = tuple(math.ceil(2.2 * depth) for depth in (1, 2, 5, 3))
_SQUEEZE = 1 / 16
_HIDDEN = 2048
_PROJECTION = "blocks.5.proj."


class SqueezeExcite(nn.Module):
    """Weighs channels by their mean over the clip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = divisible(channels * _SQUEEZE)
        self.block = nn.Sequential(
            nn.Conv3d(channels, squeezed, 1), nn.ReLU(), nn.Conv3d(squeezed, channels, 1), nn.Sigmoid()
        )

    def forward(self, clips: Tensor) -> Tensor:
        return clips * self.block(clips.mean((2, 3, 4), keepdim=True))


class Stem(nn.Module):
    """3 x 3 pixels, then 5 frames channel by channel. In the published names the two have changed places."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = nn.ModuleDict(
            {
                "conv_t": nn.Conv3d(3, outputs, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
                "conv_xy": nn.Conv3d(
                    outputs, outputs, (5, 1, 1), padding=(2, 0, 0), groups=outputs, bias=False
                ),
            }
        )
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, clips: Tensor) -> Tensor:
        return self.norm(self.conv["conv_xy"](self.conv["conv_t"](clips))).relu()


class Bottleneck(nn.Module):
    """1x1x1 expand ─ ReLU ─▶ 3x3x3 depthwise ─ squeeze-excite in every second block ─ swish ─▶ 1x1x1 project."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.conv_a = nn.Conv3d(inputs, inner, 1, bias=False)
        self.norm_a = nn.BatchNorm3d(inner)
        self.conv_b = nn.Conv3d(inner, inner, 3, (1, stride, stride), 1, groups=inner, bias=False)
        self.norm_b = nn.Sequential(nn.BatchNorm3d(inner), SqueezeExcite(inner) if squeeze else nn.Identity())
        self.act_b = nn.SiLU()
        self.conv_c = nn.Conv3d(inner, outputs, 1, bias=False)
        self.norm_c = nn.BatchNorm3d(outputs)

    def forward(self, clips: Tensor) -> Tensor:
        clips = self.norm_a(self.conv_a(clips)).relu()
        clips = self.act_b(self.norm_b(self.conv_b(clips)))
        return self.norm_c(self.conv_c(clips))


class ResidualBlock(nn.Module):
    """A bottleneck beside a shortcut, which is a convolution where the size changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.branch1_conv: nn.Module | None = None
        self.branch1_norm: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            self.branch1_conv = nn.Conv3d(inputs, outputs, 1, (1, stride, stride), bias=False)
        if inputs != outputs:
            self.branch1_norm = nn.BatchNorm3d(outputs)
        self.branch2 = Bottleneck(inputs, int(_BOTTLENECK * outputs), outputs, stride, squeeze)

    def forward(self, clips: Tensor) -> Tensor:
        shortcut = clips if self.branch1_conv is None else self.branch1_conv(clips)
        if self.branch1_norm is not None:
            shortcut = self.branch1_norm(shortcut)
        return (shortcut + self.branch2(clips)).relu()


class Stage(nn.Module):
    """Residual blocks of one width; the first halves the pixels."""

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        super().__init__()
        self.res_blocks = nn.Sequential(
            *(
                ResidualBlock(inputs if i == 0 else outputs, outputs, 2 if i == 0 else 1, i % 2 == 0)
                for i in range(depth)
            )
        )

    def forward(self, clips: Tensor) -> Tensor:
        return self.res_blocks(clips)


class Pool(nn.Module):
    """1x1x1, ReLU ─▶ mean over the clip ─▶ 1x1x1, ReLU: `(B, C, T, H, W)` to `(B, 2048)`."""

    def __init__(self, inputs: int, inner: int) -> None:
        super().__init__()
        self.pool = nn.ModuleDict(
            {
                "pre_conv": nn.Conv3d(inputs, inner, 1, bias=False),
                "pre_norm": nn.BatchNorm3d(inner),
                "post_conv": nn.Conv3d(inner, _HIDDEN, 1, bias=False),
            }
        )

    def forward(self, clips: Tensor) -> Tensor:
        clips = self.pool["pre_norm"](self.pool["pre_conv"](clips)).relu()
        return self.pool["post_conv"](clips.mean((2, 3, 4), keepdim=True)).relu().flatten(1)


class X3DTrunk(nn.Module):
    """The network that XS, S and M share, up to the classifier; no stride in time anywhere.

    ```
    (B, 3, T, H, W) ─ conv 1x3x3, / 2, conv 5x1x1 ─▶ 24 channels ─ 3, 5, 11 and 7 residual blocks, / 2 each ─▶
    (B, 192, T, H/32, W/32) ─ 1x1x1 to 432 ─ mean ─ 1x1x1 to 2048 ─▶ (B, 2048)
    ```
    """

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [Stem(_WIDTHS[0])]
        inputs = _WIDTHS[0]
        for width, depth in zip(_WIDTHS, _DEPTHS, strict=True):
            blocks.append(Stage(inputs, width, depth))
            inputs = width
        blocks.append(Pool(inputs, int(_BOTTLENECK * inputs)))
        self.blocks = nn.Sequential(*blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, clips: Tensor) -> Tensor:
        return self.blocks(clips)


def _own_names(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name PyTorchVideo's tensors as kinema does: its projection is the classifier, all else the backbone."""
    return {
        name.replace(_PROJECTION, "head.1.")
        if name.startswith(_PROJECTION)
        else f"backbone.{name}"
        if name.startswith("blocks.")
        else name: value
        for name, value in stored.items()
    }


def _clips(frames: int, fps: float, size: int) -> ClipSpec:
    mean, std = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)
    return ClipSpec(frames, fps, height=size, width=size, resize="crop", mean=mean, std=std)


def _x3d(
    name: str, clips: ClipSpec, stride: int, gflops: float, trained_at: int, description: str
) -> Builder:
    default_stride = stride

    @register(
        name, description=description, spec=clips, paper="Feichtenhofer, CVPR 2020, arXiv 2004.04730",
        published=Published(
            "facebookresearch/SlowFast, MODEL_ZOO.md", 3.8, gflops, clip=(clips.frames, trained_at)
        ),
        tiny_spec=_clips(4, 5.0, 32),
    )  # fmt: skip
    def build(
        num_classes: int,
        spec: ClipSpec,
        weights: str = "none",
        freeze: bool = False,
        stride: int = default_stride,
        dropout: float = 0.5,
    ) -> VideoModel:
        require_clip(name, spec, frames=4, height=32, width=32)
        head = linear_head(_HIDDEN, num_classes, dropout)
        model = ClipNetwork(num_classes, spec.frames, stride, X3DTrunk(), head, freeze)
        if weights != "none":
            fit_published(model, _own_names(read_published(weights)), weights, "X3D-XS, S or M", "head.1.")
        return model

    return build


x3d_xs = _x3d(
    "x3d_xs",
    _clips(4, 2.5, 182),
    1,
    0.60,
    160,
    """X3D-XS: a light 3D network, clips of 4 pictures in 1.6 s.

    Feichtenhofer, CVPR 2020, arXiv 2004.04730. 3.79 M parameters, 0.84 GFLOPs at 4 x 182 x 182 (0.61 at the 160 x 160 of
    its training). `weights`: none, or the path of PyTorchVideo's X3D_XS.pyth. `stride`: pictures from one clip of a stream
    to the next.

    ```
    (3, 4, 182, 182) ─ conv 1x3x3, 5x1x1 ─▶ (24, 4, 91, 91) ─ 3 blocks ─▶ (24, 4, 46, 46) ─ 5 ─▶ (48, 4, 23, 23)
      ─ 11 ─▶ (96, 4, 12, 12) ─ 7 ─▶ (192, 4, 6, 6) ─ 1x1x1 ─▶ 432 ─ mean ─ 1x1x1 ─▶ (2048) ─ linear ─▶ (K)
    block: 1x1x1 expand, 3x3x3 depthwise, squeeze-excite in every second one, 1x1x1 project, + skip
    ```
    """,
)
x3d_s = _x3d(
    "x3d_s",
    _clips(13, 5.0, 182),
    4,
    1.96,
    160,
    """X3D-S: X3D-XS with clips of 13 pictures in 2.6 s; settings as there.

    Feichtenhofer, CVPR 2020, arXiv 2004.04730. 3.79 M parameters, 2.72 GFLOPs at 13 x 182 x 182 (1.96 at 160 x 160).

    ```
    (3, 13, 182, 182) ─ conv 1x3x3, 5x1x1 ─▶ (24, 13, 91, 91) ─ 3, 5, 11, 7 blocks ─▶ (192, 13, 6, 6) ─▶ (2048) ─▶ (K)
    ```
    """,
)
x3d_m = _x3d(
    "x3d_m",
    _clips(16, 6.0, 256),
    4,
    4.73,
    224,
    """X3D-M: X3D-XS with larger pictures and clips of 16 in 2.7 s; settings as there.

    Feichtenhofer, CVPR 2020, arXiv 2004.04730. 3.79 M parameters, 6.18 GFLOPs at 16 x 256 x 256 (4.73 at 224 x 224).

    ```
    (3, 16, 256, 256) ─ conv 1x3x3, 5x1x1 ─▶ (24, 16, 128, 128) ─ 3, 5, 11, 7 blocks ─▶ (192, 16, 8, 8) ─▶ (2048) ─▶ (K)
    ```
    """,
)
