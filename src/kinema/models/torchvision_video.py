"""R3D, MC3, R(2+1)D, S3D, MViT and Video Swin, as torchvision has them, for any classes and any clips that they allow.

GFLOPs count a multiplication with its addition as one, for one clip; parameters are those of 400 classes: both as
torchvision publishes them. Settings that all share: `weights` is `none`, `official` (Kinetics-400, fetched by torchvision) or
the path of the published file; `freeze` trains the classifier alone; `stride` is how many pictures of a stream lie between
two clips. Official preprocessing scales the shorter side to 8/7 of the crop first; a ClipSpec crops as large as it can.
"""

from __future__ import annotations

from collections.abc import Sequence

from kinema.data.clipspec import ClipSpec
from kinema.models.base import VideoModel
from kinema.models.limits import require_clip
from kinema.models.registry import Builder, Published, register
from kinema.models.torchvision_networks import finish, mvit, s3d_network, swin3d, video_resnet

_KINETICS_MEAN, _KINETICS_STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_RESNET = ClipSpec(16, 15.0, 112, 112, "crop", mean=_KINETICS_MEAN, std=_KINETICS_STD)
_S3D = ClipSpec(128, 15.0, 224, 224, "crop", mean=_KINETICS_MEAN, std=_KINETICS_STD)
_MVIT = ClipSpec(16, 7.5, 224, 224, "crop", mean=(0.45,) * 3, std=(0.225,) * 3)
_SWIN = ClipSpec(32, 15.0, 224, 224, "crop", mean=_IMAGENET_MEAN, std=_IMAGENET_STD)
_TINY_CLIP = ClipSpec(frames=4, fps=5, height=48, width=48)
_THIN = {"channels": 8, "depths": (1, 1, 1, 1)}
_SOURCE = "torchvision, meta of its Kinetics-400 weights"
_RESNET_PAPER, _SWIN_PAPER = (
    "Tran et al., CVPR 2018, arXiv 1711.11248",
    "Liu et al., CVPR 2022, arXiv 2106.13230",
)


def _resnet(
    name: str, convolutions: list[str], separated_stem: bool, published: Published, description: str
) -> Builder:
    @register(
        name, description=description, spec=_RESNET, paper=_RESNET_PAPER, published=published,
        tiny=_THIN, tiny_spec=_TINY_CLIP,
    )  # fmt: skip
    def build(
        num_classes: int,
        spec: ClipSpec,
        weights: str = "none",
        freeze: bool = False,
        stride: int = 8,
        channels: int = 64,
        depths: Sequence[int] = (2, 2, 2, 2),
        dropout: float = 0.0,
    ) -> VideoModel:
        require_clip(name, spec, height=32, width=32)
        layout = video_resnet(name, convolutions, separated_stem, channels, depths)
        return finish(name, num_classes, spec, layout, weights, freeze, stride, dropout)

    return build


r3d_18 = _resnet(
    "r3d_18",
    ["Conv3DSimple"] * 4,
    False,
    Published(_SOURCE, 33.37, 40.70),
    """R3D-18: a residual network whose convolutions are all 3 x 3 x 3 (Tran et al., CVPR 2018, arXiv 1711.11248).

    40.7 GFLOPs and 33.4 M parameters at 16 x 112 x 112; 63.2 % on Kinetics-400.

    ```
    (3, 16, 112, 112) ─ 3x7x7 ─▶ (64, 16, 56, 56) ─ 2 blocks ─▶ (64, 16, 56, 56) ─ 2 ─▶ (128, 8, 28, 28)
      ─ 2 ─▶ (256, 4, 14, 14) ─ 2 ─▶ (512, 2, 7, 7) ─ mean ─▶ (512) ─ linear ─▶ (K)      block: 3x3x3, 3x3x3, + skip
    ```
    """,
)
mc3_18 = _resnet(
    "mc3_18",
    ["Conv3DSimple", *["Conv3DNoTemporal"] * 3],
    False,
    Published(_SOURCE, 11.70, 43.34),
    """MC3-18: convolutions over time in the first stage, over pictures after it (Tran et al., CVPR 2018, arXiv 1711.11248).

    43.3 GFLOPs and 11.7 M parameters at 16 x 112 x 112; 64.0 % on Kinetics-400.

    ```
    (3, 16, 112, 112) ─ 3x7x7 ─▶ (64, 16, 56, 56) ─ 2 blocks 3x3x3 ─▶ (64, 16, 56, 56) ─ 2 blocks 1x3x3 ─▶ (128, 16, 28, 28)
      ─ 2 ─▶ (256, 16, 14, 14) ─ 2 ─▶ (512, 16, 7, 7) ─ mean ─▶ (512) ─ linear ─▶ (K)
    ```
    """,
)
r2plus1d_18 = _resnet(
    "r2plus1d_18",
    ["Conv2Plus1D"] * 4,
    True,
    Published(_SOURCE, 31.51, 40.52),
    """R(2+1)D-18: every convolution first over the picture, then over time (Tran et al., CVPR 2018, arXiv 1711.11248).

    40.5 GFLOPs and 31.5 M parameters at 16 x 112 x 112; 67.5 % on Kinetics-400. `depths=(3, 4, 6, 3)` is R(2+1)D-34.

    ```
    (3, 16, 112, 112) ─ 1x7x7, 3x1x1 ─▶ (64, 16, 56, 56) ─ 2 blocks ─▶ (64, 16, 56, 56) ─ 2 ─▶ (128, 8, 28, 28)
      ─ 2 ─▶ (256, 4, 14, 14) ─ 2 ─▶ (512, 2, 7, 7) ─ mean ─▶ (512) ─ linear ─▶ (K)
    block: 1x3x3 to M, 3x1x1, twice, + skip; M keeps the parameters of 3x3x3
    ```
    """,
)


