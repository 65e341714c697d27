"""Backbones in ONNX Runtime: the same features as torch, and what happens where there is no export."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kinema.data.clipspec import ClipSpec
from kinema.models import BUNDLED, FactorisedModel, FrameBackbone, create_model, model_entry, model_names
from kinema.models.embedder import OnnxEmbedder, TorchEmbedder

SPEC = ClipSpec(frames=6, fps=5, height=64, width=64)
SMALL = "test_resnet"  # a tiny network of timm, where only the plumbing is tested


def build(name: str, spec: ClipSpec, **settings: Any) -> FactorisedModel:
    torch.manual_seed(0)
    model = create_model(name, 4, spec, **settings)
    if not isinstance(model, FactorisedModel):
        pytest.skip("has no features of single pictures")
    return model


@pytest.mark.parametrize("case", ["lrcn", "frame_mlp", "motion_moments"], ids=str)
def test_onnx_runtime_agrees_with_torch(case: str) -> None:
    model = build(case, SPEC, backbone=BUNDLED, weights="bundled", freeze=True)
    pictures = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    onnx, plain = OnnxEmbedder(model.backbone, SPEC, threads=2), TorchEmbedder(model.backbone, SPEC, "cpu")
    expected = plain(pictures)
    assert onnx.agrees
    assert expected.shape == (5, model.backbone.dim)
    assert np.abs(onnx(pictures) - expected).max() <= 1e-4 * np.abs(expected).max()
    assert (onnx.passes, plain.passes) == (5, 5)
    again = OnnxEmbedder(model.backbone, SPEC, threads=2)  # now from the cache folder
    assert np.array_equal(again(pictures), onnx(pictures))


@pytest.mark.parametrize("case", [name for name in model_names() if model_entry(name).tiny_spec is not None])
def test_onnx_runtime_agrees_with_torch_for_every_backbone(case: str) -> None:
    entry = model_entry(case)
    spec = entry.tiny_spec
    assert spec is not None
    settings = {"weights": "none", **entry.tiny} if "weights" in entry.settings else entry.tiny
    model = build(case, spec, **settings).eval()
    shape = (3, spec.height, spec.width, 3)
    pictures = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    onnx, plain = OnnxEmbedder(model.backbone, spec, threads=1), TorchEmbedder(model.backbone, spec, "cpu")
    expected = plain(pictures)
    assert onnx.agrees
    assert np.abs(onnx(pictures) - expected).max() <= 1e-4 * np.abs(expected).max()


def test_a_damaged_export_is_written_anew() -> None:
    from kinema.files import cache_folder

    backbone = FrameBackbone(SMALL, "none")
    pictures = np.full((1, 64, 64, 3), 90, np.uint8)
    expected = OnnxEmbedder(backbone, SPEC)(pictures)
    (path,) = (cache_folder() / "onnx").glob(f"{backbone.fingerprint()}-*.onnx")
    path.write_bytes(b"not a graph")
    assert np.array_equal(OnnxEmbedder(backbone, SPEC)(pictures), expected)


def test_a_backbone_that_cannot_be_exported_runs_in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.models import create_embedder, embedder

    def refuse(*arguments: Any) -> None:
        raise RuntimeError("operator of tomorrow\nis not known")

    monkeypatch.setattr(embedder, "_export", refuse)
    with pytest.warns(UserWarning, match="operator of tomorrow"):
        found = create_embedder(FrameBackbone(SMALL, "none"), SPEC, "cpu")
    assert found.engine == "torch cpu"
