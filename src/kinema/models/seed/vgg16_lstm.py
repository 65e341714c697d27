"""vgg16_lstm: frozen VGG16 maps of ten small pictures, and a wide LSTM (S1's second model)."""

from __future__ import annotations

from kinema.data.clipspec import ClipSpec
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.registry import Published, register
from kinema.models.seed.cnn_lstm import LSTMHead
from kinema.models.seed.convolutional_features import IMAGENET_MEAN, IMAGENET_STD, ConvolutionalFeatures
from kinema.models.seed.layers import require_dropout


@register(
    "vgg16_lstm",
    spec=ClipSpec(frames=10, fps=10.0, height=120, width=80, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    paper="S1's VGG16-LSTM; Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556",
    published=Published("S1's model summary", 36.461062),
    classes=6,
    tiny={"backbone": "test_resnet", "weights": "none", "units": 8, "dense": 24},
    tiny_spec=ClipSpec(frames=4, fps=5.0, height=64, width=64),
)
def vgg16_lstm(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = "vgg16",
    weights: str = "pretrained",
    freeze: bool = True,
    units: int = 1200,
    dense: int = 1024,
    dropout: float = 0.5,
) -> VideoModel:
    """S1's VGG16-LSTM: frozen VGG16 convolutions of 10 pictures, flattened to 3072, LSTM 1200, dense 1024.

    ```
    (B·T, 3, 120, 80) ─ VGG16 ─▶ (512, 3, 2) ─ flatten ─▶ (B, T, 3072) ─ LSTM ─▶ (B, 1200) ─ dense 1024 ─ dense ─▶ (B, K)
    ```

    VGG16: Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556. The original gives the map of 3 x 2, not the pixels;
    120 x 80 gives that map, and half of KTH's height. With 6 classes: 36,461,062 parameters, 14,714,688 of them frozen,
    29.4 GFLOPs (multiply-adds) a clip of 10.
    """
    require_dropout("vgg16_lstm", dropout)
    features = ConvolutionalFeatures(backbone, weights, "flatten", spec.height, spec.width)
    head = LSTMHead(features.dim, num_classes, spec.frames, units, dense, dropout, first_dropout=0.0)
    model = FactorisedModel(num_classes, spec.frames, features, head)
    if freeze:
        model.freeze_backbone()
    return model
