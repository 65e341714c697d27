"""vgg16_look_back: VGG16 features of the last few frames and two small LSTMs (S2)."""

from __future__ import annotations

from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.heads import TemporalHead
from kinema.models.registry import register
from kinema.models.seed.convolutional_features import IMAGENET_MEAN, IMAGENET_STD, ConvolutionalFeatures
from kinema.models.seed.layers import lstm, require_dropout


class TwoLSTMHead(TemporalHead):
    """An LSTM that hands on its sequence, dropout, a second one whose last output is classified.

    ```
    (B, T, D) ─ LSTM 64 ─▶ (B, T, 64) ─ dropout ─ LSTM 16 ─▶ last (B, 16) ─ dense ─▶ (B, K)
    ```
    """

    def __init__(
        self, dim: int, num_classes: int, frames: int, first: int, second: int, dropout: float
    ) -> None:
        super().__init__(dim, num_classes, frames)
        self.first, self.second = lstm(dim, first), lstm(first, second)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(second, num_classes)

    def decide(self, described: Tensor) -> Tensor:
        sequence = self.dropout(self.first(described))
        return self.classifier(self.second(sequence)[:, -1])


@register(
    "vgg16_look_back",
    spec=ClipSpec(frames=4, fps=5.0, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    paper="S2; Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556",
    classes=2,
    tiny={"backbone": "test_resnet", "weights": "none", "features": 12, "units": 8, "train_layers": 0},
    tiny_spec=ClipSpec(frames=4, fps=5.0, height=64, width=64),
)
def vgg16_look_back(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = "vgg16",
    weights: str = "pretrained",
    freeze: bool = False,
    train_layers: int = 3,
    features: int = 1024,
    units: int = 64,
    last_units: int = 16,
    dropout: float = 0.2,
) -> VideoModel:
    """S2's VGG16 features and LSTM 64, LSTM 16 over LOOK_BACK frames (`frames=4`, oldest first, always).

    ```
    (B·T, 3, 224, 224) ─ VGG16 ─▶ (512, 7, 7) ─ flatten, dense 1024 + ReLU ─▶ (B, T, 1024) ─ LSTM 64 ─ LSTM 16 ─▶ (B, K)
    ```

    `TAKE_FRAME` is the ClipSpec's `fps`. Its last four layers, three convolutions and a pool, are trained
    (`train_layers=3`; 0 trains all), and the dense layer with them: in one model, where the original trained a
    classifier of pictures first. VGG16: Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556.

    With 2 classes: 40,689,826 parameters (14,714,688 + 25,691,136 + 278,784 + 5,184 + 34), 61.5 GFLOPs (multiply-adds)
    a clip of 4.
    """
    require_dropout("vgg16_look_back", dropout)
    if train_layers < 0:
        raise UsageError(
            f"model 'vgg16_look_back', setting train_layers={train_layers}: give 0 (all) or more"
        )
    network = ConvolutionalFeatures(
        backbone, weights, "flatten", spec.height, spec.width, dense=features, train_layers=train_layers
    )
    head = TwoLSTMHead(features, num_classes, spec.frames, units, last_units, dropout)
    model = FactorisedModel(num_classes, spec.frames, network, head)
    if freeze:
        model.freeze_backbone()
    return model
