"""image_mlp: single pictures through a pooled backbone and up to three dense layers (S4's image_MLP_*)."""

from __future__ import annotations

from kinema.data.clipspec import ClipSpec
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.registry import register
from kinema.models.seed.convolutional_features import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ConvolutionalFeatures,
    Pooling,
)
from kinema.models.seed.layers import PerPictureHead, require_dropout, require_sizes


@register(
    "image_mlp",
    spec=ClipSpec(frames=1, fps=5.0, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    paper="S4's image_MLP; Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556",
    classes=2,
    tiny={"backbone": "test_resnet", "weights": "none", "layer_1_size": 16, "layer_2_size": 16},
    tiny_spec=ClipSpec(frames=3, fps=5.0, height=64, width=64),
    ordered=False,
)
def image_mlp(
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
    """S4's image_MLP_frozen (and `freeze=false`, image_MLP_trainable): pictures, pooled features, dense layers.

    ```
    (B·T, 3, 224, 224) ─ VGG16 ─▶ (512, 7, 7) ─ max | avg ─▶ 512 ─ [dense + ReLU + dropout] x 0..3 ─ dense ─▶ K, mean over T
    ```

    A size of 0 ends the dense layers. Sequence length 1: `frames=1`, the answer for every picture; more frames average.

    VGG16: Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556. With 2 classes: 15,109,442 parameters, 14,714,688 of them
    VGG16's; 15.3 GFLOPs (multiply-adds) a picture.
    """
    require_dropout("image_mlp", dropout)
    sizes = {"layer_1_size": layer_1_size, "layer_2_size": layer_2_size, "layer_3_size": layer_3_size}
    require_sizes("image_mlp", **sizes)
    network = ConvolutionalFeatures(backbone, weights, pooling, spec.height, spec.width)
    head = PerPictureHead(network.dim, num_classes, spec.frames, tuple(sizes.values()), dropout)
    model = FactorisedModel(num_classes, spec.frames, network, head)
    if freeze:
        model.freeze_backbone()
    return model
