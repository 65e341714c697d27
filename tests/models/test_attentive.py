"""The attentive pooler, the head `attentive`, and dinov2_probe."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.models import FactorisedModel, create_head, create_model, head_names
from kinema.models.attentive import AttentiveHead, AttentivePooler, _Attention, sin_cos
from kinema.models.dinov2_probe import TokenBackbone
from kinema.models.embedder import OnnxEmbedder, TorchEmbedder

SMALL = ClipSpec(frames=3, fps=5, height=64, width=48)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def head(**settings: Any) -> AttentiveHead:
    torch.manual_seed(0)
    made = AttentiveHead(20, 3, 4, **{"hidden": 4, "heads": 2, "parts": [(4, 1, 1), (4, 2, 2)], **settings})
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(5)
    return made.eval()


def test_attention_equals_torchs_own() -> None:
    torch.manual_seed(0)
    own = _Attention(12, heads=3, project=True)
    torchs = torch.nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        torchs.in_proj_weight.copy_(torch.cat([own.q_proj.weight, own.k_proj.weight, own.v_proj.weight]))
        # Any bias of the keys: it adds the same to all scores of a query.
        torchs.in_proj_bias.copy_(torch.cat([own.q_proj.bias, numbers(12), own.v_proj.bias]))
        assert isinstance(own.out_proj, torch.nn.Linear)
        torchs.out_proj.load_state_dict(own.out_proj.state_dict())
        queries, tokens = numbers(2, 5, 12), numbers(2, 7, 12, seed=1)
        expected, _ = torchs(queries, tokens, tokens)
        assert torch.allclose(own(queries, tokens), expected, atol=1e-6)


def test_the_pooler_equals_that_of_transformers() -> None:
    pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    from transformers import VJEPA2Config
    from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2AttentivePooler

    torch.manual_seed(0)
    config = VJEPA2Config(hidden_size=24, num_attention_heads=4, num_pooler_layers=2)
    config._attn_implementation = "eager"
    theirs = VJEPA2AttentivePooler(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    ours = AttentivePooler(24, heads=4, depth=3)
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not missing
    assert all(key.endswith("k_proj.bias") for key in unexpected) and len(unexpected) == 3
    tokens = numbers(2, 9, 24)
    with torch.no_grad():
        assert torch.allclose(ours(tokens), theirs(tokens), atol=1e-5)


def test_the_order_of_tokens_does_not_matter_to_the_pooler() -> None:
    torch.manual_seed(0)
    pooler = AttentivePooler(8, heads=2, depth=2).eval()
    tokens = numbers(2, 6, 8)
    with torch.no_grad():
        assert torch.allclose(pooler(tokens), pooler(tokens.flip(1)), atol=1e-6)
        assert not torch.allclose(pooler(tokens), pooler(numbers(2, 6, 8, seed=1)), atol=1e-3)


def test_times_are_marked_by_hand() -> None:
    # Two rates: 1 and 1 / 10000 ** (1 / 2) = 0.01.
    expected = [[0, 0, 1, 1], [math.sin(1), math.sin(0.01), math.cos(1), math.cos(0.01)]]
    assert torch.allclose(sin_cos(2, 4), torch.tensor(expected), atol=1e-6)


def test_cells_of_a_picture_are_tokens_and_pictures_have_an_order() -> None:
    model, features = head(), numbers(2, 4, 20)
    part = features[..., 4:].clone().unflatten(2, (4, 2, 2))
    cells_swapped = torch.cat([features[..., :4], part.flip(4).flatten(2)], dim=2)  # left and right
    channels_swapped = torch.cat([features[..., :4], part.flip(2).flatten(2)], dim=2)
    with torch.no_grad():
        logits = model(features)
        assert torch.allclose(model(cells_swapped), logits, atol=1e-5)
        assert not torch.allclose(model(channels_swapped), logits, atol=1e-3)
        assert not torch.allclose(model(features.flip(1)), logits, atol=1e-3)


def test_the_head_is_known_by_name() -> None:
    assert "attentive" in head_names()
    found = create_head("attentive", 1280, 5, 16, hidden=64, depth=2)
    assert found(numbers(2, 16, 1280)).shape == (2, 5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hiden": 64}, "did you mean 'hidden'?"),
        ({"parts": [(4, 1, 1)]}, "has no setting 'parts'"),
        ({"hidden": 63}, "hidden=63: give an even number"),
        ({"hidden": 64, "heads": 5}, "cannot have 5 heads: give a divisor of 64"),
        ({"depth": 0}, "give at least 1"),
    ],
)
def test_settings_that_cannot_be_are_one_line(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        create_head("attentive", 32, 3, 4, **settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_dinov2_has_the_published_parameters_and_gflops() -> None:
    # timm's card of vit_small_patch14_dinov2: 22.1 M parameters, 46.8 G multiply-adds at 518 x 518.
    with torch.device("meta"):
        model = create_model("dinov2_probe", 5, ClipSpec(16, 8.0, 518, 518), weights="none")
        assert isinstance(model, FactorisedModel)
        with FlopCounterMode(display=False) as counter:
            model.eval().backbone(torch.empty(1, 3, 518, 518))
        small = create_model("dinov2_probe", 5, weights="none")
        assert isinstance(small, FactorisedModel)
        with FlopCounterMode(display=False) as counter_224:
            small.eval().backbone(torch.empty(1, 3, 224, 224))
    assert sum(p.numel() for p in model.backbone.parameters()) / 1e6 == pytest.approx(22.1, rel=0.01)
    assert counter.get_total_flops() / 2e9 == pytest.approx(46.8, rel=0.01)
    # By hand at 224: 257 tokens of 384; 12 blocks of 12·384²·257 + 2·384·257², and 256 patches of 588·384.
    assert counter_224.get_total_flops() / 2e9 == pytest.approx(6.12, rel=0.01)
    # The probe at hidden 384: query 384, three projections and an MLP of 8·384², biases, norms, 5 classes.
    probe = 384 + 11 * 384**2 + (2 + 5) * 384 + 4 * 384 + 5 * 385
    assert sum(p.numel() for p in small.head.parameters()) == probe
    assert not any(p.requires_grad for p in small.backbone.parameters())


def test_its_tokens_are_timms_class_token_and_the_mean_of_the_patches_of_a_cell() -> None:
    import timm

    torch.manual_seed(0)
    backbone = TokenBackbone("test_vit", "none", SMALL, grid=1).eval()
    torch.manual_seed(0)
    original = timm.create_model("test_vit", num_classes=0)
    original.set_input_size(img_size=(64, 48))
    original.load_state_dict(backbone.network.state_dict())
    pictures = numbers(2, 3, 64, 48)
    with torch.no_grad():
        tokens = original.eval().forward_features(pictures)  # class token, and 4 x 3 patches of 16 pixels
        features = backbone(pictures)
        halves = TokenBackbone("test_vit", "none", SMALL, grid=2).eval()
        halves.network.load_state_dict(backbone.network.state_dict())
        quarter = halves(pictures)[:, 64:].unflatten(1, (64, 2, 2))[:, :, 0, 0]
    assert tokens.shape == (2, 13, 64)
    assert backbone.parts == [(64, 1, 1), (64, 1, 1)] and backbone.dim == 128
    assert torch.allclose(features[:, :64], tokens[:, 0], atol=1e-5)
    assert torch.allclose(features[:, 64:], tokens[:, 1:].mean(1), atol=1e-5)
    # The top left of 2 x 2 cells: rows 0 and 1, column 0 and half of column 1.
    places = tokens[:, 1:].unflatten(1, (4, 3))
    expected = (places[:, :2, 0].sum(1) + 0.5 * places[:, :2, 1].sum(1)) / 3
    assert torch.allclose(quarter, expected, atol=1e-5)


def test_onnx_runtime_gives_the_same_tokens() -> None:
    backbone = TokenBackbone("test_vit", "none", SMALL, grid=2)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 48, 3), dtype=np.uint8)
    onnx, plain = OnnxEmbedder(backbone, SMALL, threads=1), TorchEmbedder(backbone, SMALL, "cpu")
    expected = plain(pictures)
    assert onnx.agrees
    assert np.abs(onnx(pictures) - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("spec", "settings", "words"),
    [
        (ClipSpec(8, 5, 100, 112), {}, "patches of 14 x 14, which 8 frames of 112 x 100 pixels"),
        (ClipSpec(8, 5, 100, 112), {}, "set height=98"),
        (ClipSpec(8, 5, 7, 112), {}, "at least 14 x 14 pixels"),
        (SMALL, {"backbone": "test_resnet"}, "'test_resnet' has no tokens"),
        (SMALL, {"backbone": "vit_smal_patch14_dinov2"}, "did you mean 'vit_small_patch14_dinov2'?"),
        (SMALL, {"backbone": "test_vit", "hidden": 30}, "cannot have 4 heads"),
        (SMALL, {"backbone": "test_vit", "weights": "no/such.pth"}, "no such weights file"),
    ],
)
def test_what_dinov2_cannot_do_is_one_line(spec: ClipSpec, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        create_model("dinov2_probe", 3, spec, **{"weights": "none", **settings})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pretrained_weights_without_a_network_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def refuse(name: str, pretrained: bool = False, **settings: Any) -> None:
        assert pretrained
        raise OSError("cannot reach the hub\nlong story")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(DataError) as caught:
        create_model("dinov2_probe", 3)
    assert "vit_small_patch14_dinov2" in str(caught.value)
    assert "weights=PATH" in str(caught.value)
    assert "\n" not in str(caught.value)
