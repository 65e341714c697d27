"""Cuts of synthetic videos: joins are found to the frame, movement, flashes and fades of light are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinema.mining.clips import CutFinder
from kinema.video import VideoWriter, open_source


def cuts_of(path: Path) -> list[float]:
    finder = CutFinder()
    with open_source(path, threads=1) as source:
        for picture in source.pictures(0.0, None):
            finder.push(picture)
    finder.finish()
    return finder.cuts


def scene(seed: int) -> np.ndarray:
    """A synthetic scene: smooth random colours, 96 x 128 pixels."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 220, (6, 8, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((16, 16, 1), np.uint8))


def write(path: Path, pictures: list[np.ndarray], fps: int = 25) -> Path:
    with VideoWriter(path, fps) as out:
        for picture in pictures:
            out.write(picture)
    return path


def test_joins_are_found_to_the_frame(tmp_path: Path) -> None:
    pictures = [scene(1)] * 25 + [scene(2)] * 30 + [scene(3)] * 20
    assert cuts_of(write(tmp_path / "joined.mp4", pictures)) == [pytest.approx(1.0), pytest.approx(2.2)]


def test_movement_is_no_cut(tmp_path: Path) -> None:
    ground = scene(1)
    pictures = []
    for index in range(60):
        picture = np.roll(ground, 2 * index, axis=1)
        picture[30:70, 2 * index % 100 : 2 * index % 100 + 20] = 255
        pictures.append(picture)
    assert cuts_of(write(tmp_path / "moving.mp4", pictures)) == []


def test_a_flash_is_no_cut(tmp_path: Path) -> None:
    pictures = [scene(1)] * 25 + [np.full((96, 128, 3), 250, np.uint8)] + [scene(1)] * 25
    assert cuts_of(write(tmp_path / "flash.mp4", pictures)) == []


def test_a_fade_of_light_is_no_cut(tmp_path: Path) -> None:
    pictures = [(scene(1) * (1 - index / 60)).astype(np.uint8) for index in range(50)]
    assert cuts_of(write(tmp_path / "fade.mp4", pictures)) == []


def test_cuts_between_frames_of_a_folder(tmp_path: Path) -> None:
    import cv2

    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(20):
        cv2.imwrite(str(folder / f"{index:03d}.png"), scene(1 if index < 10 else 2))
    finder = CutFinder()
    with open_source(folder, fps=10) as source:
        for picture in source.pictures(0.0, None):
            finder.push(picture)
    finder.finish()
    assert finder.cuts == [pytest.approx(1.0)]


def test_nothing_before_the_settled_moment_is_found_later(tmp_path: Path) -> None:
    path = write(tmp_path / "joined.mp4", [scene(seed) for seed in range(8) for _ in range(12)])
    finder = CutFinder()
    with open_source(path, threads=1) as source:
        for picture in source.pictures(0.0, None):
            before, known = finder.settled, len(finder.cuts)
            finder.push(picture)
            assert all(cut >= before for cut in finder.cuts[known:])
    finder.finish()
    assert len(finder.cuts) == 7
