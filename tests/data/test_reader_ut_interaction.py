"""UT-Interaction: everything is in the names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data import folds, read_data
from kinema.errors import DataError

Touch = Callable[..., Path]


def test_class_folders(touch: Touch) -> None:
    others = [f"hugging/set2_seq11_{n}_1.avi" for n in (6, 7, 8)]
    root = touch("kicking/set1_seq04_20_2.avi", "hugging/set2_seq11_5_1.avi", *others, "hugging/notes.mp4")
    manifest = read_data(root)
    assert manifest.source_format == "UT-Interaction"
    rows = manifest.table[["video", "label", "split", "group", "set"]].values.tolist()
    assert [rows[0], rows[-1]] == [
        ["hugging/set2_seq11_5_1.avi", "hugging", None, "set2_seq11", "set2"],
        ["kicking/set1_seq04_20_2.avi", "kicking", None, "set1_seq04", "set1"],
    ]
    assert manifest.notes == [
        "UT-Interaction: 5 clips of 2 sequences, set1, set2",
        "groups: the sequence; the usual protocol leaves one out at a time, a set at a time",
        "skipped: 1 video with other names: hugging/notes.mp4",
    ]


def test_a_folder_where_many_other_clips_lie_is_read_whole(touch: Touch) -> None:
    root = touch("kicking/set1_seq04_20_2.avi", "kicking/set1_seq04_21_2.avi", "kicking/mine.mp4")
    assert (read_data(root).source_format, len(read_data(root))) == ("class folders", 3)


def test_without_class_folders_the_number_is_the_class(touch: Touch) -> None:
    root = touch(*(f"set1_seq01_{n}_{n}.avi" for n in range(6)))
    assert read_data(root).table["label"].tolist() == [
        "hand_shaking", "hugging", "kicking", "pointing", "punching", "pushing",
    ]  # fmt: skip


@pytest.mark.parametrize("top", ["", "segmented_set1"])
def test_the_official_archives(touch: Touch, top: str) -> None:
    # ID_SEQUENCE_ACTION.avi, the set in the folder's name.
    root = touch("segmented_set1/0_1_4.avi", "segmented_set1/54_10_0.avi")
    manifest = read_data(root / top)
    assert manifest.source_format == "UT-Interaction"
    assert manifest.table[["label", "group", "set"]].values.tolist() == [
        ["punching", "set1_seq01", "set1"],
        ["hand_shaking", "set1_seq10", "set1"],
    ]


def test_folders_that_mix_actions_are_classes_and_named(touch: Touch) -> None:
    root = touch("violent/set1_seq01_0_4.avi", "violent/set1_seq01_1_2.avi", "calm/set1_seq01_2_1.avi")
    manifest = read_data(root)
    assert manifest.classes == ["calm", "violent"]
    assert "the numbers in the names differ inside violent; the folder is the class" in manifest.notes


def test_splits_that_a_user_made_are_kept(touch: Touch) -> None:
    root = touch("train/kicking/set1_seq04_20_2.avi", "test/kicking/set2_seq11_1_2.avi")
    manifest = read_data(root)
    assert (manifest.source_format, manifest.splits) == ("class folders", ["train", "test"])


def test_asked_for_by_name_where_it_is_not(touch: Touch) -> None:
    with pytest.raises(DataError, match=r"no video is named setS_seqNN_ID_ACTION\.avi"):
        read_data(touch("kicking/a.avi"), format="UT-Interaction")


def test_the_whole_set(test_data: Path) -> None:
    manifest = read_data(test_data / "ut-interaction")
    assert (len(manifest), len(manifest.groups), manifest.splits) == (120, 20, [])
    assert manifest.table.groupby(["set", "label"]).size().tolist() == [10] * 12
    # Ten sequences a set, one left out at a time.
    first = manifest.filter(where="set == 'set1'")
    assert len(folds(first, "group")) == 10
    assert manifest.notes[0] == "UT-Interaction: 120 clips of 20 sequences, set1, set2"
