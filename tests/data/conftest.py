"""Small synthetic videos: moving noise, so that no two are alike."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kinema.video import VideoWriter

MakeVideo = Callable[..., Path]


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Return a function that writes `frames` pictures of 64 x 48 noise at 10 fps below the test's folder."""

    def make(name: str, frames: int = 10, seed: int | None = None, black: bool = False) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(zlib.crc32(name.encode()) if seed is None else seed)
        with VideoWriter(path, 10, size=(64, 48)) as writer:
            for _ in range(frames):
                coarse = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
                picture = np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))
                writer.write(np.zeros_like(picture) if black else picture)
        return path

    return make


@pytest.fixture
def touch(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes files with one byte each, for tests in which nothing is decoded."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        return tmp_path

    return make


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """A folder of its own in a folder of its own: readers of lists look for videos in the folder above as well."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder
