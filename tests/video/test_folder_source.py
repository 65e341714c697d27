"""Folders of images as videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kinema.errors import DataError, UsageError
from kinema.video import FolderSource, open_source


def write(path: Path, grey: int, size: tuple[int, int] = (32, 24)) -> None:
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), grey, np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, grey in ((1, 10), (2, 20), (10, 100), (9, 90)):
        write(tmp_path / f"clip_{number}.png", grey)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_bytes(b"")
    return tmp_path


def test_natural_order_default_rate_and_names(folder: Path) -> None:
    source = open_source(folder)
    assert isinstance(source, FolderSource)
    assert source.names == ["clip_1.png", "clip_2.png", "clip_9.png", "clip_10.png"]
    assert (source.fps, source.size, source.frame_count, source.duration) == (25, (32, 24), 4, 0.16)
    frames = list(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10, 20, 90, 100]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.time for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12])


def test_rate_start_and_sampling(folder: Path) -> None:
    source = open_source(folder, fps=2)
    assert [frame.index for frame in source.frames(start=0.5)] == [1, 2, 3]
    assert [frame.index for frame in source.frames(fps=1, size=(8, 8))] == [0, 2]
    with pytest.raises(UsageError):
        open_source(folder, fps=0)


def test_colours_are_rgb_and_grey_becomes_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.full((4, 4, 3), (255, 0, 0), np.uint8))  # blue in OpenCV's order
    cv2.imwrite(str(tmp_path / "2.png"), np.full((4, 4), 77, np.uint8))
    blue, grey = open_source(tmp_path)
    assert blue.image[0, 0].tolist() == [0, 0, 255]
    assert grey.image[0, 0].tolist() == [77, 77, 77]


def test_another_size_is_resized_to_the_first_and_noted(folder: Path) -> None:
    write(folder / "clip_3.png", 30, size=(64, 24))
    source = open_source(folder)
    assert {frame.image.shape for frame in source} == {(24, 32, 3)}
    assert len(source.problems) == 1
    assert "clip_3.png: 64x24 pixels, not the 32x24" in source.problems[0]


@pytest.mark.parametrize("fault", ["empty", "text", "cut"])
def test_an_image_that_cannot_be_read_is_named(fault: str, tmp_path: Path) -> None:
    write(tmp_path / "1.jpg", 10)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "2.jpg"), noise)
    data = (tmp_path / "2.jpg").read_bytes()
    (tmp_path / "2.jpg").write_bytes({"empty": b"", "text": b"hello", "cut": data[: len(data) // 2]}[fault])
    with pytest.raises(DataError, match=r"2\.jpg: the image") as caught:
        list(open_source(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images in this folder"):
        open_source(tmp_path)


def test_seals(test_data: Path) -> None:
    source = open_source(test_data / "seals" / "s26-8164")
    assert isinstance(source, FolderSource)
    assert source.frame_count == len(source.names) == 266
    numbers = [int(name.split("-")[-1].split(".")[0]) for name in source.names]
    assert numbers == sorted(numbers)
    assert next(source.frames(size=(96, 64))).image.shape == (64, 96, 3)
