"""A synthetic video for the tests of models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.video import VideoWriter


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Pictures this small gain nothing from threads, and lose much where the machine is shared."""
    torch.set_num_threads(1)


def write_synthetic_video(path: Path, frames: int, fps: float = 10) -> Path:
    """A bright square that moves over noise and changes its colour."""
    rng = np.random.default_rng(frames)
    with VideoWriter(path, fps, size=(80, 64)) as out:
        for index in range(frames):
            picture = rng.integers(0, 90, (64, 80, 3), dtype=np.uint8)
            left = index * 60 // max(1, frames - 1)
            picture[20:40, left : left + 20] = (250, 10 * (index % 25), 40)
            out.write(picture)
    return path


@pytest.fixture(scope="session")
def synthetic_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 frames at 10 a second: 2.4 s."""
    return write_synthetic_video(tmp_path_factory.mktemp("synthetic") / "moving square.mp4", 24)


@pytest.fixture(scope="session")
def short_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5 frames at 10 a second: three pictures at 5 a second, less than a window of the tests."""
    return write_synthetic_video(tmp_path_factory.mktemp("synthetic") / "short.mp4", 5)
