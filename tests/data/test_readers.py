"""Readers: the layouts that people have are recognised, and what is left out is named."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinema.data import Manifest, frame_labels, read_data, readers
from kinema.errors import DataError, UsageError

Touch = Callable[..., Path]


def _rows(manifest: Manifest) -> list[tuple[str, str | None, str | None]]:
    return list(manifest.table[["video", "label", "split"]].itertuples(index=False, name=None))


def test_class_folders(touch: Touch) -> None:
    root = touch(
        "run/10.mp4", "run/2.AVI", "sit down/ö 'x'.mov", "run/.hidden.mp4", "run/notes.txt", "empty/readme.md"
    )
    manifest = read_data(root)
    assert _rows(manifest) == [
        ("run/2.AVI", "run", None), ("run/10.mp4", "run", None), ("sit down/ö 'x'.mov", "sit down", None),
    ]  # fmt: skip
    assert manifest.source_format == "class folders"
    assert manifest.notes[:4] == [
        "3 videos in 2 class folders",
        "skipped: 1 folder without videos: empty/",
        "skipped: 1 file of other kinds: run/notes.txt",
        "skipped: 1 hidden file",
    ]


def test_splits_above_the_classes(touch: Touch) -> None:
    root = touch("train/run/a.mp4", "val/run/b.mp4", "Test/sit/c.mp4", "train/stray.mp4", "extra/d.mp4")
    manifest = read_data(root)
    assert _rows(manifest) == [
        ("Test/sit/c.mp4", "sit", "test"), ("train/run/a.mp4", "run", "train"), ("val/run/b.mp4", "run", "valid"),
    ]  # fmt: skip
    text = "\n".join(manifest.notes)
    assert "1 video directly in train/, without a class: stray.mp4" in text
    assert "skipped: extra" in text


def test_a_class_may_be_called_train(touch: Touch) -> None:
    assert read_data(touch("train/a.mp4", "bus/b.mp4")).classes == ["bus", "train"]


def test_splits_without_classes_are_refused(touch: Touch) -> None:
    with pytest.raises(
        DataError, match=r"videos without class folders in test/, train/; sort them into test/CLASS/"
    ):
        read_data(touch("train/a.mp4", "test/b.mp4"))


def test_one_folder_around_the_classes(touch: Touch) -> None:
    manifest = read_data(touch("archive/run/a.mp4", "archive/sit/b.mp4", "LICENSE"))
    assert _rows(manifest) == [("archive/run/a.mp4", "run", None), ("archive/sit/b.mp4", "sit", None)]
    assert manifest.notes[1] == "the class folders are in archive/"


def test_folders_below_the_class_are_groups(touch: Touch) -> None:
    manifest = read_data(touch("run/tape1/a.mp4", "run/tape1/b.mp4", "run/tape2/c.mp4", "sit/d.mp4"))
    groups = dict(zip(manifest.table["video"], manifest.table["group"], strict=True))
    assert groups == {
        "run/tape1/a.mp4": "run/tape1", "run/tape1/b.mp4": "run/tape1", "run/tape2/c.mp4": "run/tape2", "sit/d.mp4": "sit/d",
    }  # fmt: skip


def test_frame_folders_in_class_folders(touch: Touch) -> None:
    manifest = read_data(touch("run/v1/1.jpg", "run/v1/2.jpg", "run/v2.mp4", "sit/v3/1.png"))
    assert {(video, label) for video, label, _ in _rows(manifest)} == {
        ("run/v1", "run"),
        ("run/v2.mp4", "run"),
        ("sit/v3", "sit"),
    }


def test_unlabelled_videos_one_video_and_one_frame_folder(touch: Touch) -> None:
    root = touch("flat/b.mp4", "flat/a.mp4", "frames/1.jpg")
    assert _rows(read_data(root / "flat")) == [("a.mp4", None, None), ("b.mp4", None, None)]
    one = read_data(root / "flat" / "a.mp4")
    assert (one.segments()[0].video, one.source_format) == (root / "flat/a.mp4", "one video")
    assert read_data(root / "frames").segments()[0].video == root / "frames"


def test_a_folder_with_a_manifest(tmp_path: Path) -> None:
    Manifest({"video": ["a.mp4"], "label": ["x"]}, root=tmp_path).write(tmp_path / "manifest.csv")
    assert read_data(tmp_path).source_format == "manifest"


def test_nothing_to_read(tmp_path: Path, touch: Touch) -> None:
    (tmp_path / "fights").mkdir()
    with pytest.raises(DataError, match=r"fights: no videos in this folder \(it is empty\)"):
        read_data(tmp_path / "fights")
    with pytest.raises(DataError, match=r"fight: no such file or folder; did you mean '.*fights'"):
        read_data(tmp_path / "fight")
    touch("text/a.txt")
    with pytest.raises(DataError, match=r"no videos in this folder \(it holds a\.txt\)"):
        read_data(tmp_path / "text")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr("a", "b")
    with pytest.raises(DataError, match=r"x\.zip: this is a packed archive; unpack it"):
        read_data(tmp_path / "x.zip")
    with pytest.raises(UsageError, match="unknown data format 'ucf'"):
        read_data(tmp_path, format="ucf")
    with pytest.raises(UsageError, match="has no option 'fold'"):
        read_data(touch("c/a.mp4") / "c", fold=2)


def _frames(root: Path, video: str, count: int) -> None:
    (root / video).mkdir()
    for n in range(1, count + 1):
        cv2.imwrite(str(root / video / f"{video}_{n}.jpg"), np.full((8, 8, 3), n, np.uint8))


def test_labels_csv_runs_become_segments(tmp_path: Path) -> None:
    _frames(tmp_path, "v", 12)
    labels = ["a"] * 3 + ["b"] * 7 + ["a"]  # frames 1 to 11; frame 12 has no label
    rows = [f"v,v_{n}.jpg,{label},{'train'}" for n, label in enumerate(labels, start=1)]
    rows[5:5] = [rows[5], "v,v_99.jpg,a,train", "gone,g_1.jpg,a,test"]
    text = "video,frame,label,split\r\n" + "\n".join(rows[:4]) + "\r\n" + "\r".join(rows[4:])
    (tmp_path / "labels.csv").write_bytes(text.encode())
    manifest = read_data(tmp_path, fps=10.0)
    cells = manifest.table[["video", "start", "end", "label", "split", "fps", "frames"]]
    assert cells.values.tolist() == [
        ["v", 0.0, 0.3, "a", "train", 10.0, 3], ["v", 0.3, 1.0, "b", "train", 10.0, 7], ["v", 1.0, 1.1, "a", "train", 10.0, 1],
    ]  # fmt: skip
    assert manifest.notes[:5] == [
        "labels.csv: 11 labelled frames of 1 video became 3 segments at 10 frames a second",
        "1 video without a folder of frames: gone",
        "1 label without a frame, left out: v/v_99.jpg",
        "1 frame without a label, left out: v/v_12.jpg",
        "1 row repeated, used once: v/v_6.jpg",
    ]
    frames = frame_labels(tmp_path)
    assert frames["index"].tolist() == list(range(11))
    assert frames["frame"].tolist()[9] == "v_10.jpg"
    assert frames["label"].tolist() == labels


def test_a_frame_with_two_labels_ends_the_run(tmp_path: Path) -> None:
    _frames(tmp_path, "v", 3)
    (tmp_path / "labels.csv").write_text(
        "video,frame,label\nv,v_1.jpg,a\nv,v_2.jpg,a\nv,v_2.jpg,b\nv,v_3.jpg,a\n"
    )
    manifest = read_data(tmp_path)
    assert manifest.table[["start", "end"]].values.tolist() == [[0.0, 0.04], [0.08, 0.12]]
    assert "1 frame with two labels or splits, left out: v/v_2.jpg" in manifest.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,frames,label\nv,1,a\n", r"column 'frame' is missing .*; rename 'frames' to 'frame'"),
        ("video,label,split\nv,a,train\n", r"column 'frame' is missing"),
        ("video,frame,label\n", r"no frame is labelled"),
        ("video,frame,label\nv,v_1.jpg,\n", r"line 2: the cell 'label' is empty"),
        ("video,frame,label,split\nv,v_1.jpg,a,some\n", r"line 2: unknown split 'some'"),
        (
            "video,frame,label\nw,v_1.jpg,a\n",
            r"none of the labelled frames is there; 1 video without a folder of frames: w",
        ),
    ],
)
def test_bad_labels_csv(tmp_path: Path, text: str, message: str) -> None:
    _frames(tmp_path, "v", 1)
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_data(tmp_path)


def test_text_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("walking")
    with pytest.raises(DataError, match=r"notes\.txt: neither a video nor a list of a known format \(.*KTH"):
        read_data(tmp_path / "notes.txt")


def test_every_reader_is_registered_and_says_its_layout() -> None:
    found = {reader.name: reader for reader in readers()}
    assert {"UCF101", "HMDB51", "KTH", "Kinetics", "Something-Something v2", "UT-Interaction"} <= set(found)
    assert all(reader.layout for reader in found.values())
    assert [found[name].options for name in ("UCF101", "HMDB51", "KTH", "Kinetics", "Something-Something v2")] == [
        ["fold", "videos"], ["fold", "videos"], ["videos"], ["videos"], ["videos"],
    ]  # fmt: skip
    names = [reader.name for reader in readers()]
    assert names[-2:] == ["one video", "class folders"]


def test_real_sets(test_data: Path) -> None:
    seals = read_data(test_data / "seals")
    assert (seals.table["frames"].sum(), len(seals), seals.splits) == (725, 15, ["train", "valid", "test"])
    assert frame_labels(test_data / "seals").groupby(["video", "label"]).size().to_dict() == {
        ("s26-8164", "noseal"): 179, ("s26-8164", "seal"): 87, ("s27-8212", "noseal"): 91, ("s27-8212", "seal"): 83,
        ("s28-20", "noseal"): 152, ("s28-20", "seal"): 133,
    }  # fmt: skip
    assert [read_data(test_data / name).source_format for name in ("ut-interaction", "ucf101", "kth", "fights")] == [
        "UT-Interaction", "UCF101", "KTH", "class folders",
    ]  # fmt: skip
    falls = read_data(test_data / "falls")
    assert falls.groups == ["subject1", "subject2", "subject3", "subject4"]
