"""Augmentation: the same for all frames of a clip, decided by the generator alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kinema.data.transforms import ClipAugmentation, turn_hue


def noise(frames: int = 6, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    picture = torch.randint(0, 256, (1, 24, 32, 3), dtype=torch.uint8, generator=generator)
    return picture.expand(frames, -1, -1, -1).clone()


def test_equal_frames_stay_equal_and_are_changed() -> None:
    clip = noise()
    changed = 0
    for seed in range(20):
        found = ClipAugmentation()(clip, np.random.default_rng(seed))
        assert (found == found[:1]).all()
        changed += not torch.equal(found, clip)
    assert changed == 20


def test_shape_and_type_are_kept_and_the_input_is_not_touched() -> None:
    clip = noise()
    before = clip.clone()
    found = ClipAugmentation()(clip, np.random.default_rng(0))
    assert found.shape == (6, 24, 32, 3)
    assert found.dtype == torch.uint8
    assert found.is_contiguous()
    assert torch.equal(clip, before)


def test_the_generator_decides_everything() -> None:
    torch.manual_seed(0)
    first = ClipAugmentation()(noise(), np.random.default_rng(7))
    torch.manual_seed(1)
    assert torch.equal(ClipAugmentation()(noise(), np.random.default_rng(7)), first)
    assert not torch.equal(ClipAugmentation()(noise(), np.random.default_rng(8)), first)


def test_what_moves_keeps_its_path() -> None:
    """A bright column that moves two pixels a frame moves evenly and one way afterwards."""
    clip = torch.zeros(6, 24, 32, 3, dtype=torch.uint8)
    for index in range(6):
        clip[index, :, 10 + 2 * index : 12 + 2 * index] = 255
    ways = set()
    for seed in range(30):
        found = ClipAugmentation(scale=0.9)(clip, np.random.default_rng(seed)).float().mean((1, 3))
        places = (found * torch.arange(32)).sum(1) / found.sum(1)
        steps = places.diff()
        assert steps.abs().min() > 1.5
        assert steps.max() - steps.min() < 0.6
        ways.add(bool(steps[0] > 0))
    assert ways == {True, False}  # some clips are mirrored, always as a whole


STILL = {"scale": 1.0, "ratio": 1.0, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}


def test_flip_mirrors_the_whole_clip_by_its_probability() -> None:
    clip = noise()
    never, always = ClipAugmentation(flip=0.0, **STILL), ClipAugmentation(flip=1.0, **STILL)
    for seed in range(5):
        assert torch.equal(never(clip, np.random.default_rng(seed)), clip)
        assert torch.equal(always(clip, np.random.default_rng(seed)), clip.flip(2))
    half = ClipAugmentation(flip=0.5, **STILL)
    mirrored = sum(torch.equal(half(clip, np.random.default_rng(seed)), clip.flip(2)) for seed in range(200))
    assert 70 <= mirrored <= 130


def test_brightness_stays_within_its_bounds() -> None:
    clip = torch.full((2, 8, 8, 3), 100, dtype=torch.uint8)
    dark_to_bright = ClipAugmentation(flip=0, **{**STILL, "brightness": 0.3})
    levels = [int(dark_to_bright(clip, np.random.default_rng(s))[0, 0, 0, 0]) for s in range(100)]
    assert 69 <= min(levels) < 75
    assert 125 < max(levels) <= 130


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (2, 50)])
def test_small_pictures_are_possible(size: tuple[int, int]) -> None:
    clip = torch.zeros(2, *size, 3, dtype=torch.uint8)
    assert ClipAugmentation()(clip, np.random.default_rng(0)).shape == clip.shape


def test_hues_turn_around_the_wheel() -> None:
    """Red, half a turn: cyan. A quarter from red lies half-way between yellow and green. Grey has no hue."""
    red, grey = torch.tensor([255, 0, 0], dtype=torch.uint8), torch.tensor([90, 90, 90], dtype=torch.uint8)
    clip = torch.stack([red, grey]).expand(2, 3, 2, 3)
    half, quarter = turn_hue(clip, 0.5), turn_hue(clip, 0.25)
    assert half[1, 2].tolist() == [[0, 255, 255], [90, 90, 90]]
    assert (quarter[0, 0, 0].int() - torch.tensor([128, 255, 0])).abs().max() <= 1
    assert torch.equal(turn_hue(clip, -0.5), half)


def test_turned_hues_are_torchvisions() -> None:
    from torchvision.transforms.v2 import functional as F

    clip = noise()
    for turn in (-0.05, 0.013, 0.3):
        expected = F.adjust_hue(clip.movedim(-1, -3), turn).movedim(-3, -1)
        assert (turn_hue(clip, turn).int() - expected.int()).abs().max() <= 1
        assert (clip.int() - expected.int()).abs().max() > 10
