"""X3D: sizes, PyTorchVideo's released weights by name, and bad settings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.models import (
    VideoModel,
    x3d,  # noqa: F401  (registers the models)
)
from kinema.models.registry import create_model, model_entry

SPEC = replace(model_entry("x3d_xs").spec, height=64, width=64)

# Of each stage: channels, blocks, channels inside a block, channels between the layers of squeeze-excite.
STAGES = [(24, 3, 54, 8), (48, 5, 108, 8), (96, 11, 216, 16), (192, 7, 432, 32)]


def released_shapes(classes: int = 400) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the `model_state` of PyTorchVideo's X3D_XS.pyth."""
    return dict(_released(classes))


def _released(classes: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "blocks.0.conv.conv_t.weight", (24, 3, 1, 3, 3)
    yield "blocks.0.conv.conv_xy.weight", (24, 1, 5, 1, 1)
    yield from _norm("blocks.0.norm", 24)
    before = 24
    for stage, (width, depth, inner, squeezed) in enumerate(STAGES, 1):
        for i in range(depth):
            block = f"blocks.{stage}.res_blocks.{i}"
            inputs = before if i == 0 else width
            if i == 0:
                yield f"{block}.branch1_conv.weight", (width, inputs, 1, 1, 1)
            if inputs != width:
                yield from _norm(f"{block}.branch1_norm", width)
            yield f"{block}.branch2.conv_a.weight", (inner, inputs, 1, 1, 1)
            yield from _norm(f"{block}.branch2.norm_a", inner)
            yield f"{block}.branch2.conv_b.weight", (inner, 1, 3, 3, 3)
            yield from _norm(f"{block}.branch2.norm_b.0", inner)
            if i % 2 == 0:
                for layer, (outputs, channels) in {0: (squeezed, inner), 2: (inner, squeezed)}.items():
                    yield f"{block}.branch2.norm_b.1.block.{layer}.weight", (outputs, channels, 1, 1, 1)
                    yield f"{block}.branch2.norm_b.1.block.{layer}.bias", (outputs,)
            yield f"{block}.branch2.conv_c.weight", (width, inner, 1, 1, 1)
            yield from _norm(f"{block}.branch2.norm_c", width)
        before = width
    yield "blocks.5.pool.pre_conv.weight", (432, 192, 1, 1, 1)
    yield from _norm("blocks.5.pool.pre_norm", 432)
    yield "blocks.5.pool.post_conv.weight", (2048, 432, 1, 1, 1)
    yield "blocks.5.proj.weight", (classes, 2048)
    yield "blocks.5.proj.bias", (classes,)


def _norm(name: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def synthetic_values(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Tensors that another program can make again: sines, scaled so that activations stay of one size."""
    found = {}
    for index, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        if name.endswith("num_batches_tracked"):
            found[name] = torch.tensor(0)
            continue
        places = torch.arange(math.prod(shape), dtype=torch.float64)
        waves = torch.sin(places * 0.37 * (1 + index % 7) + index)
        if name.endswith("running_var"):
            waves = 0.5 + 0.2 * waves
        elif len(shape) >= 2:
            waves = waves * math.sqrt(4 / math.prod(shape[1:]))
        else:
            waves = 0.2 * waves + (1.0 if "norm" in name and name.endswith(".weight") else 0.0)
        found[name] = waves.reshape(shape).float()
    return found


def waves(frames: int, height: int, width: int) -> Tensor:
    """A clip `(1, 3, frames, height, width)` that another program can make again."""
    places = torch.arange(3 * frames * height * width, dtype=torch.float64)
    return torch.sin(places**1.1 * 0.01).float().reshape(1, 3, frames, height, width)


def build(spec: ClipSpec = SPEC, classes: int = 4, **settings: Any) -> VideoModel:
    torch.manual_seed(0)
    return create_model("x3d_xs", classes, spec, **settings).eval()


@pytest.mark.parametrize(
    ("name", "frames", "seconds", "tested_at"),
    # Frames and their distance in the paper, at 30 frames a second; PyTorchVideo tests on more pixels than it trains on.
    [("x3d_xs", 4, 4 * 12 / 30, 182), ("x3d_s", 13, 13 * 6 / 30, 182), ("x3d_m", 16, 16 * 5 / 30, 256)],
)
def test_clips_are_those_of_the_paper(name: str, frames: int, seconds: float, tested_at: int) -> None:
    spec = model_entry(name).spec
    assert (spec.frames, spec.height, spec.width) == (frames, tested_at, tested_at)
    assert spec.span == pytest.approx(seconds)


def test_the_parameters_are_pytorchvideos() -> None:
    with torch.device("meta"):
        model = create_model("x3d_m", 400)
    assert sum(parameter.numel() for parameter in model.parameters()) == 3_794_274  # version 0.1.5, counted


def test_released_weights_load_by_name_and_give_pytorchvideos_logits(tmp_path: Path) -> None:
    shapes = released_shapes()
    assert len(shapes) == 563
    torch.save({"model_state": synthetic_values(shapes)}, tmp_path / "x3d.pyth")
    model = build(classes=400, weights=str(tmp_path / "x3d.pyth"))
    with torch.inference_mode():
        logits = model(waves(4, 64, 64))[0]
    # PyTorchVideo 0.1.5: create_x3d(input_clip_length=4, input_crop_size=64, head_activation=None), the same tensors.
    expected = [-0.457982, -0.854483, -0.015617, -0.964428, -0.336537]
    # Backwards in time the same clip differs from this by 0.3; the order of sums by 0.00002.
    assert logits[[0, 1, 2, 200, 399]].tolist() == pytest.approx(expected, abs=2e-4)


def test_other_classes_keep_everything_but_the_classifier(tmp_path: Path) -> None:
    stored = synthetic_values(released_shapes())
    torch.save({"model_state": stored, "epoch": 3}, tmp_path / "x3d.pyth")
    own = build(classes=5, weights=str(tmp_path / "x3d.pyth")).state_dict()
    fresh = build(classes=5).state_dict()
    assert torch.equal(own["head.1.weight"], fresh["head.1.weight"])
    kept = [name for name in own if name.startswith("backbone.") and not name.endswith("num_batches_tracked")]
    assert len(kept) == 563 - 2 - sum(name.endswith("num_batches_tracked") for name in stored)
    for name in kept:
        assert torch.equal(own[name], stored[name.removeprefix("backbone.")]), name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda d: d.pop("blocks.4.res_blocks.6.branch2.norm_c.bias"),
            "1 missing, first 'backbone.blocks.4.res_blocks.6.branch2.norm_c.bias'",
        ),
        (lambda d: d.update({"s1.weight": torch.ones(1)}), "1 unknown, first 's1.weight'"),
        (
            lambda d: d.update({"blocks.5.pool.post_conv.weight": torch.ones(9)}),
            "1 of another shape, first 'backbone.blocks.5.pool.post_conv.weight'",
        ),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_weights_of_another_network_are_refused_in_one_line(tmp_path: Path, change: Any, words: str) -> None:
    stored = synthetic_values(released_shapes())
    change(stored)
    path = tmp_path / "x3d.pyth"
    torch.save({"model_state": stored}, path)
    with pytest.raises(DataError) as caught:
        build(weights=str(path))
    assert str(caught.value).startswith(f"{path}: not the weights of X3D")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x3d.pyth"
    path.write_text("not a checkpoint")
    with pytest.raises(DataError) as caught:
        build(weights=str(path))
    assert "not opened" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "settings", "words"),
    [
        (replace(SPEC, width=31), {}, "at least 32 x 32 pixels, not 31 x 64: set width=32 and height=64"),
        (replace(SPEC, frames=3), {}, "at least 4 frames, not 3: set frames=4"),
        (SPEC, {"stride": 0}, "stride=0"),
        (SPEC, {"weights": "no/such.pyth"}, "no such file"),
    ],
)
def test_bad_settings_are_one_line(spec: ClipSpec, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(spec, **settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
