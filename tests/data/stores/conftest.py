"""Small folders and manifests to send to an object store, and what lies there afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinema.data import Manifest


@pytest.fixture
def keys(s3: Any) -> Callable[[], list[str]]:
    """Return a function that lists the keys in the bucket."""

    def listed() -> list[str]:
        return sorted(item["Key"] for item in s3.list_objects_v2(Bucket="films").get("Contents", []))

    return listed


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a folder of three tiny files, and of others by name and text."""

    def make(**files: str) -> Path:
        root = tmp_path / "clips"
        for name, text in {
            "walk/1.mp4": "one",
            "walk/2.mp4": "two",
            "run/ü 3.mp4": "three",
            **files,
        }.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return root

    return make


@pytest.fixture
def videos(make_video: Callable[..., Path], tmp_path: Path) -> Manifest:
    """A manifest in sets/ of one video beside it, two elsewhere, one of them named absolutely."""
    rows = {
        "video": ["a/1.mp4", "../far/b/2.mp4", str(tmp_path / "far" / "c" / "3.mp4"), "a/1.mp4"],
        "start": [None, None, 0.2, 0.4],
        "end": [0.4, None, 1.0, 1.0],
        "label": ["walk", "run", "walk", "run"],
        "group": ["p1", "p2", "p3", "p1"],
    }
    for name in ("sets/a/1.mp4", "far/b/2.mp4", "far/c/3.mp4"):
        make_video(name)
    path = Manifest(rows, tmp_path / "sets").write(tmp_path / "sets" / "kth.csv")
    return Manifest.read(path)
