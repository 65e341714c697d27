"""cnn_lstm: three convolutions trained from nothing, and an LSTM over ten small grey pictures (S1's tuned model)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.heads import TemporalHead
from kinema.models.limits import require_clip
from kinema.models.own_backbone import OwnBackbone
from kinema.models.registry import Published, register
from kinema.models.seed.layers import lstm, require_dropout


class PictureCNN(nn.Module):
    """Convolution, ReLU, batch norm, pool for each width; the first convolution takes no border, the others keep the size.

    ```
    (N, 1, 80, 80) ─ conv 320 ─▶ 78 x 78 ─ pool ─▶ 39 x 39 ─ conv 128 ─ pool ─▶ 19 x 19 ─ conv 128 ─ pool ─▶ 9 x 9
      ─ flatten ─▶ (N, 10368)
    ```
    """

    def __init__(self, channels: int, filters: Sequence[int]) -> None:
        super().__init__()
        self.channels = channels
        layers: list[nn.Module] = []
        for place, size in enumerate(filters):
            convolution = nn.Conv2d(channels, size, 3, padding=1 if place else 0)
            layers += [convolution, nn.ReLU(), nn.BatchNorm2d(size, eps=1e-3), nn.MaxPool2d(2)]
            channels = size
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return `(N, filters[-1] * h * w)`."""
        return self.layers(pictures[:, : self.channels]).flatten(1)


class LSTMHead(TemporalHead):
    """Dropout, an LSTM's last output, a dense layer, dropout, a dense layer.

    ```
    (B, T, D) ─ dropout ─ LSTM ─▶ last (B, units) ─ dense + ReLU ─▶ (B, dense) ─ dropout ─ dense ─▶ (B, K)
    ```
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        frames: int,
        units: int,
        dense: int,
        dropout: float,
        first_dropout: float,
    ) -> None:
        super().__init__(dim, num_classes, frames)
        self.dropout = nn.Dropout(first_dropout)
        self.lstm = lstm(dim, units)
        self.classifier = nn.Sequential(
            nn.Linear(units, dense), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dense, num_classes)
        )

    def decide(self, described: Tensor) -> Tensor:
        return self.classifier(self.lstm(self.dropout(described))[:, -1])


@register(
    "cnn_lstm",
    spec=ClipSpec(frames=10, fps=10.0, height=80, width=80, colour="gray"),
    paper="S1's tuned CNN-LSTM",
    published=Published("S1's model summary", 4.547014, note="it counts 1,152 running statistics"),
    classes=6,
    tiny={"filters": (6, 4), "units": 8, "dense": 24},
    tiny_spec=ClipSpec(frames=4, fps=5.0, height=24, width=24, colour="gray"),
)
def cnn_lstm(
    num_classes: int,
    spec: ClipSpec,
    filters: Sequence[int] = (320, 128, 128),
    units: int = 96,
    dense: int = 64,
    dropout: float = 0.5,
) -> VideoModel:
    """S1's tuned CNN-LSTM: 10 grey pictures of 80 x 80, convolutions 320, 128, 128, LSTM 96, dense 64.

    Its summary gives the layers and their parameters; its shares of dropout are not given. With 6 classes: 4,547,014
    parameters as Keras counts (4,545,862 trainable, 1,152 running statistics of the norms), 6.4 GFLOPs (multiply-adds)
    a clip of 10. Grey pictures (`colour=gray`) give the network one channel, others three.

    ```
    (B·T, 1, 80, 80) ─ conv 320, 128, 128, a pool after each ─▶ (B, T, 10368) ─ LSTM ─▶ (B, 96) ─ dense 64 ─ dense ─▶ (B, K)
    ```
    """
    require_dropout("cnn_lstm", dropout)
    least = 2 ** len(filters) + 2
    require_clip("cnn_lstm", spec, height=least, width=least)
    channels = 1 if spec.colour == "gray" else 3
    height, width = ((side - 2) // 2 ** len(filters) for side in (spec.height, spec.width))
    backbone = OwnBackbone("cnn_lstm", PictureCNN(channels, filters), filters[-1] * height * width)
    head = LSTMHead(backbone.dim, num_classes, spec.frames, units, dense, dropout, first_dropout=dropout)
    return FactorisedModel(num_classes, spec.frames, backbone, head)
