"""What the tables beside the images say, and how segments and videos are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinema.data import Manifest, read_data
from kinema.data.frames import FrameSettings, extract_frames

Write = Callable[..., Path]
Numbers = Callable[[Path], list[int]]
Read = Callable[[Path], np.ndarray]
Rows = Callable[[Path], list[dict[str, str]]]
One = Callable[..., Manifest]


def test_only_the_seconds_of_a_segment(
    tmp_path: Path, write_numbered: Write, numbers: Numbers, rows: Rows, one: One
) -> None:
    video = write_numbered(tmp_path / "v.mp4", 100)
    extract_frames(one(video, start=2.0, end=2.5), tmp_path / "f")
    assert numbers(tmp_path / "f" / "v") == [20, 21, 22, 23, 24]
    assert [row["index"] for row in rows(tmp_path / "f" / "frames.csv")] == ["20", "21", "22", "23", "24"]


def test_the_tables(tmp_path: Path, write_numbered: Write) -> None:
    write_numbered(tmp_path / "clips" / "a.mp4", 4)
    manifest = Manifest(
        {
            "video": ["a.mp4", "a.mp4"], "start": [0, 0.2], "end": [0.2, 0.4], "label": ["run", "sit"],
            "split": ["train", "train"], "group": ["p1", "p1"], "camera": ["left", "left"],
        },
        tmp_path / "clips",
    )  # fmt: skip
    extract_frames(manifest, tmp_path / "f")
    assert (tmp_path / "f" / "frames.csv").read_text() == (
        "path,label,split,group,video,time,index\n"
        "a/a_00001.jpg,run,train,p1,a.mp4,0.0,0\n"
        "a/a_00002.jpg,run,train,p1,a.mp4,0.1,1\n"
        "a/a_00003.jpg,sit,train,p1,a.mp4,0.2,2\n"
        "a/a_00004.jpg,sit,train,p1,a.mp4,0.3,3\n"
    )
    assert (tmp_path / "f" / "labels.csv").read_text() == (
        "video,frame,label,split\n"
        "a,a_00001.jpg,run,train\na,a_00002.jpg,run,train\na,a_00003.jpg,sit,train\na,a_00004.jpg,sit,train\n"
    )
    assert (tmp_path / "f" / "manifest.csv").read_text() == (
        "video,start,end,label,split,group,fps,frames,source,source_start,source_end,camera\n"
        "a,0,0.2,run,train,p1,10,2,a.mp4,0,0.2,left\n"
        "a,0.2,0.4,sit,train,p1,10,2,a.mp4,0.2,0.4,left\n"
    )
    assert not (tmp_path / "f" / "failures.csv").exists()


def test_a_labelled_folder_of_frames_comes_back_with_equal_segments(
    tmp_path: Path, write_numbered: Write
) -> None:
    write_numbered(tmp_path / "clips" / "a.mp4", 30)
    write_numbered(tmp_path / "clips" / "b.mp4", 12)
    manifest = Manifest(
        {
            "video": ["a.mp4", "a.mp4", "a.mp4", "b.mp4"], "start": [0, 1, 2.2, 0], "end": [1, 2.2, 3, 1.2],
            "label": ["run", "sit", "run", "sit"], "split": ["train", "train", "train", "test"],
        },
        tmp_path / "clips",
    )  # fmt: skip
    extract_frames(manifest, tmp_path / "f")
    wanted = [
        ("a", 0.0, 1.0, "run", "train"), ("a", 1.0, 2.2, "sit", "train"),
        ("a", 2.2, 3.0, "run", "train"), ("b", 0.0, 1.2, "sit", "test"),
    ]  # fmt: skip
    for found in (read_data(tmp_path / "f"), read_data(tmp_path / "f", format="labels.csv", fps=10)):
        table = found.table[["video", "start", "end", "label", "split"]]
        assert [tuple(row) for row in table.itertuples(index=False)] == [
            (video, pytest.approx(start), pytest.approx(end), label, split)
            for video, start, end, label, split in wanted
        ]
    assert read_data(tmp_path / "f").validate().segments()[0].extra["fps"] == 10


def test_frame_folders_as_input(test_data: Path, tmp_path: Path, read_image: Read) -> None:
    """S4's own data, through frames and back: the same segments, the same pictures."""
    seals = read_data(test_data / "seals")
    found = extract_frames(seals, tmp_path / "f", FrameSettings(size=32))
    assert (found.images, found.clips) == (725, 15)
    columns = ["video", "start", "end", "label", "split"]
    again = read_data(tmp_path / "f", format="labels.csv")
    assert again.table[columns].to_dict() == seals.table[columns].to_dict()
    extract_frames(seals.filter(split="train"), tmp_path / "g", FrameSettings(every=33, format="png"))
    name = "s26-8164"
    original = cv2.imread(str(test_data / "seals" / name / f"{name}-00100.jpeg"))[..., ::-1]
    assert np.array_equal(read_image(tmp_path / "g" / name / f"{name}_00004.png"), original)


