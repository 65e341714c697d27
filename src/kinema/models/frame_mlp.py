"""frame_mlp: single pictures through a frozen or trainable backbone and a small perceptron (S4's image_MLP)."""

from __future__ import annotations

from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.models.backbones import BUNDLED, FrameBackbone
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.heads import SequenceHead
from kinema.models.registry import register


class FrameMLP(SequenceHead):
    """The same perceptron for every sample; a clip's logits are the mean of its samples' logits.

    ```
    (B, T, D) ─ linear, ReLU ─▶ (B, T, hidden) ─ linear ─▶ (B, T, K) ─ mean ─▶ (B, K)
    ```
    """

    def __init__(
        self, dim: int, num_classes: int, frames: int, hidden: int = 256, dropout: float = 0.5
    ) -> None:
        super().__init__(dim, num_classes, frames)
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(dim, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def decide(self, described: Tensor) -> Tensor:
        return self.layers(self.standardise(described)).mean(1)


@register("frame_mlp", spec=ClipSpec(frames=16, fps=8.0), paper="S4's image_MLP, on the bundled backbone")
def frame_mlp(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = BUNDLED,
    weights: str = "bundled",
    freeze: bool = True,
    hidden: int = 256,
    dropout: float = 0.5,
) -> VideoModel:
    """Classifies single pictures and averages over the clip; what it misses is what time adds.

    With EfficientNet-Lite0 and 400 classes: 3.80 M parameters, 6.15 GFLOPs (multiply-adds) a clip of 16 x 224 x 224.

    ```
    (B·T, 3, 224, 224) ─ backbone ─▶ (B, T, 1280) ─ linear 256, ReLU ─ linear ─▶ (B, T, K) ─ mean ─▶ (B, K)
    ```
    """
    network = FrameBackbone(backbone, weights)
    model = FactorisedModel(
        num_classes, spec.frames, network, FrameMLP(network.dim, num_classes, spec.frames, hidden, dropout)
    )
    if freeze:
        model.freeze_backbone()
    return model
