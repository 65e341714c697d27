"""What tests of reviews share: a folder of mined clips."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from kinema.video import VideoWriter


@pytest.fixture
def mined(tmp_path: Path) -> Path:
    """A folder as `kinema mine clips` leaves it: five synthetic clips of three films; the fourth shows what the first does."""
    rows = [
        ("film_a", "wave", 3.0, 1), ("film_a", "kick", 9.0, 2), ("film_b", "wave", 2.0, 3),
        ("film_c", "kick", 5.0, 1), ("film_b", "kick", 8.0, 4),
    ]  # fmt: skip
    folder = tmp_path / "mined"
    (folder / "clips").mkdir(parents=True)
    with (folder / "clips.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(
            ["video", "start", "end", "label", "split", "group", "score", "source_video", "source_start", "source_end"]
        )  # fmt: skip
        for film, label, start, seed in rows:
            name = f"clips/{film}__{label}__{start:.2f}-{start + 2:.2f}.mp4"
            _draw(folder / name, seed)
            out.writerow([name, "", "", label, "", f"{film}.mp4", 0.75, f"{film}.mp4", start, start + 2])
    return folder


def _draw(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 150, (6, 8, 3), dtype=np.uint8).repeat(20, axis=0).repeat(20, axis=1)
    where = np.cumsum(rng.integers(-6, 7, (20, 2)), axis=0) % 80
    with VideoWriter(path, 10) as out:
        for top, left in where:
            picture = ground.copy()
            picture[top : top + 40, left : left + 40] = (240, 220, 60)
            out.write(picture)
