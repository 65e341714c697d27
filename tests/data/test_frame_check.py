"""Labels against the frames they name: every kind of difference is listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from kinema.data.frame_check import check_frames, differences_text
from kinema.errors import DataError


def _found(differences: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(differences[["problem", "video", "frame"]].itertuples(index=False, name=None))


def test_every_kind_of_difference(touch: Callable[..., Path], tmp_path: Path) -> None:
    touch(*[f"v/v_{n:05d}.jpg" for n in (1, 2, 3, 4, 5, 8, 9)], "v/v_00002.png", "v/cover.jpg")
    touch("w/w_3.jpg", "extra/1.jpg", "extra/2.jpg", "empty/readme.txt", ".hidden/1.jpg")
    rows = [
        "v,v_00001.jpg,a,train", "v,v_00002.jpg,a,train", "v,v_00002.png,a,train", "v,v_00003.jpg,a,train",
        "v,v_00003.jpg,b,train", "v,v_00004.jpg,a,train", "v,v_00004.jpg,a,train", "v,v_00006.jpg,a,train",
        "v,v_00008.jpeg,a,train", "v,v_00009.jpg,a,train", "w,w_3.jpg,a,test", "gone,g_1.jpg,a,test",
    ]  # fmt: skip
    (tmp_path / "labels.csv").write_bytes(("video,frame,label,split\r\n" + "\r\n".join(rows)).encode())
    differences = check_frames(tmp_path)
    assert _found(differences) == [
        ("missing frame", "v", "v_00006.jpg"),
        ("two labels", "v", "v_00003.jpg"),
        ("duplicate label", "v", "v_00004.jpg"),
        ("missing label", "v", "cover.jpg"),
        ("missing label", "v", "v_00005.jpg"),
        ("no number", "v", "cover.jpg"),
        ("duplicate frame", "v", "v_00002.jpg"),
        ("gap", "v", ""),
        ("gap", "w", ""),
        ("missing folder", "gone", ""),
        ("unlabelled folder", "extra", ""),
    ]
    details = dict(zip(_found(differences), differences["detail"], strict=True))
    assert details["missing frame", "v", "v_00006.jpg"] == "line 9, label 'a'"
    assert details["two labels", "v", "v_00003.jpg"] == "lines 5, 6: 'a' train and 'b' train"
    assert details["duplicate label", "v", "v_00004.jpg"] == "lines 7, 8"
    assert details["gap", "v", ""] == "number 7"
    assert details["gap", "w", ""] == "numbers 1 to 2 (2)"
    assert details["unlabelled folder", "extra", ""] == "2 images, and the table does not name this video"
    text = differences_text(differences)
    assert text.splitlines()[0] == "12 labels against 12 images: 11 differences"
    assert "  2 missing label: v/cover.jpg, v/v_00005.jpg" in text


def test_labels_and_frames_that_agree(touch: Callable[..., Path], tmp_path: Path, test_data: Path) -> None:
    touch("frames/v/v_00000.jpg", "frames/v/v_00001.jpg")
    (tmp_path / "l.csv").write_text("video,frame,label\nv,v\\v_00000.jpg,a\nv,v_00001.jpg,a\n")
    differences = check_frames(tmp_path / "l.csv", tmp_path / "frames")
    assert len(differences) == 0
    assert (
        differences_text(differences)
        == "2 labels against 2 images: each frame has one label, and each label one frame"
    )
    assert len(check_frames(test_data / "seals")) == 0
    with pytest.raises(DataError, match="nowhere: no such folder"):
        check_frames(tmp_path / "l.csv", tmp_path / "nowhere")
