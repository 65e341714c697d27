"""video_mlp_concat: the features of all pictures side by side, and up to three dense layers (S4)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.heads import TemporalHead
from kinema.models.limits import require_clip
from kinema.models.registry import register
from kinema.models.seed.convolutional_features import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ConvolutionalFeatures,
    Pooling,
)
from kinema.models.seed.layers import perceptron, require_dropout, require_sizes


class ConcatHead(TemporalHead):
    """Dense layers over the window laid out as one vector.

    ```
    (B, T, D) ─ flatten ─▶ (B, T·D) ─ [dense + ReLU + dropout] x 0..3 ─ dense ─▶ (B, K)
    ```
    """

    def __init__(self, dim: int, num_classes: int, frames: int, sizes: Sequence[int], dropout: float) -> None:
        super().__init__(dim, num_classes, frames)
        self.hidden, width = perceptron(frames * dim, sizes, dropout)
        self.classifier = nn.Linear(width, num_classes)

    def decide(self, described: Tensor) -> Tensor:
        return self.classifier(self.hidden(described.flatten(1)))


@register(
    "video_mlp_concat",
    spec=ClipSpec(frames=20, fps=10.0, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    paper="S4's video_MLP_concat; Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556",
    classes=2,
    tiny={"backbone": "test_resnet", "weights": "none", "layer_1_size": 16, "layer_2_size": 16},
    tiny_spec=ClipSpec(frames=4, fps=5.0, height=64, width=64),
)
def video_mlp_concat(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = "vgg16",
    weights: str = "pretrained",
    freeze: bool = True,
    pooling: Pooling = "max",
    layer_1_size: int = 256,
    layer_2_size: int = 512,
    layer_3_size: int = 256,
    dropout: float = 0.2,
) -> VideoModel:
    """S4's video_MLP_concat: pooled features of all pictures side by side, then dense layers.

    A size of 0 ends the dense layers. With 2 classes and 20 frames of VGG16 (Simonyan and Zisserman, ICLR 2015, arXiv
    1409.1556): 17,599,810 parameters, 14,714,688 of them VGG16's; 307 GFLOPs (multiply-adds) a clip of 20.

    ```
    (B·T, 3, 224, 224) ─ VGG16 ─▶ (512, 7, 7) ─ max | avg ─▶ (B, T·512) ─ [dense + ReLU + dropout] x 0..3 ─ dense ─▶ (B, K)
    ```
    """
    require_dropout("video_mlp_concat", dropout)
    require_clip("video_mlp_concat", spec, frames=2)
    sizes = {"layer_1_size": layer_1_size, "layer_2_size": layer_2_size, "layer_3_size": layer_3_size}
    require_sizes("video_mlp_concat", **sizes)
    network = ConvolutionalFeatures(backbone, weights, pooling, spec.height, spec.width)
    head = ConcatHead(network.dim, num_classes, spec.frames, tuple(sizes.values()), dropout)
    model = FactorisedModel(num_classes, spec.frames, network, head)
    if freeze:
        model.freeze_backbone()
    return model
