"""The smallest clip of every network: it is classified, and one with less is refused in a line that says what to set."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import pytest
import torch

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError
from kinema.models import create_model, model_entry, model_names

# Frames and pixels a side, from how often a network halves them and how wide its last kernel is.
LEAST = {
    "c3d": (8, 32), "c3d_small": (11, 54), "cnn_lstm": (1, 10), "dinov2_probe": (1, 14), "frame_mlp": (1, 1),
    "fstcn": (10, 1), "image_mlp": (1, 32), "lrcn": (1, 1), "lrcn_bilstm": (1, 1), "mc3_18": (1, 32),
    "motion_moments": (1, 1), "movinet_a0": (2, 32), "movinet_a1": (2, 32), "movinet_a2": (2, 32),
    "mvit_v1_b": (1, 32), "mvit_v2_s": (1, 32), "r2plus1d_18": (1, 32), "r3d_18": (1, 32), "s3d": (8, 49),
    "separable_cnn": (1, 32), "slowfast": (5, 32), "swin3d_b": (1, 32), "swin3d_s": (1, 32), "swin3d_t": (1, 32),
    "timesformer_base": (1, 16), "tsm": (2, 32), "tsm_resnet50": (2, 32), "vgg16_look_back": (1, 32),
    "vgg16_lstm": (1, 32), "video_lrcnn": (2, 32), "video_mlp_concat": (2, 32), "videomae_base": (2, 16),
    "videomae_small": (2, 16), "vjepa2_vitl": (2, 16), "x3d_m": (4, 32), "x3d_s": (4, 32), "x3d_xs": (4, 32),
}  # fmt: skip


def clips_of(name: str, frames: int, side: int) -> ClipSpec:
    return replace(model_entry(name).spec, frames=frames, height=side, width=side)


def build(name: str, spec: ClipSpec) -> Any:
    settings = {"weights": "none"} if "weights" in model_entry(name).settings else {}
    if importlib.util.find_spec("transformers") is None and name.startswith(("video", "times", "vjepa")):
        pytest.skip("the extra 'transformers' is not installed")
    with torch.device("meta"):
        return create_model(name, 3, spec, **settings).eval().to("meta")


def test_every_network_has_its_limits_written_here() -> None:
    assert sorted(LEAST) == model_names()


@pytest.mark.parametrize("name", model_names())
def test_the_smallest_clip_is_classified(name: str) -> None:
    frames, side = LEAST[name]
    with torch.inference_mode():
        logits = build(name, clips_of(name, frames, side))(
            torch.empty(2, 3, frames, side, side, device="meta")
        )
    assert logits.shape == (2, 3)


@pytest.mark.parametrize("name", [name for name in model_names() if LEAST[name][0] > 1])
def test_a_clip_with_too_few_frames_is_refused(name: str) -> None:
    frames, side = LEAST[name]
    with pytest.raises(UsageError) as caught:
        build(name, clips_of(name, frames - 1, max(side, 64)))
    assert f"model '{name}'" in str(caught.value)
    assert f"frames={frames}" in str(caught.value) or f"at least {frames} frames" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in model_names() if LEAST[name][1] > 1])
def test_a_clip_with_too_few_pixels_is_refused(name: str) -> None:
    frames, side = LEAST[name]
    with pytest.raises(UsageError) as caught:
        build(name, clips_of(name, max(frames, 16), side - 1))
    assert f"'{name}'" in str(caught.value) or "'vgg16'" in str(caught.value)
    assert f"at least {side} x {side} pixels" in str(caught.value) or (
        f"pictures of {side - 1} x {side - 1} pixels are too small" in str(caught.value)
    )
    assert "set " in str(caught.value) and "\n" not in str(caught.value)


def test_the_lines_as_a_user_reads_them() -> None:
    lines = {
        ("x3d_s", 3, 64): "model 'x3d_s' needs clips of at least 4 frames, not 3: set frames=4 or more",
        ("x3d_s", 13, 31): (
            "model 'x3d_s' needs pictures of at least 32 x 32 pixels, not 31 x 31: set width=32 and height=32, or more"
        ),
        ("dinov2_probe", 16, 225): (
            "model 'dinov2_probe' cuts clips into patches of 14 x 14, which 16 frames of 225 x 225 pixels are not a "
            "multiple of: set width=224 and height=224"
        ),
    }
    for (name, frames, side), line in lines.items():
        with pytest.raises(UsageError) as caught:
            build(name, clips_of(name, frames, side))
        assert str(caught.value) == line
