"""VideoMAE, TimeSformer and V-JEPA 2 against the transformers library and the published figures."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError
from kinema.models import VideoModel, create_model, model_entry
from kinema.models import transformers_video as _registered  # noqa: F401

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="the extra 'transformers' is not installed"
)
SPEC = ClipSpec(frames=4, fps=5, height=32, width=32)
TINY: dict[str, Any] = {"dim": 48, "depth": 2, "heads": 2}
SIZE = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
CLIP = {
    "videomae": {"image_size": 32, "num_frames": 4, "intermediate_size": 192},
    "timesformer": {"image_size": 32, "num_frames": 4, "intermediate_size": 192},
    "vjepa2": {"crop_size": 32, "frames_per_clip": 4, "num_pooler_layers": 1},
}
CLASSES = {
    "videomae": ("VideoMAEConfig", "VideoMAEForVideoClassification"),
    "timesformer": ("TimesformerConfig", "TimesformerForVideoClassification"),
    "vjepa2": ("VJEPA2Config", "VJEPA2ForVideoClassification"),
}
NAMES = {"videomae": "videomae_base", "timesformer": "timesformer_base", "vjepa2": "vjepa2_vitl"}
every_kind = pytest.mark.parametrize("kind", list(CLASSES))


def clip(spec: ClipSpec, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 3, spec.frames, spec.height, spec.width, generator=generator)


def original(kind: str, folder: Path, classes: int = 3, **settings: Any) -> Any:
    """Save a small network of the library in `folder`, with numbers everywhere, and return it."""
    import transformers

    config_class, network_class = (getattr(transformers, name) for name in CLASSES[kind])
    torch.manual_seed(0)
    config = config_class(num_labels=classes, **{**SIZE, **CLIP[kind], **settings})
    network = network_class(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    network.save_pretrained(folder)
    return network


def adapted(kind: str, classes: int = 3, spec: ClipSpec = SPEC, **settings: Any) -> VideoModel:
    torch.manual_seed(1)
    if kind == "vjepa2":
        settings = {"probe_depth": 2, **settings}
    return create_model(NAMES[kind], classes, spec, **{**TINY, **settings}).eval()


@needs_transformers
def test_v_jepa_2_has_the_parameters_and_gflops_of_its_vision_transformer() -> None:
    with torch.device("meta"):
        model = create_model("vjepa2_vitl", 174, ClipSpec(16, 7.5, 224, 224), weights="none").eval()
        backbone: Any = model.backbone
        with FlopCounterMode(display=False) as counter:
            backbone(torch.empty(1, 3, 16, 224, 224))
    # VideoMAE's comparison, for ViT-L with as many patches of the same size: 597 GFLOPs, 305 M; V-JEPA 2 says 300 M.
    assert counter.get_total_flops() / 2e9 == pytest.approx(597, rel=0.01)
    encoder = sum(p.numel() for p in backbone.parameters())
    assert encoder / 1e6 == pytest.approx(305, rel=0.01)
    assert encoder / 1e6 == pytest.approx(300, rel=0.02)
    # By hand: 24 blocks of 12·1024² weights and 13·1024 biases and norms, patches of 2·16·16·3, a last norm.
    assert encoder == 24 * (12 * 1024**2 + 13 * 1024) + 1536 * 1024 + 1024 + 2 * 1024
    # The probe: three blocks as above without the keys' bias; one without it and without an output projection; a query.
    probe = 3 * (12 * 1024**2 + 12 * 1024) + 11 * 1024**2 + 11 * 1024 + 1024 + 174 * 1025
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == probe


@pytest.mark.parametrize(
    ("name", "frames", "fps", "size", "mean", "std"),
    [  # the preprocessor_config.json of the published folders, and the sampling of the papers at 30 fps
        ("videomae_base", 16, 30 / 4, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("videomae_small", 16, 30 / 4, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("timesformer_base", 8, 30 / 32, 224, (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)),
        ("vjepa2_vitl", 16, 30 / 4, 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ],
)
def test_clips_are_prepared_as_the_official_weights_want_them(
    name: str, frames: int, fps: float, size: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    spec = model_entry(name).spec
    assert (spec.frames, spec.fps, spec.height, spec.width, spec.resize) == (frames, fps, size, size, "crop")
    assert (spec.mean, spec.std) == (mean, std)


@needs_transformers
@every_kind
def test_a_folder_of_the_library_gives_the_librarys_logits(kind: str, tmp_path: Path) -> None:
    network = original(kind, tmp_path)
    model = adapted(kind, weights=str(tmp_path))
    clips = clip(SPEC)
    with torch.inference_mode():
        expected = network(clips.transpose(1, 2)).logits
        assert float(expected.std()) > 0.01
        assert torch.allclose(model(clips), expected, atol=1e-5)
        # With other classes the classifier is new, and the network before it the published one.
        other = adapted(kind, 5, weights=str(tmp_path))
        assert other(clips).shape == (2, 5)
    published = {k: v for k, v in model.state_dict().items() if k.startswith("backbone.")}
    assert all(torch.equal(other.state_dict()[key], value) for key, value in published.items())


@needs_transformers
def test_checkpoints_of_a_pre_training_bring_the_network_alone(tmp_path: Path) -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.VideoMAEConfig(**SIZE, **CLIP["videomae"], decoder_hidden_size=24)
    network = transformers.VideoMAEForPreTraining(config)
    network.save_pretrained(tmp_path)
    model = adapted("videomae", weights=str(tmp_path))
    stored = {f"backbone.network.{key}": value for key, value in network.videomae.state_dict().items()}
    assert set(stored) == {key for key in model.state_dict() if key.startswith("backbone.")}
    assert all(torch.equal(model.state_dict()[key], value) for key, value in stored.items())

    jepa = transformers.VJEPA2Model(transformers.VJEPA2Config(**SIZE, **CLIP["vjepa2"]))
    jepa.save_pretrained(tmp_path / "jepa")
    model = adapted("vjepa2", weights=str(tmp_path / "jepa"))
    own = {key: value for key, value in model.state_dict().items() if key.startswith("backbone.encoder.")}
    assert len(own) == len(jepa.encoder.state_dict())
    for key, value in jepa.encoder.state_dict().items():
        assert torch.equal(own[f"backbone.encoder.{key}"], value), key


@needs_transformers
def test_positions_and_frames_of_another_size_are_fitted(tmp_path: Path) -> None:
    network = original("timesformer", tmp_path)
    embeddings = network.timesformer.embeddings
    with torch.no_grad():  # the same everywhere: it stays so
        embeddings.position_embeddings[:, 1:] = torch.arange(48.0)
        embeddings.time_embeddings[:] = torch.arange(48.0) / 2
    network.save_pretrained(tmp_path)
    spec = ClipSpec(frames=7, fps=5, height=48, width=80)
    model = adapted("timesformer", spec=spec, weights=str(tmp_path))
    own = model.state_dict()
    places, times = (own[f"backbone.network.embeddings.{part}_embeddings"] for part in ("position", "time"))
    assert places.shape == (1, 1 + 3 * 5, 48) and times.shape == (1, 7, 48)
    assert torch.allclose(places[0, 1:], torch.arange(48.0).expand(15, -1), atol=1e-4)
    assert torch.allclose(places[0, :1], embeddings.position_embeddings[0, :1])
    assert torch.allclose(times[0], torch.arange(48.0).expand(7, -1) / 2, atol=1e-4)
    for kind, other in (
        ("timesformer", spec),
        ("videomae", ClipSpec(8, 5, 48, 80)),
        ("vjepa2", ClipSpec(8, 5, 64, 64)),
    ):
        folder = tmp_path / kind
        original(kind, folder)
        fitted = adapted(kind, spec=other, weights=str(folder))
        with torch.inference_mode():
            assert fitted(clip(other)).isfinite().all()


@needs_transformers
def test_rows_and_columns_stay_apart_where_pictures_are_not_square(tmp_path: Path) -> None:
    network = original("timesformer", tmp_path)
    with torch.no_grad():  # 2 x 2 places: the upper two are 0, the lower two 1
        network.timesformer.embeddings.position_embeddings[0, 1:] = torch.tensor([0.0, 0, 1, 1])[:, None]
    network.save_pretrained(tmp_path)
    spec = ClipSpec(frames=4, fps=5, height=48, width=80)
    model = adapted("timesformer", spec=spec, weights=str(tmp_path))
    places = model.state_dict()["backbone.network.embeddings.position_embeddings"][0, 1:, 0].reshape(3, 5)
    assert torch.allclose(places, places[:, :1].expand(3, 5), atol=1e-6)
    assert (places[:, 0].diff() > 0.1).all()
    assert float(places[1, 0]) == pytest.approx(0.5, abs=1e-6)


@needs_transformers
@every_kind
def test_a_pickle_is_refused(kind: str, tmp_path: Path) -> None:
    network = original(kind, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    for weights in (tmp_path, tmp_path / "pytorch_model.bin"):
        with pytest.raises(DataError) as caught:
            adapted(kind, weights=str(weights))
        assert str(weights) in str(caught.value)
        assert "a pickle" in str(caught.value) and "refused" in str(caught.value)
        assert "safetensors" in str(caught.value)
        assert "\n" not in str(caught.value)


def _other_size(folder: Path) -> None:
    original("videomae", folder, num_hidden_layers=3)


def _other_kind(folder: Path) -> None:
    original("timesformer", folder)


def _no_config(folder: Path) -> None:
    original("videomae", folder)
    (folder / "config.json").unlink()


def _damaged(folder: Path) -> None:
    original("videomae", folder)
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def _lacking(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    original("videomae", folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["videomae.encoder.layer.1.output.dense.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _empty(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "videomae"}))


@needs_transformers
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_other_size, "num_hidden_layers is 3 and that of this 'videomae_base' is 2"),
        (_other_kind, "holds a 'timesformer', and 'videomae_base' is a 'videomae'"),
        (_no_config, "holds no config.json"),
        (_damaged, "cannot be loaded as videomae weights"),
        (_lacking, "1 tensors are missing or of another shape"),
        (_empty, "holds no weights"),
    ],
)
def test_a_folder_that_does_not_fit_is_one_line(make: Any, words: str, tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(DataError) as caught:
        adapted("videomae", weights=str(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
