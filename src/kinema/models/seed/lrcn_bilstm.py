"""lrcn_bilstm: a backbone, a bidirectional LSTM of two layers and a fusion over time (S3's LRCN)."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError, closest
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.heads import TemporalHead
from kinema.models.registry import register
from kinema.models.seed.convolutional_features import IMAGENET_MEAN, IMAGENET_STD, ConvolutionalFeatures
from kinema.models.seed.layers import require_dropout

Fusion = Literal["sum", "avg", "last", "attn"]


class BidirectionalHead(TemporalHead):
    """Both directions of an LSTM over the window, one vector made of all its outputs, log-probabilities.

    ```
    (B, T, D) ─ linear 2048 + ReLU ─ BiLSTM 512 x 2 layers ─▶ (B, T, 1024) ─ sum | avg | last | attn ─▶ (B, 1024)
      ─ linear 512 + ReLU + dropout ─ linear ─ log-softmax ─▶ (B, K)
    ```

    `attn` is self-attention of 8 heads whose outputs are summed over time. Log-softmax of logits are logits of the same
    probabilities, so `NLLLoss` and `CrossEntropyLoss` are one and the same on them.
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        frames: int,
        project: int,
        units: int,
        hidden: int,
        fusion: Fusion,
        dropout: float,
        bidirectional: bool,
    ) -> None:
        super().__init__(dim, num_classes, frames)
        self.fusion = fusion
        self.project = nn.Sequential(nn.Linear(dim, project), nn.ReLU())
        self.rnn = nn.LSTM(project, units, 2, batch_first=True, dropout=dropout, bidirectional=bidirectional)
        width = units * (2 if bidirectional else 1)
        self.attention = (
            nn.MultiheadAttention(width, 8, dropout=dropout, batch_first=True) if fusion == "attn" else None
        )
        self.classifier = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, num_classes)
        )

    def decide(self, described: Tensor) -> Tensor:
        outputs, _ = self.rnn(self.project(described))
        if self.attention is not None:
            outputs = self.attention(outputs, outputs, outputs, need_weights=False)[0]
        if self.fusion == "last":
            fused = outputs[:, -1]
        else:
            fused = outputs.mean(1) if self.fusion == "avg" else outputs.sum(1)
        return self.classifier(fused).log_softmax(-1)


@register(
    "lrcn_bilstm",
    spec=ClipSpec(frames=16, fps=8.0, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    paper="S3's LRCN; Donahue et al., CVPR 2015, arXiv 1411.4389",
    classes=101,
    tiny={"backbone": "test_resnet", "weights": "none", "project": 12, "units": 8, "hidden": 24},
    tiny_spec=ClipSpec(frames=4, fps=5.0, height=64, width=64),
)
def lrcn_bilstm(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = "resnet18",
    weights: str = "pretrained",
    freeze: bool = False,
    fusion: Fusion = "sum",
    units: int = 512,
    project: int = 2048,
    hidden: int = 512,
    bidirectional: bool = True,
    dropout: float = 0.3,
) -> VideoModel:
    """S3's LRCN: any frame backbone, bidirectional LSTM 512 x 2, fusion sum, avg, last or attn, log-softmax.

    ```
    (B, 3, T, 224, 224) ─ backbone, mean ─▶ (B, T, 512) ─ linear 2048 ─ BiLSTM ─ fusion ─ linear 512 ─ linear ─▶ (B, K)
    ```

    Donahue et al., Long-term Recurrent Convolutional Networks, CVPR 2015, arXiv 1411.4389. As a library:
    `model = create_model("lrcn_bilstm", K, weights="none")`, `NLLLoss()(model(clips), labels).backward()`.

    With 101 classes and ResNet-18: 29,597,349 parameters, 29.3 GFLOPs (multiply-adds) a clip of 16.
    """
    require_dropout("lrcn_bilstm", dropout)
    if fusion not in get_args(Fusion):
        raise UsageError(f"unknown fusion '{fusion}': {closest(fusion, list(get_args(Fusion)))}")
    if fusion == "attn" and (units * (2 if bidirectional else 1)) % 8:
        raise UsageError(
            f"model 'lrcn_bilstm', setting units={units}: attn has 8 heads, give a multiple of 8"
        )
    network = ConvolutionalFeatures(backbone, weights, "avg", spec.height, spec.width)
    head = BidirectionalHead(
        network.dim, num_classes, spec.frames, project, units, hidden, fusion, dropout, bidirectional
    )
    model = FactorisedModel(num_classes, spec.frames, network, head)
    if freeze:
        model.freeze_backbone()
    return model
