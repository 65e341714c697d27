"""The networks of the five systems: their published numbers of parameters, shapes, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError
from kinema.models import FactorisedModel, VideoModel, create_model, model_entry
from kinema.models.seed.convolutional_features import ConvolutionalFeatures
from kinema.models.seed.layers import GRUCell, lstm, simple_rnn
from kinema.models.seed.video_lrcnn import SequenceModel

NONE: dict[str, Any] = {"weights": "none"}
SMALL: dict[str, Any] = {"backbone": "test_resnet", "weights": "none"}


def blank(name: str, classes: int, **settings: Any) -> VideoModel:
    """A model whose tensors have shapes but no numbers: the large ones are built in a moment."""
    with torch.device("meta"):
        return create_model(name, classes, **settings)


def count(module: nn.Module, *, trainable: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)


def running(module: nn.Module) -> int:
    """Means and variances that norms keep; Keras counts them among the parameters that are not trained."""
    return sum(
        b.numel() for name, b in module.named_buffers() if name.endswith(("running_mean", "running_var"))
    )


def test_s1_tuned_model_has_the_parameters_of_its_summary() -> None:
    model = create_model("cnn_lstm", 6)
    assert isinstance(model, FactorisedModel)
    assert count(model) + running(model) == 4_547_014
    assert count(model, trainable=True) == 4_545_862
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d, nn.LSTM, nn.Linear))]
    # Its summary, line by line; a norm's line holds its running statistics.
    summary = [3200, 1280, 368_768, 512, 147_584, 512, 4_018_560, 6208, 390]
    assert [count(m) + running(m) for m in layers] == summary
    with torch.inference_mode():
        pictures = torch.randn(2, 3, 80, 80)
        assert model.embed(pictures).shape == (2, 10_368)  # 9 x 9 x 128
        assert model.backbone.network.layers[:4](pictures[:, :1]).shape == (2, 320, 39, 39)


def test_s1_vgg16_model_has_the_parameters_of_its_summary() -> None:
    model = blank("vgg16_lstm", 6, **NONE)
    assert isinstance(model, FactorisedModel)
    assert count(model) + running(model) == 36_461_062
    assert count(model, trainable=True) == 21_746_374
    assert count(model.backbone) == 14_714_688
    assert not any(p.requires_grad for p in model.backbone.parameters())
    assert model.backbone.dim == 3072
    assert [count(m) for m in model.head.modules() if isinstance(m, (nn.LSTM, nn.Linear))] == [
        20_510_400, 1_229_824, 6150,
    ]  # fmt: skip
    maps = model.backbone.network.forward_features(torch.empty(1, 3, 120, 80, device="meta"))
    assert maps.shape == (1, 512, 3, 2)


def test_s2_trains_the_last_layers_of_vgg16_its_dense_layer_and_two_lstms() -> None:
    model = blank("vgg16_look_back", 2, **NONE)
    # VGG16, 7 * 7 * 512 * 1024 + 1024, LSTM 4 * (1024 + 1 + 64) * 64, LSTM 4 * (64 + 1 + 16) * 16, 16 * 2 + 2.
    assert count(model) == 14_714_688 + 25_691_136 + 278_784 + 5_184 + 34
    # Of VGG16 the three convolutions of block 5: 3 * (512 * 512 * 9 + 512).
    assert count(model, trainable=True) == 7_079_424 + 25_691_136 + 278_784 + 5_184 + 34
    frozen = create_model("vgg16_look_back", 2, **SMALL, freeze=True, features=8)
    assert count(frozen, trainable=True) == count(frozen.head)  # type: ignore[arg-type]


def test_norms_before_the_trained_layers_keep_their_statistics() -> None:
    spec = ClipSpec(frames=2, height=64, width=64)
    model = create_model("vgg16_look_back", 2, spec, **SMALL, train_layers=1, features=8).train()
    before = {name: b.clone() for name, b in model.named_buffers() if name.endswith("running_mean")}
    model(torch.randn(2, 3, 2, 64, 64))
    changed = [
        name for name, b in model.named_buffers() if name in before and not torch.equal(b, before[name])
    ]
    assert len(before) > 3
    assert len(changed) <= 1  # the norm behind the last convolution


def test_s0_widths_and_parameters_by_hand() -> None:
    model = create_model("separable_cnn", 40)
    assert isinstance(model, FactorisedModel)
    # Stem: 3*9*32 + 32 + 2*32, 32*9*64 + 64 + 2*64. A stage from c to f: separable c*9 + c*f + f + 2f, separable
    # f*9 + f*f + f + 2f, shortcut c*f + f. Classifier 728*40 + 40.
    stem = 960 + 18_624
    stages = [
        576 + 8_192 + 384 + 1_152 + 16_384 + 384 + 8_320,
        1_152 + 32_768 + 768 + 2_304 + 65_536 + 768 + 33_024,
        2_304 + 131_072 + 1_536 + 4_608 + 262_144 + 1_536 + 131_584,
        4_608 + 372_736 + 2_184 + 6_552 + 529_984 + 2_184 + 373_464,
    ]
    assert count(model) == stem + sum(stages) + 29_160
    with torch.inference_mode():
        stages_of = model.eval().backbone.network.layers
        maps = stages_of(torch.randn(1, 3, 128, 128))
    assert maps.shape == (1, 728, 4, 4)


def test_s4_published_run_has_its_published_number_of_parameters() -> None:
    # results.json of S4: VGG16 pooled by max, LSTM, 2 layers, 256, 512, 256, 20 frames, 2 classes: 4,984,578.
    model = blank("video_lrcnn", 2, **NONE)
    assert isinstance(model, FactorisedModel)
    assert count(model, trainable=True) == count(model.head) == 4_984_578
    assert model.backbone.dim == 512


@pytest.mark.parametrize(
    ("kind", "layers", "sizes", "expected"),
    [
        # One layer of each kind, then the classifier of 3 classes; D = 10, T = 6.
        ("LSTM", 1, (8, 0, 0), 4 * (10 + 1 + 8) * 8 + 8 * 3 + 3),
        ("SimpleRNN", 1, (8, 0, 0), (10 + 1 + 8) * 8 + 27),
        ("GRU", 1, (8, 0, 0), 3 * (10 + 2 + 8) * 8 + 27),
        ("Convolution1D", 1, (8, 0, 0), 10 * 3 * 8 + 8 + (4 * 8 * 3 + 3)),  # 6 - 2 = 4 steps, laid out
        # One layer, and the other sizes as dense layers.
        ("LSTM", 1, (8, 5, 4), 4 * 19 * 8 + (8 * 5 + 5) + (5 * 4 + 4) + (4 * 3 + 3)),
        # Two layers; a third size takes the whole sequence, 6 * 5.
        ("GRU", 2, (8, 5, 0), 3 * 20 * 8 + 3 * (8 + 2 + 5) * 5 + (5 * 3 + 3)),
        ("GRU", 2, (8, 5, 4), 3 * 20 * 8 + 3 * 15 * 5 + (30 * 4 + 4) + 15),
        # Three layers.
        ("LSTM", 3, (8, 5, 4), 4 * 19 * 8 + 4 * (8 + 1 + 5) * 5 + 4 * (5 + 1 + 4) * 4 + 15),
        ("Convolution1D", 2, (8, 5, 4), 248 + (8 * 3 * 5 + 5) + (2 * 5 * 4 + 4) + 15),
    ],
)
def test_s4_sequence_models_by_hand(
    kind: str, layers: int, sizes: tuple[int, int, int], expected: int
) -> None:
    head = SequenceModel(10, 3, 6, kind, layers, sizes, kernel=3, dropout=0.2)
    assert count(head) == expected
    assert head.eval()(torch.randn(2, 6, 10)).shape == (2, 3)


def test_s4_image_and_concat_models_by_hand() -> None:
    spec = ClipSpec(frames=5, height=64, width=64)
    # test_resnet: 64 features.
    image = create_model("image_mlp", 3, spec, **SMALL, layer_1_size=7, layer_2_size=0, layer_3_size=9)
    concat = create_model(
        "video_mlp_concat", 3, spec, **SMALL, layer_1_size=7, layer_2_size=4, layer_3_size=0
    )
    dim = image.backbone.dim  # type: ignore[union-attr]
    assert count(image.head) == (dim * 7 + 7) + (7 * 3 + 3)  # type: ignore[arg-type]
    assert count(concat.head) == (5 * dim * 7 + 7) + (7 * 4 + 4) + (4 * 3 + 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "parameters", "features"),
    [
        ("vgg16", 14_714_688, 512),  # Keras, include_top=False
        ("mobilenetv2_100", 2_223_872, 1280),  # Keras: 2,257,984 with 34,112 running statistics
        ("legacy_xception", 20_806_952, 2048),  # Keras: 20,861,480 with 54,528
        ("densenet121", 6_953_856, 1024),  # Keras: 7,037,504 with 83,648
        ("resnet50", 23_508_032, 2048),  # torchvision: 25,557,032 with the classifier's 2,049,000
        ("inception_v3", 21_785_568, 2048),  # torchvision: 27,161,264 less 3,326,696 (aux) and 2,049,000
        ("inception_resnet_v2", 54_306_464, 1536),  # timm: 55,843,464 with the classifier's 1,537,000
    ],
)
def test_backbones_of_the_originals_have_their_published_parameters(
    name: str, parameters: int, features: int
) -> None:
    with torch.device("meta"):
        network = ConvolutionalFeatures(name, "none", "max", 299, 299)
    assert (count(network), network.dim) == (parameters, features)


def test_one_bias_cells_compute_what_torch_does() -> None:
    torch.manual_seed(0)
    for make, kind in ((lstm, nn.LSTM), (simple_rnn, nn.RNN)):
        own = make(5, 7)
        plain = kind(5, 7, batch_first=True)
        weights = own.cell.weight_ih_l0.detach()  # type: ignore[union-attr]
        with torch.no_grad():
            plain.weight_ih_l0.copy_(weights[:, :-1])
            plain.bias_ih_l0.copy_(weights[:, -1])
            plain.bias_hh_l0.zero_()
            plain.weight_hh_l0.copy_(own.cell.weight_hh_l0)  # type: ignore[union-attr,arg-type]
        samples = torch.randn(2, 4, 5)
        assert torch.allclose(own(samples), plain(samples)[0], atol=1e-6)
    assert count(lstm(5, 7)) == 4 * (5 + 1 + 7) * 7
    assert count(simple_rnn(5, 7)) == (5 + 1 + 7) * 7
    assert count(GRUCell(5, 7)) == 3 * (5 + 2 + 7) * 7


@pytest.mark.parametrize("fusion", ["sum", "avg", "last", "attn"])
def test_lrcn_fusions_give_log_probabilities_for_nll_loss(fusion: str) -> None:
    spec = ClipSpec(frames=4, height=64, width=64)
    model = create_model("lrcn_bilstm", 5, spec, **SMALL, fusion=fusion, units=16, project=12, hidden=10)
    clips, targets = torch.randn(3, 3, 4, 64, 64), torch.tensor([0, 4, 2])
    found = model(clips)
    assert torch.allclose(found.exp().sum(1), torch.ones(3), atol=1e-5)
    loss = nn.NLLLoss()(found, targets)
    assert loss.item() == pytest.approx(nn.CrossEntropyLoss()(found, targets).item(), abs=1e-5)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_lrcn_fusions_by_hand() -> None:
    """With an identity in place of the LSTM the fusions are those of the outputs themselves."""
    from kinema.models.seed.lrcn_bilstm import BidirectionalHead

    class Same(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
            return x, None

    outputs = torch.tensor([[[1.0, 0.0], [3.0, 2.0]]])
    for fusion, expected in (("sum", [4.0, 2.0]), ("avg", [2.0, 1.0]), ("last", [3.0, 2.0])):
        head = BidirectionalHead(2, 2, 2, 2, 1, 2, fusion, 0.0, True)  # type: ignore[arg-type]
        head.project, head.rnn = nn.Identity(), Same()  # type: ignore[assignment]
        head.classifier = nn.Identity()  # type: ignore[assignment]
        assert torch.allclose(head(outputs)[0], torch.tensor(expected).log_softmax(0))


def test_lrcn_has_the_originals_sizes() -> None:
    model = blank("lrcn_bilstm", 101, **NONE)
    head = model.head
    assert head.rnn.input_size == 2048 and head.rnn.hidden_size == 512  # type: ignore[union-attr]
    assert head.rnn.num_layers == 2 and head.rnn.bidirectional  # type: ignore[union-attr]
    # torch: 8 * 512 * (2048 + 512 + 2) and 8 * 512 * (1024 + 512 + 2) for two layers of two directions.
    assert count(head.rnn) == 10_493_952 + 6_299_648  # type: ignore[union-attr,arg-type]
    assert [tuple(m.weight.shape) for m in head.modules() if isinstance(m, nn.Linear)] == [  # type: ignore[union-attr]
        (2048, 512), (512, 1024), (101, 512),
    ]  # fmt: skip


def test_fstcn_looks_at_the_middle_picture_and_at_differences() -> None:
    torch.manual_seed(0)
    spec = ClipSpec(frames=6, height=64, width=64)
    model = create_model("fstcn", 3, spec, **SMALL, lag=4, channels=8, hidden=12).eval()
    clips = torch.randn(1, 3, 6, 64, 64)
    shifted = clips + 0.5  # the same differences, another look
    moved = clips.clone()
    moved[:, :, 4] += 1.0  # picture 0 - picture 4 changes; the middle of two pictures, 1, stays
    still = clips.clone()
    still[:, :, 2:4] += 1.0  # neither the middle nor part of a difference
    with torch.inference_mode():
        found = [model(c) for c in (clips, shifted, moved, still)]
    assert not torch.allclose(found[0], found[1], atol=1e-6)
    assert not torch.allclose(found[0], found[2], atol=1e-6)
    assert torch.allclose(found[0], found[3], atol=1e-6)
    model.train()(clips).sum().backward()  # one clip alone: no norm over a batch of one number


@pytest.mark.parametrize(
    ("name", "spec", "settings", "words"),
    [
        ("c3d", {"frames": 4}, {}, "at least 8 frames, not 4: set frames=8"),
        ("c3d", {"height": 16}, {}, "at least 32 x 32 pixels, not 112 x 16"),
        ("c3d_small", {"frames": 10}, {}, "at least 11 frames"),
        ("c3d_small", {"width": 50}, {}, "at least 54 x 54 pixels"),
        ("slowfast", {"frames": 3}, {}, "at least 5 frames"),
        ("slowfast", {}, {"depth": 20}, "give 18, 34, 50, 101"),
        ("slowfast", {}, {"beta_inverse": 7}, "beta_inverse divides"),
        ("slowfast", {}, {"fusion_kernel": 4}, "odd number"),
        ("slowfast", {}, {"stride": 0}, "stride=0: give pictures"),
        ("fstcn", {"frames": 9}, NONE, "at least 10 frames"),
        ("separable_cnn", {"height": 16}, {}, "at least 32 x 32 pixels"),
        ("cnn_lstm", {"height": 9}, {}, "at least 10 x 10 pixels"),
        ("cnn_lstm", {}, {"dropout": 1.0}, "below 1"),
        ("vgg16_lstm", {"height": 20}, {**NONE, "backbone": "densenet121"}, "too small for 'densenet121'"),
        (
            "vgg16_lstm",
            {},
            {**NONE, "backbone": "vit_tiny_patch16_224"},
            "too small for 'vit_tiny_patch16_224', or not",
        ),
        ("image_mlp", {}, {**NONE, "backbone": "vit_tiny_patch16_224"}, "no map of features"),
        ("vgg16_lstm", {}, {**NONE, "backbone": "vgg16x"}, "did you mean 'vgg16'?"),
        ("vgg16_look_back", {}, {**SMALL, "train_layers": -1}, "0 (all) or more"),
        ("video_mlp_concat", {"frames": 1}, NONE, "at least 2 frames"),
        ("video_lrcnn", {}, {**SMALL, "sequence_model": "LSTN"}, "did you mean 'LSTM'?"),
        ("video_lrcnn", {}, {**SMALL, "sequence_model_layers": 4}, "give 1, 2 or 3"),
        ("video_lrcnn", {}, {**SMALL, "layer_2_size": 0}, "2 layers need layer_2_size above 0"),
        ("video_lrcnn", {}, {**SMALL, "layer_1_size": -3}, "give 0 (no such layer) or more"),
        ("video_lrcnn", {}, {**SMALL, "pooling": "mean"}, "unknown pooling 'mean'"),
        ("video_lrcnn", {}, {**SMALL, "layer1_size": 3}, "did you mean 'layer_1_size'?"),
        (
            "video_lrcnn",
            {"frames": 4},
            {**SMALL, "sequence_model": "Convolution1D"},
            "at least 5 frames, not 4",
        ),
        ("lrcn_bilstm", {}, {**SMALL, "fusion": "mean"}, "unknown fusion 'mean'"),
        ("lrcn_bilstm", {}, {**SMALL, "fusion": "attn", "units": 3}, "multiple of 8"),
    ],
)
def test_what_cannot_be_is_one_line(
    name: str, spec: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    from dataclasses import replace

    with pytest.raises(UsageError) as caught:
        create_model(name, 3, replace(model_entry(name).spec, **spec), **settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pools_of_one_network_have_features_of_their_own_in_the_cache() -> None:
    torch.manual_seed(0)
    first = ConvolutionalFeatures("test_resnet", "none", "max", 64, 64)
    second = ConvolutionalFeatures("test_resnet", "none", "avg", 64, 64)
    second.network.load_state_dict(first.network.state_dict())
    pictures = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        maps = first.eval().network.forward_features(pictures)
        assert torch.equal(first(pictures)[0], maps.amax((2, 3))[0])
        assert torch.allclose(second.eval()(pictures)[0], maps.mean((2, 3))[0], atol=1e-6)
    assert first.fingerprint() != second.fingerprint()
