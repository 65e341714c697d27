"""fstcn: one picture for the look, differences of pictures for the motion, factorised convolutions (S3's FstCN)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError
from kinema.models.base import VideoModel
from kinema.models.clip_model import ClipModel
from kinema.models.limits import require_clip
from kinema.models.registry import register
from kinema.models.seed.convolutional_features import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    headless,
    map_shape,
)
from kinema.models.seed.layers import perceptron, require_dropout


class FstCN(ClipModel):
    """Factorised spatio-temporal convolutions: over the picture by an image network, over time by small ones.

    ```
    clips (B, 3, T, H, W) ─┬─ one picture (a random one while training, else the middle) ─ network ─▶ (B, C, h, w)
                           │     ─ 1 x 1 to 64 ─ mean ─ MLP 64-2048-64 ────────────────────────────┐
                           └─ picture t − picture t + lag, t < T − lag ─ network ─ 1 x 1 to 64     ├─ linear ─▶ (B, K)
                                 ─▶ (B, h·w, T − lag, 64) · P ─ conv 3 x 3 | 5 x 5 ─ mean ─ MLP ───┘
    ```

    P `(64, 64)` is learned: it orders the features so that the 3 x 3 and 5 x 5 convolutions, over time and features,
    see related ones side by side; the cells of the map are their channels.
    """

    def __init__(
        self,
        num_classes: int,
        spec: ClipSpec,
        backbone: str,
        weights: str,
        freeze: bool,
        lag: int,
        reduced: int,
        hidden: int,
        dropout: float,
        stride: int,
    ) -> None:
        super().__init__(num_classes, spec.frames, stride)
        self.lag, self.freeze = lag, freeze
        self.backbone = headless(backbone, weights)
        if freeze:
            self.backbone.requires_grad_(False)
        found, rows, columns = map_shape(self.backbone, backbone, spec.height, spec.width)
        self.look = _reduced(found, reduced)
        self.look_layers, _ = perceptron(reduced, (hidden, reduced), dropout)
        self.motion = _reduced(found, reduced)
        self.order = nn.Parameter(torch.eye(reduced) + 0.1 * torch.randn(reduced, reduced))
        self.temporal = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(rows * columns, reduced // 2, kernel, padding=kernel // 2),
                nn.BatchNorm2d(reduced // 2),
                nn.ReLU(),
                nn.Dropout2d(0.5),
            )
            for kernel in (3, 5)
        )
        self.motion_layers, _ = perceptron(reduced // 2 * 2, (hidden, reduced), dropout)
        self.classifier = nn.Linear(2 * reduced, num_classes)

    def train(self, mode: bool = True) -> FstCN:
        super().train(mode)
        if self.freeze:
            self.backbone.eval()
        return self

    def forward(self, clips: Tensor) -> Tensor:
        """Return log-probabilities `(B, K)`, which serve as logits and for `NLLLoss`."""
        batch, count = len(clips), clips.shape[2] - self.lag
        if self.training:
            chosen = torch.randint(count, (batch,), device=clips.device)
        else:
            chosen = torch.full((batch,), count // 2, device=clips.device)
        pictures = clips[torch.arange(batch, device=clips.device), :, chosen]
        looks = self.look_layers(self.look(self.backbone.forward_features(pictures)).mean((2, 3)))
        differences = (clips[:, :, :count] - clips[:, :, self.lag :]).transpose(1, 2).flatten(0, 1)
        maps = self.motion(self.backbone.forward_features(differences))
        cells = maps.reshape(batch, count, maps.shape[1], -1).permute(0, 3, 1, 2) @ self.order
        moved = torch.cat([layers(cells) for layers in self.temporal], dim=1).mean((2, 3))
        features = torch.cat([looks, self.motion_layers(moved)], dim=1)
        return self.classifier(features).log_softmax(-1)


def _reduced(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width), nn.ReLU())


@register(
    "fstcn",
    spec=ClipSpec(frames=16, fps=5.0, height=112, width=112, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    paper="S3's FstCN; Sun et al., ICCV 2015, arXiv 1510.00562",
    classes=101,
    tiny={"backbone": "test_resnet", "weights": "none", "lag": 3, "channels": 8, "hidden": 12, "stride": 2},
    tiny_spec=ClipSpec(frames=6, fps=5.0, height=64, width=64),
)
def fstcn(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = "resnet18",
    weights: str = "pretrained",
    freeze: bool = False,
    lag: int = 9,
    channels: int = 64,
    hidden: int = 2048,
    dropout: float = 0.3,
    stride: int = 4,
) -> VideoModel:
    """S3's FstCN: one picture for the look, differences of pictures `lag` apart for the motion.

    Sun et al., Human Action Recognition using Factorized Spatio-Temporal Convolutional Networks, ICCV 2015,
    arXiv 1510.00562; built on an image network as S3 did. Its temporal stride of 5 frames at 25 a second is `fps=5`,
    its offset dt is `lag`. `channels`: of the two maps after their 1 x 1 convolutions. `stride`: pictures from one answer
    of a stream to the next.

    With 101 classes and ResNet-18: 11,805,669 parameters, 3.9 GFLOPs (multiply-adds) a clip of 16 x 112 x 112.

    ```
    (3, 16, 112, 112) ─┬─ one picture ─ ResNet-18 ─▶ (512, 4, 4) ─ 1 x 1 ─▶ 64 ─ mean ─ MLP 2048, 64 ───────────┬─ linear ─▶ (K)
                       └─ picture t − picture t + 9 ─ ResNet-18 ─ 1 x 1 ─▶ 64 · P ─ conv 3 x 3 | 5 x 5 ─ MLP ─┘
    ```
    """
    require_dropout("fstcn", dropout)
    if lag < 1 or channels < 2:
        raise UsageError(
            f"model 'fstcn', settings lag={lag}, channels={channels}: give lag of 1 and channels of 2, or more"
        )
    require_clip("fstcn", spec, frames=lag + 1)
    return FstCN(num_classes, spec, backbone, weights, freeze, lag, channels, hidden, dropout, stride)
