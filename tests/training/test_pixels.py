"""Clips of pixels for training: how they are changed, what a head learns of them first, where a pass begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.data import ClipSpec, Segment, read_data
from kinema.data.transforms import ClipAugmentation, RandAugment
from kinema.models import create_model
from kinema.training import TrainSettings
from kinema.training.batches import ClipBatches
from kinema.training.pixels import augmentation, prepare_head

SPEC = ClipSpec(frames=4, fps=5, height=32, width=32)


@pytest.mark.parametrize("name", RandAugment().names)
def test_every_operation_is_the_same_for_all_pictures(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    picture = torch.randint(40, 200, (1, 3, 24, 32), dtype=torch.uint8, generator=generator)
    clip = picture.expand(5, -1, -1, -1).clone()
    for sign in (1, -1):
        found = RandAugment(1, 20).apply(name, clip, sign)
        assert found.shape == clip.shape and found.dtype == torch.uint8
        assert (found == found[:1]).all()
        assert torch.equal(found, clip) == (name == "identity")


def test_what_takes_a_histogram_takes_that_of_the_clip() -> None:
    """A clip that grows brighter keeps doing so: picture by picture, autocontrast would make all alike."""
    clip = torch.zeros(3, 3, 4, 4, dtype=torch.uint8)
    for index, level in enumerate((60, 90, 120)):
        clip[index] = level
    found = RandAugment(1, 15).apply("autocontrast", clip)
    assert found[:, 0, 0, 0].tolist() == pytest.approx([0, 127, 255], abs=1)


def test_strengths_of_operations_by_hand() -> None:
    clip = torch.full((2, 3, 8, 331), 100, dtype=torch.uint8)
    clip[..., 165] = 255
    augment = RandAugment(1, 30)
    moved = augment.apply("shift_x", clip, 1)
    assert int(moved[0, 0, 0].float().argmax()) == 165 + 150
    assert int(augment.apply("brightness", clip, 1)[0, 0, 0, 0]) == 190
    assert int(augment.apply("brightness", clip, -1)[0, 0, 0, 0]) in (9, 10)
    assert int(augment.apply("posterise", clip)[0, 0, 0, 0]) == 96  # the upper 4 bits of 100
    assert int(RandAugment(1, 20).apply("solarise", clip)[0, 0, 0, 0]) == 155  # 100 is above 85


def test_rand_augment_is_decided_by_its_generator_and_keeps_moments_of_grey() -> None:
    generator = torch.Generator().manual_seed(0)
    clip = torch.randint(0, 256, (4, 24, 32, 3), dtype=torch.uint8, generator=generator)
    augment = ClipAugmentation(rand_augment=2, rand_magnitude=9)
    first = augment(clip, np.random.default_rng(5))
    assert torch.equal(augment(clip, np.random.default_rng(5)), first)
    assert not torch.equal(augment(clip, np.random.default_rng(6)), first)
    assert "saturation" not in RandAugment(2, 9, grey=True).names
    wanted = TrainSettings(rand_augment=2)
    assert augmentation(wanted, ClipSpec(colour="gray_stack")).saturation == 0
    assert augmentation(wanted, SPEC).rand_augment == 2


def test_a_trained_backbone_gives_its_head_real_statistics(actions: Path) -> None:
    torch.manual_seed(0)
    spec = ClipSpec(frames=4, fps=5, height=32, width=32)
    segments = [s for s in read_data(actions).segments() if s.video.name.startswith(("person01", "person02"))]
    model: Any = create_model("lrcn", 3, spec, backbone="test_resnet", weights="none", freeze=False)
    before = {n: b.clone() for n, b in model.backbone.named_buffers()}
    wanted = TrainSettings(batch_size=6, windows=1)
    batches = ClipBatches(
        segments, [0] * len(segments), 3, spec, wanted, augmentation=ClipAugmentation(), workers=1
    )
    prepare_head(model, batches, wanted)
    batches.set_epoch(0)
    model.backbone.train()
    with torch.no_grad():
        features = torch.cat([model.embed(SPEC.clip(c).transpose(1, 2).flatten(0, 1)) for c, _ in batches])
    found = model.head.standardise
    assert not torch.equal(found.mean, torch.zeros_like(found.mean))
    assert torch.allclose(found.mean, features.mean(0), atol=1e-4)
    std = features.std(0, correction=0)
    assert torch.allclose(found.std, std.clamp(min=0.05 * float(std.mean()) + 1e-6), atol=1e-4)
    model.backbone.load_state_dict({**model.backbone.state_dict(), **before})


def test_preparing_leaves_batch_norms_as_they_were(actions: Path) -> None:
    spec = ClipSpec(frames=4, fps=5, height=32, width=32)
    segments: list[Segment] = read_data(actions).segments()[:4]
    model: Any = create_model("lrcn", 3, spec, backbone="test_resnet", weights="none", freeze=False)
    before = {n: b.clone() for n, b in model.backbone.named_buffers()}
    wanted = TrainSettings(batch_size=4, windows=1)
    prepare_head(model, ClipBatches(segments, [0] * 4, 3, spec, wanted, workers=1), wanted)
    assert all(torch.equal(b, before[n]) for n, b in model.backbone.named_buffers())


def test_a_pass_may_start_with_any_batch(actions: Path) -> None:
    segments = read_data(actions).segments()[:5]
    wanted = TrainSettings(batch_size=2, windows=2)
    batches = ClipBatches(
        segments, [0, 1, 2, 0, 1], 3, SPEC, wanted, augmentation=ClipAugmentation(), workers=2
    )
    whole = list(batches)
    assert len(whole) == len(batches) == 5
    batches.start(3)
    rest = list(batches)
    assert len(rest) == 2
    for (clips, targets), (expected, wanted_targets) in zip(rest, whole[3:], strict=True):
        assert torch.equal(clips, expected) and torch.equal(targets, wanted_targets)
    assert len(list(batches)) == 5  # the next one is whole again
