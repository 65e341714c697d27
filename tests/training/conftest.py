"""A tiny synthetic data set, and one run trained on it that all tests of the room look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.training import Run, train
from kinema.video import VideoWriter

SUBJECTS = 6
FRAMES = 20
# A tiny network of timm: what is tested is the training, not the backbone.
BACKBONE: dict[str, Any] = {"backbone": "test_resnet", "weights": "none"}
CLIP: dict[str, Any] = {"frames": 5, "fps": 5, "height": 48, "width": 48}


def write_synthetic_action(path: Path, action: str, seed: int, frames: int = FRAMES) -> Path:
    """Draw a bright square at 10 frames a second that blinks fast, moves down, or stands still."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(40, 90, (48, 48, 3), dtype=np.uint8)
    left, colour = int(rng.integers(4, 28)), rng.integers(150, 255, 3, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, 10) as out:
        for index in range(frames):
            picture = ground.copy()
            top = 2 + index * 28 // frames if action == "move10" else 14
            if action != "move2" or index % 4 < 2:
                picture[top : top + 16, left : left + 16] = colour
            out.write(picture)
    return path


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Pictures this small gain nothing from threads, and lose much where the machine is shared."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def actions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a class: move2, move10 and still, by six synthetic subjects; 18 videos of 20 frames."""
    root = tmp_path_factory.mktemp("synthetic") / "synthetic-actions"
    for number, action in enumerate(("move2", "move10", "still")):
        for subject in range(1, SUBJECTS + 1):
            name = f"person{subject:02d}_{action}.mp4"
            write_synthetic_action(root / action / name, action, 100 * number + subject)
    return root


@pytest.fixture(scope="session")
def tiny_run(actions: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the default model with default splits."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    return train(actions, run=str(folder), clip=CLIP, settings={"epochs": 8}, device="torch", **BACKBONE)