@register(
    "s3d",
    spec=_S3D,
    paper="Xie et al., ECCV 2018, arXiv 1712.04851",
    published=Published(_SOURCE, 8.32, 17.98, clip=(16, 224)),
    tiny_spec=ClipSpec(frames=8, fps=5, height=56, width=56),
)
def s3d(
    num_classes: int,
    spec: ClipSpec,
    weights: str = "none",
    freeze: bool = False,
    stride: int = 16,
    dropout: float = 0.2,
    momentum: float = 0.1,
) -> VideoModel:
    """S3D: Inception whose convolutions are separated into picture and time (Xie et al., ECCV 2018, arXiv 1712.04851).

    18.0 GFLOPs and 8.3 M parameters at 16 x 224 x 224 (143.8 GFLOPs at the 128 frames of the official protocol); 68.4 %
    on Kinetics-400. Its norms follow the data at 0.1 a batch; the original's 0.001 takes thousands of batches to arrive.

    ```
    (3, 128, 224, 224) ─ 1x7x7, 7x1x1 ─▶ (64, 64, 112, 112) ─ pool, 1x1x1, 1x3x3, 3x1x1, pool ─▶ (192, 64, 28, 28)
      ─ 2 Inception, pool ─▶ (480, 32, 14, 14) ─ 5 Inception, pool ─▶ (832, 16, 7, 7) ─ 2 Inception ─▶ (1024, 16, 7, 7)
      ─ mean of windows 2x7x7 ─▶ (1024) ─ linear ─▶ (K)      Inception: 1x1x1 | 1x3x3, 3x1x1 | the same | pool, 1x1x1
    ```
    """
    # 5 frames would do, but oneDNN's gradient of a kernel of 7 at stride 2 is wrong over 5 to 7 of them (torch 2.13, x86).
    require_clip("s3d", spec, frames=8, height=49, width=49)
    return finish("s3d", num_classes, spec, s3d_network(momentum), weights, freeze, stride, dropout)


def _mvit(name: str, version: int, paper: str, published: Published, description: str) -> Builder:
    @register(
        name, description=description, spec=_MVIT, paper=paper, published=published,
        tiny=_THIN, tiny_spec=_TINY_CLIP,
    )  # fmt: skip
    def build(
        num_classes: int,
        spec: ClipSpec,
        weights: str = "none",
        freeze: bool = False,
        stride: int = 4,
        channels: int = 96,
        depths: Sequence[int] = (1, 2, 11, 2),
        drop_path: float = 0.2,
        dropout: float = 0.5,
    ) -> VideoModel:
        require_clip(name, spec, height=32, width=32)
        layout = mvit(name, version, spec, channels, depths, drop_path)
        return finish(name, num_classes, spec, layout, weights, freeze, stride, dropout)

    return build


