"""separable_cnn: single pictures through separable convolutions trained from nothing (S0)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.limits import require_clip
from kinema.models.own_backbone import OwnBackbone
from kinema.models.registry import register
from kinema.models.seed.layers import PerPictureHead, require_dropout


class SeparableConvolution(nn.Sequential):
    """A 3 x 3 convolution of each channel, one of 1 x 1 across them, ReLU, then batch norm (the original's order)."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, filters, 1),
            nn.ReLU(),
            nn.BatchNorm2d(filters),
        )


class _Stage(nn.Module):
    """Two separable convolutions and a pool of stride 2, beside a 1 x 1 convolution of stride 2; their sum."""

    def __init__(self, channels: int, filters: int, dropout: float) -> None:
        super().__init__()
        self.path = nn.Sequential(
            SeparableConvolution(channels, filters),
            SeparableConvolution(filters, filters),
            nn.MaxPool2d(3, 2, padding=1),
            nn.Dropout(dropout),
        )
        self.shortcut = nn.Conv2d(channels, filters, 1, stride=2)

    def forward(self, maps: Tensor) -> Tensor:
        summed: Tensor = self.path(maps) + self.shortcut(maps)
        return summed


class SeparableCNN(nn.Module):
    """The network of pictures.

    ```
    (N, 3, 128, 128) ─ conv 32 /2 ─ conv 64 ─▶ (N, 64, 64, 64)
      ─ [separable, separable, pool /2 | 1 x 1 /2] at 128, 256, 512, 728 ─▶ (N, 728, 4, 4) ─ mean ─▶ (N, 728)
    ```
    """

    def __init__(self, filters: Sequence[int], stem: Sequence[int], dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for place, size in enumerate(stem):
            layers += [
                nn.Conv2d(channels, size, 3, stride=1 if place else 2, padding=1),
                nn.ReLU(),
                nn.BatchNorm2d(size),
            ]
            channels = size
        for size in filters:
            layers.append(_Stage(channels, size, dropout))
            channels = size
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return `(N, filters[-1])`."""
        return self.layers(pictures).mean((2, 3))


@register(
    "separable_cnn",
    spec=ClipSpec(frames=1, fps=5.0, height=128, width=128),
    paper="S0; blocks of Chollet, CVPR 2017, arXiv 1610.02357",
    classes=40,
    tiny={"filters": (8, 12), "stem": (6, 8)},
    tiny_spec=ClipSpec(frames=3, fps=5.0, height=32, width=32),
    ordered=False,
)
def separable_cnn(
    num_classes: int,
    spec: ClipSpec,
    filters: Sequence[int] = (128, 256, 512, 728),
    stem: Sequence[int] = (32, 64),
    dropout: float = 0.25,
) -> VideoModel:
    """S0's frame CNN: separable convolutions 128, 256, 512, 728 from nothing; frames are judged one by one.

    The original gives the four widths, 128 x 128 pixels, ReLU before batch norm, and dropout; the stem and the shortcuts
    are those of Xception's entry flow, whose widths these are (Chollet, CVPR 2017, arXiv 1610.02357).

    With 40 classes: 2,046,952 parameters, 0.48 GFLOPs (multiply-adds) a picture.

    ```
    (B·T, 3, 128, 128) ─ conv 32 /2, conv 64 ─ [separable x 2, pool | 1 x 1] at 128, 256, 512, 728 ─▶ (B·T, 728, 4, 4)
      ─ mean ─ linear ─▶ (B, T, K) ─ mean ─▶ (B, K)
    ```
    """
    require_dropout("separable_cnn", dropout)
    require_clip("separable_cnn", spec, height=2 ** (len(filters) + 1), width=2 ** (len(filters) + 1))
    network = SeparableCNN(filters, stem, dropout)
    backbone = OwnBackbone("separable_cnn", network, filters[-1])
    head = PerPictureHead(filters[-1], num_classes, spec.frames, first_dropout=dropout)
    return FactorisedModel(num_classes, spec.frames, backbone, head)