def test_segments_with_gaps_or_overlaps_have_folders_of_their_own(
    tmp_path: Path, write_numbered: Write, numbers: Numbers, rows: Rows
) -> None:
    write_numbered(tmp_path / "v.mp4", 50)
    manifest = Manifest(
        {"video": ["v.mp4"] * 3, "start": [0, 2, 2.5], "end": [1, 3, 3.5], "label": ["run", "sit", "run"]},
        tmp_path,
    )
    found = extract_frames(manifest, tmp_path / "f")
    assert numbers(tmp_path / "f" / "v_s01") == list(range(10))
    assert numbers(tmp_path / "f" / "v_s02") == [20, 21, 22, 23, 24, 25, 26, 27, 0, 1]
    assert numbers(tmp_path / "f" / "v_s03") == [25, 26, 27, 0, 1, 2, 3, 4, 5, 6]
    assert any("3 clips are parts of 1 video, with names like v_s01" in note for note in found.notes)
    again = read_data(tmp_path / "f")
    assert [row["label"] for row in rows(tmp_path / "f" / "manifest.csv")] == ["run", "sit", "run"]
    assert again.table["group"].nunique() == 1  # one video: never divided between splits


def test_per_video_takes_so_many_of_each_segment(
    tmp_path: Path, write_numbered: Write, numbers: Numbers
) -> None:
    write_numbered(tmp_path / "v.mp4", 28)
    manifest = Manifest(
        {"video": ["v.mp4"] * 2, "start": [0, 1.0], "end": [1.0, 2.8], "label": ["run", "sit"]}, tmp_path
    )
    extract_frames(manifest, tmp_path / "f", FrameSettings(per_video=2))
    assert numbers(tmp_path / "f" / "v_s01") == [2, 7]
    assert numbers(tmp_path / "f" / "v_s02") == [14, 23]


def test_class_layout(tmp_path: Path, write_numbered: Write, rows: Rows) -> None:
    for name in ("run/1.mp4", "run/2.mp4", "sit/1.mp4"):
        write_numbered(tmp_path / "clips" / name, 2)
    extract_frames(read_data(tmp_path / "clips"), tmp_path / "f", FrameSettings(layout="class"))
    images = sorted(path.relative_to(tmp_path / "f").as_posix() for path in (tmp_path / "f").glob("*/*.jpg"))
    assert images == [
        "run/1_00001.jpg", "run/1_00002.jpg", "run/2_00001.jpg", "run/2_00002.jpg",
        "sit/1_00001.jpg", "sit/1_00002.jpg",
    ]  # fmt: skip
    table = rows(tmp_path / "f" / "frames.csv")
    assert [row["path"] for row in table] == images
    assert [row["label"] for row in table] == ["run"] * 4 + ["sit"] * 2


def test_videos_of_the_same_name_do_not_overwrite_each_other(tmp_path: Path, write_numbered: Write) -> None:
    write_numbered(tmp_path / "clips" / "run" / "1.mp4", 2)
    write_numbered(tmp_path / "clips" / "sit" / "1.mp4", 5)
    found = extract_frames(read_data(tmp_path / "clips"), tmp_path / "f")
    assert len(list((tmp_path / "f" / "run_1").iterdir())) == 2
    assert len(list((tmp_path / "f" / "sit_1").iterdir())) == 5
    assert found.notes[0].endswith("run/1.mp4 as run_1, sit/1.mp4 as sit_1")


def test_names_that_only_differ_in_suffix_or_case(tmp_path: Path, write_numbered: Write) -> None:
    write_numbered(tmp_path / "a.mp4", 1)
    write_numbered(tmp_path / "a.mkv", 2)
    write_numbered(tmp_path / "A.mov", 3)
    manifest = Manifest({"video": ["a.mp4", "a.mkv", "A.mov"]}, tmp_path)
    extract_frames(manifest, tmp_path / "f")
    folders = {path.name.casefold(): len(list(path.iterdir())) for path in (tmp_path / "f").glob("[!.]*/")}
    assert sorted(folders.values()) == [1, 2, 3]


def test_unicode_spaces_and_characters_that_folders_cannot_hold(
    tmp_path: Path, write_numbered: Write
) -> None:
    name = "Turnkür Pippi, 体操 [1].mp4"
    write_numbered(tmp_path / name, 2)
    manifest = Manifest({"video": [name], "label": ["hand/stand: 倒立"]}, tmp_path)
    extract_frames(manifest, tmp_path / "v")
    assert (tmp_path / "v" / "Turnkür Pippi, 体操 [1]" / "Turnkür Pippi, 体操 [1]_00002.jpg").exists()
    assert read_data(tmp_path / "v").segments()[0].video.is_dir()
    labels = read_data(tmp_path / "v", format="labels.csv").table
    assert labels["label"].tolist() == ["hand/stand: 倒立"]
    extract_frames(manifest, tmp_path / "c", FrameSettings(layout="class"))
    assert (tmp_path / "c" / "hand_stand_ 倒立" / "Turnkür Pippi, 体操 [1]_00002.jpg").exists()


def test_frames_without_labels_leave_room_for_a_labels_csv(tmp_path: Path, write_numbered: Write) -> None:
    video = write_numbered(tmp_path / "v.mp4", 4)
    found = extract_frames(Manifest({"video": ["v.mp4"]}, tmp_path), tmp_path / "f")
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == [".frames", "frames.csv", "v"]
    assert found.notes == [
        "no clip has a label, so there is no labels.csv yet; the images are at 10 frames a second"
    ]
    mine = "video,frame,label,split\nv,v_00001.jpg,run,train\n"
    (tmp_path / "f" / "labels.csv").write_text(mine)
    extract_frames(Manifest({"video": [video.name]}, tmp_path), tmp_path / "f")
    assert (tmp_path / "f" / "labels.csv").read_text() == mine
    assert read_data(tmp_path / "f").classes == ["run"]