mvit_v1_b = _mvit(
    "mvit_v1_b",
    1,
    "Fan et al., ICCV 2021, arXiv 2104.11227",
    Published(_SOURCE, 36.61, 70.60),
    """MViT-B 16x4: attention over fewer and wider tokens from scale to scale (Fan et al., ICCV 2021, arXiv 2104.11227).

    70.6 GFLOPs and 36.6 M parameters at 16 x 224 x 224; 78.5 % on Kinetics-400. Positions are learned for one size of clip;
    published ones are interpolated to `spec`.

    ```
    (3, 16, 224, 224) ─ 3x7x7 ─▶ 8·56·56 tokens of 96 + class token + place in time and picture
      ─ 1 block ─▶ 8·56·56 of 192 ─ 2 ─▶ 8·28·28 of 384 ─ 11 ─▶ 8·14·14 of 768 ─ 2 ─▶ 8·7·7 of 768 ─ class token ─▶ (K)
    block: attention, its keys and values pooled by 8, 4, 2, 1, + skip; MLP, + skip
    ```
    """,
)
mvit_v2_s = _mvit(
    "mvit_v2_s",
    2,
    "Li et al., CVPR 2022, arXiv 2112.01526",
    Published(_SOURCE, 34.54, 64.22),
    """MViTv2-S 16x4: MViT with relative positions and pooled queries added back (Li et al., CVPR 2022, arXiv 2112.01526).

    64.2 GFLOPs and 34.5 M parameters at 16 x 224 x 224; 80.8 % on Kinetics-400. `depths=(2, 3, 16, 3)` is MViTv2-B. The last
    block's positions and query pooling have no say in the class token: their gradient is zero, as in the original.

    ```
    (3, 16, 224, 224) ─ 3x7x7 ─▶ 8·56·56 tokens of 96 + class token
      ─ 1 block ─▶ 8·56·56 of 96 ─ 2 ─▶ 8·28·28 of 192 ─ 11 ─▶ 8·14·14 of 384 ─ 2 ─▶ 8·7·7 of 768 ─ class token ─▶ (K)
    block: attention with distances in time, rows and columns, keys and values pooled by 8, 4, 2, 1, + queries, + skip; MLP
    ```
    """,
)


def _swin(
    name: str,
    channels: int,
    depths: tuple[int, ...],
    tiny_depths: tuple[int, ...],
    published: Published,
    description: str,
) -> Builder:
    default_channels, default_depths = channels, depths

    @register(
        name, description=description, spec=_SWIN, paper=_SWIN_PAPER, published=published,
        tiny={"channels": 32, "depths": tiny_depths}, tiny_spec=_TINY_CLIP,
    )  # fmt: skip
    def build(
        num_classes: int,
        spec: ClipSpec,
        weights: str = "none",
        freeze: bool = False,
        stride: int = 8,
        channels: int = default_channels,
        depths: Sequence[int] = default_depths,
        drop_path: float = 0.1,
        dropout: float = 0.0,
    ) -> VideoModel:
        require_clip(name, spec, height=32, width=32)
        layout = swin3d(name, channels, depths, drop_path)
        return finish(name, num_classes, spec, layout, weights, freeze, stride, dropout)

    return build


swin3d_t = _swin(
    "swin3d_t",
    96,
    (2, 2, 6, 2),
    (2, 1, 1, 1),
    Published(_SOURCE, 28.16, 43.88, clip=(16, 224)),
    """Video Swin-T: attention within windows that shift from block to block (Liu et al., CVPR 2022, arXiv 2106.13230).

    87.8 GFLOPs and 28.2 M parameters at 32 x 224 x 224; 77.7 % on Kinetics-400.

    ```
    (3, 32, 224, 224) ─ patches 2x4x4 ─▶ (96, 16, 56, 56) ─ 2 blocks, merge ─▶ (192, 16, 28, 28) ─ 2, merge ─▶
      (384, 16, 14, 14) ─ 6, merge ─▶ (768, 16, 7, 7) ─ 2 ─▶ mean (768) ─ linear ─▶ (K)
    block: attention in windows of 8x7x7, every second one shifted by half a window, + skip; MLP, + skip
    ```
    """,
)
swin3d_s = _swin(
    "swin3d_s",
    96,
    (2, 2, 18, 2),
    (1, 1, 2, 1),
    Published(_SOURCE, 49.82, 82.84, clip=(16, 224)),
    """Video Swin-S: `swin3d_t` with 18 blocks in its third stage (Liu et al., CVPR 2022, arXiv 2106.13230).

    165.7 GFLOPs and 49.8 M parameters at 32 x 224 x 224; 79.5 % on Kinetics-400.

    ```
    (3, 32, 224, 224) ─▶ (96, 16, 56, 56) ─ 2 ─▶ (192, 16, 28, 28) ─ 2 ─▶ (384, 16, 14, 14) ─ 18 ─▶ (768, 16, 7, 7) ─ 2 ─▶ (K)
    ```
    """,
)
swin3d_b = _swin(
    "swin3d_b",
    128,
    (2, 2, 18, 2),
    (1, 2, 1, 1),
    Published(_SOURCE, 88.05, 140.67, clip=(16, 224)),
    """Video Swin-B: `swin3d_s` a third wider (Liu et al., CVPR 2022, arXiv 2106.13230).

    281.3 GFLOPs and 88.0 M parameters at 32 x 224 x 224; 79.4 % on Kinetics-400.

    ```
    (3, 32, 224, 224) ─▶ (128, 16, 56, 56) ─ 2 ─▶ (256, 16, 28, 28) ─ 2 ─▶ (512, 16, 14, 14) ─ 18 ─▶ (1024, 16, 7, 7) ─ 2 ─▶ (K)
    ```
    """,
)
