"""video_lrcnn: pooled features and one to three layers of LSTM, SimpleRNN, GRU or Convolution1D (S4)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError, closest
from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.heads import TemporalHead
from kinema.models.limits import require_clip
from kinema.models.registry import Published, register
from kinema.models.seed.convolutional_features import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ConvolutionalFeatures,
    Pooling,
)
from kinema.models.seed.layers import GRUCell, lstm, require_dropout, require_sizes, simple_rnn

SEQUENCE_MODELS: dict[str, Callable[[int, int], nn.Module] | None] = {
    "LSTM": lstm,
    "SimpleRNN": simple_rnn,
    "GRU": GRUCell,
    "Convolution1D": None,
}


class SequenceModel(TemporalHead):
    """`layers` layers of one kind over time, then what sizes are left as dense layers, then the classifier.

    ```
    LSTM, SimpleRNN, GRU: (B, T, D) ─ layer_1 ─ … ─▶ the last output, or all side by side before a dense layer 3
    Convolution1D:        (B, T, D) ─ kernel k, no border ─ … ─▶ (B, size, T - layers (k - 1)) ─ flatten
                          ─ [dense + ReLU + dropout] of the remaining sizes ─ dropout ─ dense ─▶ (B, K)
    ```

    As in the original, two recurrent layers with `layer_3_size` above 0 hand their whole sequence, laid out as one vector, to a
    dense layer of that size; and one layer with `layer_2_size` is followed by dense layers.
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        frames: int,
        kind: str,
        layers: int,
        sizes: tuple[int, int, int],
        kernel: int,
        dropout: float,
    ) -> None:
        super().__init__(dim, num_classes, frames)
        self.recurrent = kind != "Convolution1D"
        sequence: list[nn.Module] = []
        steps = frames
        for size in sizes[:layers]:
            make = SEQUENCE_MODELS[kind]
            if make is not None:
                sequence += [nn.Dropout(dropout), make(dim, size)]
            else:
                sequence += [nn.Conv1d(dim, size, kernel), nn.ReLU()]
                steps -= kernel - 1
            dim = size
        self.sequence = nn.Sequential(*sequence)
        rest = [size for size in sizes[layers:] if size]
        self.last_only = self.recurrent and not (layers == 2 and rest)
        width = dim if self.last_only else dim * steps
        dense: list[nn.Module] = []
        for size in rest:
            dense += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.classifier = nn.Sequential(*dense, nn.Dropout(dropout), nn.Linear(width, num_classes))

    def decide(self, described: Tensor) -> Tensor:
        if not self.recurrent:
            return self.classifier(self.sequence(described.transpose(1, 2)).flatten(1))
        outputs = self.sequence(described)
        return self.classifier(outputs[:, -1] if self.last_only else outputs.flatten(1))


@register(
    "video_lrcnn",
    spec=ClipSpec(frames=20, fps=10.0, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    paper="S4's video_LRCNN; Donahue et al., CVPR 2015, arXiv 1411.4389",
    published=Published("S4's published run, 4,984,578 parameters above VGG16's 14,714,688", 19.699266),
    classes=2,
    tiny={
        "backbone": "test_resnet",
        "weights": "none",
        "layer_1_size": 16,
        "layer_2_size": 16,
        "layer_3_size": 16,
    },
    tiny_spec=ClipSpec(frames=4, fps=5.0, height=64, width=64),
)
def video_lrcnn(
    num_classes: int,
    spec: ClipSpec,
    backbone: str = "vgg16",
    weights: str = "pretrained",
    freeze: bool = True,
    train_layers: int = 0,
    pooling: Pooling = "max",
    sequence_model: str = "LSTM",
    sequence_model_layers: int = 2,
    layer_1_size: int = 256,
    layer_2_size: int = 512,
    layer_3_size: int = 256,
    convolution_kernel_size: int = 3,
    dropout: float = 0.2,
) -> VideoModel:
    """S4's video_LRCNN_frozen (and `freeze=false`, video_LRCNN_trainable): pooled features and a sequence model.

    ```
    (B·T, 3, 224, 224) ─ VGG16 ─▶ (512, 7, 7) ─ max | avg ─▶ (B, T, 512) ─ sequence model ─▶ (B, K)
    ```

    LRCN: Donahue et al., CVPR 2015, arXiv 1411.4389. `sequence_model` is LSTM, SimpleRNN, GRU or Convolution1D;
    `train_layers` above 0 trains only so many of the backbone's last layers when `freeze=false`.

    The defaults are the original's published run: 4,984,578 parameters above the backbone with 2 classes (19,699,266
    with VGG16's), 307 GFLOPs (multiply-adds) a clip of 20. Convolution1D has a ReLU, which the original left out.

    Raises `UsageError` for a sequence model it does not know, layers outside 1..3, or a layer without a size.
    """
    name = "video_lrcnn"
    require_dropout(name, dropout)
    require_clip(name, spec, frames=2)
    sizes = (layer_1_size, layer_2_size, layer_3_size)
    require_sizes(name, layer_1_size=layer_1_size, layer_2_size=layer_2_size, layer_3_size=layer_3_size)
    if sequence_model not in SEQUENCE_MODELS:
        raise UsageError(
            f"unknown sequence model '{sequence_model}': {closest(sequence_model, list(SEQUENCE_MODELS))}"
        )
    if not 1 <= sequence_model_layers <= 3:
        raise UsageError(
            f"model '{name}', setting sequence_model_layers={sequence_model_layers}: give 1, 2 or 3"
        )
    for place, size in enumerate(sizes[:sequence_model_layers]):
        if size == 0:
            raise UsageError(
                f"model '{name}': {sequence_model_layers} layers need layer_{place + 1}_size above 0"
            )
    if sequence_model == "Convolution1D":
        if convolution_kernel_size < 1:
            raise UsageError(
                f"model '{name}', setting convolution_kernel_size={convolution_kernel_size}: give 1 or more"
            )
        require_clip(name, spec, frames=sequence_model_layers * (convolution_kernel_size - 1) + 1)
    network = ConvolutionalFeatures(
        backbone, weights, pooling, spec.height, spec.width, train_layers=0 if freeze else train_layers
    )
    head = SequenceModel(
        network.dim,
        num_classes,
        spec.frames,
        sequence_model,
        sequence_model_layers,
        sizes,
        convolution_kernel_size,
        dropout,
    )
    model = FactorisedModel(num_classes, spec.frames, network, head)
    if freeze:
        model.freeze_backbone()
    return model
