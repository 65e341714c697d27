"""Settings of frames as people write them, and those that make no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kinema.data import Manifest
from kinema.data.frames import FrameSettings, extract_frames, parse_names, parse_size
from kinema.data.frames.settings import spread
from kinema.errors import DataError, UsageError


def test_parts_are_of_equal_length() -> None:
    assert spread(100, 5) == [10, 30, 50, 70, 90]
    assert spread(7, 3) == [1, 3, 5]
    assert spread(0, 3) == []


@pytest.mark.parametrize(
    ("text", "size"), [("128", 128), ("160x120", (160, 120)), (" 160 X 120 ", (160, 120))]
)
def test_sizes_as_people_write_them(text: str, size: Any) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "big", "160x", "-5", "1.5", "0x0x0"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="give the shorter side"):
        parse_size(text)


def test_class_names_may_hold_commas() -> None:
    assert parse_names("a, b", ["a", "b"]) == ["a", "b"]
    assert parse_names("stretch, arms,run", ["run", "stretch, arms"]) == ["stretch, arms", "run"]
    with pytest.raises(UsageError):
        parse_names(" , ")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"every": 2, "fps": 5}, "give one of every, fps and per_video"),
        ({"every": 0}, "every must be a whole number"),
        ({"per_video": -1}, "per_video must be a whole number"),
        ({"fps": 0.0}, "fps must be a number"),
        ({"fps": float("nan")}, "fps must be a number"),
        ({"size": 0}, "a side of an image"),
        ({"size": (10, 0)}, "a side of an image"),
        ({"format": "jpgg"}, "did you mean 'jpg'"),
        ({"layout": "clas"}, "did you mean 'class'"),
        ({"format": "png", "quality": 50}, "quality is for jpg"),
        ({"quality": 101}, "quality must be from 1 to 100"),
    ],
)
def test_settings_that_make_no_sense(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FrameSettings(**values)


def test_workers_and_empty_data(tmp_path: Path) -> None:
    manifest = Manifest({"video": ["v.mp4"]}, tmp_path)
    with pytest.raises(UsageError, match="workers"):
        extract_frames(manifest, tmp_path / "f", workers=0)
    with pytest.raises(DataError, match="there are no clips"):
        extract_frames(manifest.filter(split="test"), tmp_path / "f")
