"""HMDB51: `CLASS_test_splitK.txt` with 0, 1 and 2 for unused, train and test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data import read_data
from kinema.errors import DataError, UsageError

Touch = Callable[..., Path]
PIPPI = "Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi"


def _list(root: Path, name: str, text: str) -> None:
    folder = root / "testTrainMulti_7030_splits"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(text.encode())


def test_folds_unused_and_absent(tmp_path: Path, touch: Touch) -> None:
    touch(
        f"cartwheel/{PIPPI}",
        "cartwheel/Rad_Schlag_die_Bank__cartwheel_f_cm_np1_le_med_0.avi",
        "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi",
        "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_1.avi",
        "brush_hair/new.avi",
    )
    _list(
        tmp_path,
        "cartwheel_test_split1.txt",
        f"{PIPPI} 2 \r\nRad_Schlag_die_Bank__cartwheel_f_cm_np1_le_med_0.avi 1 \r\ngone_cartwheel_f_cm_np1_le_med_0.avi 1 \r\n",
    )
    _list(
        tmp_path,
        "brush_hair_test_split1.txt",
        "\ufeffApril_09_brush_hair_u_nm_np1_ba_goo_0.avi 1\nApril_09_brush_hair_u_nm_np1_ba_goo_1.avi 0\n",
    )
    _list(tmp_path, "cartwheel_test_split2.txt", f"{PIPPI} 1\n")
    manifest = read_data(tmp_path)
    assert manifest.source_format == "HMDB51"
    assert manifest.table[["video", "label", "split", "group"]].values.tolist() == [
        ["brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi", "brush_hair", "train", "April_09"],
        [f"cartwheel/{PIPPI}", "cartwheel", "test", "Turnk_r_Pippi_Michel"],
        ["cartwheel/Rad_Schlag_die_Bank__cartwheel_f_cm_np1_le_med_0.avi", "cartwheel", "train", "Rad_Schlag_die_Bank_"],
    ]  # fmt: skip
    assert manifest.notes[:4] == [
        "HMDB51, fold 1: 3 videos of the 4 listed ones are there",
        "absent: 1 listed video; some of cartwheel (1): cartwheel/gone_cartwheel_f_cm_np1_le_med_0.avi",
        "left out: 1 listed video that the lists mark as unused",
        "skipped: 1 video that no list names: brush_hair/new.avi",
    ]
    assert read_data(tmp_path, fold=2).table["split"].tolist() == ["train"]
    with pytest.raises(DataError, match=r"7030_splits: no CLASS_test_split3\.txt"):
        read_data(tmp_path, fold=3)
    with pytest.raises(UsageError, match="HMDB51 has folds 1, 2 and 3, not 0"):
        read_data(tmp_path, fold=0)


def test_the_same_name_in_two_classes(tmp_path: Path, touch: Touch) -> None:
    touch("hmdb51_org/hit/a b #1.avi", "hmdb51_org/kick/a b #1.avi")
    _list(tmp_path, "hit_test_split1.txt", "a b #1.avi 1\n")
    _list(tmp_path, "kick_test_split1.txt", "a b #1.avi 2\n")
    assert read_data(tmp_path).table[["video", "label", "split"]].values.tolist() == [
        ["hmdb51_org/hit/a b #1.avi", "hit", "train"],
        ["hmdb51_org/kick/a b #1.avi", "kick", "test"],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.avi 1\nb.avi 3\n", r"hit_test_split1\.txt: line 2 is not 'VIDEO\.avi N' with N 0 \(unused\)"),
        ("a.avi\n", r"hit_test_split1\.txt: line 1 is not"),
        ("a.avi 1\na.avi 2\n", r"line 2: 'hit/a\.avi' is 'hit' of train in hit_test_split1\.txt line 1"),
        ("z.avi 1\n", r"none of the 1 listed videos is among the 1 video in this folder"),
    ],
)
def test_bad_lists(tmp_path: Path, touch: Touch, text: str, message: str) -> None:
    touch("hit/a.avi")
    _list(tmp_path, "hit_test_split1.txt", text)
    with pytest.raises(DataError, match=message):
        read_data(tmp_path)


def test_real_videos_in_one_folder_beside_nothing(tmp_path: Path, test_data: Path) -> None:
    lines = "RATRACE_wave_f_nm_np1_fr_goo_37.avi 1 \nTrumanShow_wave_f_nm_np1_fr_med_26.avi 2 \n"
    _list(tmp_path, "wave_test_split1.txt", lines)
    manifest = read_data(tmp_path / "testTrainMulti_7030_splits", videos=test_data / "odd-videos")
    assert manifest.table[["label", "split", "group"]].values.tolist() == [
        ["wave", "train", "RATRACE"],
        ["wave", "test", "TrumanShow"],
    ]
    assert all(segment.video.is_file() for segment in manifest.segments())
