"""What goes wrong while frames are written: broken videos, broken pictures, a small disk, a full one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.data import Manifest
from kinema.data.frames import FrameSettings, extract_frames
from kinema.errors import DataError, KinemaError

MakeVideo = Callable[..., Path]
Write = Callable[..., Path]
Numbers = Callable[[Path], list[int]]
Rows = Callable[[Path], list[dict[str, str]]]
One = Callable[..., Manifest]


def test_what_cannot_be_read_is_left_out_and_listed(
    tmp_path: Path, write_numbered: Write, rows: Rows
) -> None:
    write_numbered(tmp_path / "good.mp4", 3)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("not a video at all")
    names = ["good.mp4", "empty.mp4", "text.mp4", "gone.mp4", "good.mp4"]
    manifest = Manifest({"video": names, "start": [None] * 4 + [50], "end": [None] * 4 + [60]}, tmp_path)
    found = extract_frames(manifest, tmp_path / "f")
    assert (found.images, found.clips) == (3, 1)
    table = rows(tmp_path / "f" / "failures.csv")
    assert {row["video"]: row["kind"] for row in table} == {
        "empty.mp4": "unreadable", "text.mp4": "unreadable", "gone.mp4": "missing", "good.mp4": "no frames",
    }  # fmt: skip
    assert {row["video"]: row["reason"] for row in table}["empty.mp4"].startswith(
        "the file is empty (0 bytes)"
    )
    assert not list((tmp_path / "f" / ".frames" / "partial").glob("*"))


def test_nothing_written_is_an_error(tmp_path: Path, rows: Rows) -> None:
    (tmp_path / "v.mp4").write_bytes(b"x" * 100)
    with pytest.raises(DataError, match=r"no image was written; failures.csv there lists why, first v.mp4: "):
        extract_frames(Manifest({"video": ["v.mp4"]}, tmp_path), tmp_path / "f")
    assert rows(tmp_path / "f" / "failures.csv")[0]["video"] == "v.mp4"


def test_a_corrupt_image_of_a_frame_folder_is_left_out(
    tmp_path: Path, write_numbered: Write, numbers: Numbers, rows: Rows, one: One
) -> None:
    folder = tmp_path / "clips" / "v"
    extract_frames(one(write_numbered(tmp_path / "v.mp4", 5)), tmp_path / "clips")
    damaged = folder / "v_00003.jpg"
    damaged.write_bytes(damaged.read_bytes()[:200])
    found = extract_frames(Manifest({"video": ["v"]}, tmp_path / "clips"), tmp_path / "f")
    assert numbers(tmp_path / "f" / "v") == [0, 1, 3, 4]
    assert [row["index"] for row in rows(tmp_path / "f" / "frames.csv")] == ["0", "1", "3", "4"]
    failure = rows(tmp_path / "f" / "failures.csv")[0]
    assert (failure["kind"], failure["images"]) == ("damaged frame", "4")
    assert failure["reason"].startswith("v_00003.jpg: the image is cut short")
    assert found.lost == []


def test_a_cut_video_gives_the_frames_it_has_and_is_listed(
    tmp_path: Path, write_numbered: Write, numbers: Numbers, one: One
) -> None:
    write_numbered(tmp_path / "whole.mkv", 100)
    data = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "v.mkv").write_bytes(data[: len(data) * 6 // 10])
    found = extract_frames(one(tmp_path / "v.mkv"), tmp_path / "f")
    assert 10 < found.images < 100
    assert numbers(tmp_path / "f" / "v") == [index % 28 for index in range(found.images)]
    assert [failure.kind for failure in found.failures] == ["truncated"]


def test_damage_in_the_middle_keeps_the_other_frames(tmp_path: Path, make_video: MakeVideo, one: One) -> None:
    video = make_video("v.mp4", 60)
    data = bytearray(video.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 8] = np.random.default_rng(0).bytes(len(data) // 8)
    video.write_bytes(bytes(data))
    found = extract_frames(one(video), tmp_path / "f")
    assert 20 <= found.images < 60
    assert found.failures
    assert {failure.images for failure in found.failures} == {found.images}


def test_the_disk_is_looked_at_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_numbered: Write, one: One
) -> None:
    import kinema.data.frames.space as space

    video = write_numbered(tmp_path / "v.mp4", 100)
    monkeypatch.setattr(space, "free_space", lambda _: 100_000)
    rooms: list[Any] = []
    with pytest.raises(KinemaError, match=r"the disk is too small: about 100 images, 409.6 kB; 100.0 kB"):
        extract_frames(one(video), tmp_path / "f", announce=rooms.append)
    assert not (tmp_path / "f" / "v").exists()
    assert rooms[0].images == 100
    assert extract_frames(one(video), tmp_path / "f", FrameSettings(), check_space=False).images == 100


def test_a_full_disk_stops_the_run_and_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_numbered: Write
) -> None:
    write_numbered(tmp_path / "a.mp4", 3)
    write_numbered(tmp_path / "b.mp4", 3)
    manifest = Manifest({"video": ["a.mp4", "b.mp4"]}, tmp_path)
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "b_00002.jpg":
            raise OSError(28, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(KinemaError, match=r"b_00002.jpg: cannot be written: No space left on device"):
            extract_frames(manifest, tmp_path / "f", workers=1)
    assert len(list((tmp_path / "f" / "a").iterdir())) == 3
    assert not (tmp_path / "f" / "b").exists()
    found = extract_frames(manifest, tmp_path / "f", workers=1)
    assert (found.made, found.kept) == (3, 3)
