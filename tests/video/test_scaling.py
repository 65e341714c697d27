"""The kernel that changes a picture's size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kinema.video import resize


@pytest.mark.parametrize("size", [(224, 224), (100, 37), (1, 1), (7, 300), (1000, 800)])
@pytest.mark.parametrize("source", [(240, 320, 3), (119, 161, 3), (720, 1280, 3), (120, 160)])
def test_the_size_is_exact_and_flat_pictures_stay_flat(
    size: tuple[int, int], source: tuple[int, ...]
) -> None:
    out = resize(np.full(source, 77, np.uint8), size)
    assert out.shape == (size[1], size[0], *source[2:])
    assert out.dtype == np.uint8
    assert (out == 77).all()


def test_the_same_size_is_the_same_picture() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert resize(image, (4, 4)) is image


def test_halving_averages_two_by_two() -> None:
    image = np.array([[0, 4, 10, 10], [8, 4, 10, 30]], np.uint8)
    assert resize(image, (2, 1)).tolist() == [[4, 15]]


def test_a_large_reduction_does_not_alias() -> None:
    stripes = np.zeros((1080, 1920, 3), np.uint8)
    stripes[:, ::2] = 200  # finer than any small picture can show: must become even grey
    assert np.abs(resize(stripes, (224, 224)).astype(int) - 100).max() <= 12
    assert (
        np.abs(cv2.resize(stripes, (224, 224)).astype(int) - 100).max() > 80
    )  # what plain bilinear makes of it


def test_close_to_the_exact_area_average() -> None:
    rng = np.random.default_rng(0)
    image = cv2.resize(
        rng.integers(0, 255, (90, 160, 3), np.uint8), (1280, 720), interpolation=cv2.INTER_CUBIC
    )
    for size in ((224, 224), (112, 112), (160, 90)):
        exact = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        assert np.abs(resize(image, size).astype(int) - exact).mean() < 4


def test_no_shift() -> None:
    ramp = np.repeat(np.linspace(0, 255, 960).round().astype(np.uint8)[None], 540, 0)
    small = resize(ramp, (60, 34)).astype(float)
    # Pixel k of 60 covers the ramp from 16 k to 16 k + 15, so its mean is the ramp at 16 k + 7.5.
    expected = (np.arange(60) * 16 + 7.5) * 255 / 959
    assert np.abs(small - expected).max() <= 2
