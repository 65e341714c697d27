"""Splits that somebody chose, video by video, and splits at random, which leak and are marked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from kinema.data import Manifest, folds, split_by_group
from kinema.data.splits import random_split, split_by_lists, split_by_table
from kinema.errors import DataError, UsageError


def _people(people: int, classes: int = 3, clips: int = 2) -> Manifest:
    rows = [
        (f"p{p}_c{c}_{i}.mp4", f"class{c}", f"p{p}")
        for p in range(people)
        for c in range(classes)
        for i in range(clips)
    ]
    video, label, group = zip(*rows, strict=True)
    return Manifest({"video": list(video), "label": list(label), "group": list(group)})


def _counts(manifest: Manifest) -> Counter[tuple[str, str]]:
    return Counter(zip(manifest.table["label"], manifest.table["split"], strict=True))


def _films(**columns: list[str | None]) -> Manifest:
    """Six videos of three people in two classes; two have the same name."""
    names = ["run/p1.mp4", "run/p2.mp4", "run/p3.mp4", "sit/p1.mp4", "sit/p2 b.avi", "sit/deep/p3"]
    table = {"video": names, "label": ["run"] * 3 + ["sit"] * 3, "group": [f"g{i}" for i in range(6)]}
    return Manifest({**table, **columns})


def _split_of(manifest: Manifest) -> dict[str, str]:
    return dict(zip(manifest.table["video"], manifest.table["split"], strict=True))


def test_lists_find_videos_however_they_are_written(tmp_path: Path) -> None:
    # Byte order mark, CRLF, Windows separators, trailing spaces, other folders in front, no suffix, a class number.
    text = "\ufeffrun\\p2.mp4  \r\n\r\n/elsewhere/data/sit/p1.avi 2\r\np2 b\r\n"
    (tmp_path / "testlist.txt").write_bytes(text.encode())
    split = split_by_lists(_films(), {"test": tmp_path / "testlist.txt", "valid": "deep/p3, not/here.mp4"})
    assert _split_of(split) == {
        "run/p1.mp4": "train", "run/p2.mp4": "test", "run/p3.mp4": "train",
        "sit/p1.mp4": "test", "sit/p2 b.avi": "test", "sit/deep/p3": "valid",
    }  # fmt: skip
    assert split.notes == [
        "valid: 1 listed video not in the data: not/here.mp4",
        "split by lists of videos: train 2 clips, valid 1 clip, test 3 clips",
    ]


def test_with_a_train_list_the_unlisted_are_left_out() -> None:
    split = split_by_lists(_films(), {"train": ["run/p1", "sit/p1"], "test": ["run/p2"]})
    assert _split_of(split) == {"run/p1.mp4": "train", "run/p2.mp4": "test", "sit/p1.mp4": "train"}
    assert "3 clips in no list left out" in split.notes


def test_a_table_of_videos_and_splits(tmp_path: Path) -> None:
    table = tmp_path / "splits.csv"
    table.write_text(
        'Video,Split,note\n"run/p1.mp4",Training,\nsit/p1,TEST,"a, b"\nsit/deep/p3,val,\nrun/p2.mp4,,\n'
    )
    assert _split_of(split_by_table(_films(), table)) == {
        "run/p1.mp4": "train", "sit/p1.mp4": "test", "sit/deep/p3": "valid"
    }  # fmt: skip
    table.write_text("video,split\nrun/p1,train\nrun/p2,later\n")
    with pytest.raises(DataError, match=r"splits.csv: line 3: unknown split 'later'"):
        split_by_table(_films(), table)
    table.write_text("video,part\nrun/p1,train\n")
    with pytest.raises(DataError, match="the column 'split' is missing"):
        split_by_table(_films(), table)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"test": "p1.mp4"}, "'p1.mp4' may be run/p1.mp4, sit/p1.mp4; write more of its path"),
        (
            {"test": "run/p1", "valid": "run/p1.mp4"},
            "'run/p1.mp4' is for valid here, but for test in 'run/p1'",
        ),
        (
            {"test": "run/p9"},
            r"none of the 1 video for test is in the data \('run/p9'\); a video here is 'run/p1.mp4'",
        ),
        ({"test": "jump/p3.mp4"}, "none of the 1 video for test is in the data"),
        ({"test": "absent.txt"}, "absent.txt: no such file"),
        ({"test": " , "}, "the lists of videos are empty"),
    ],
)
def test_lists_that_cannot_be_followed(lists: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_by_lists(_films(), lists)


def test_lists_that_divide_a_group_need_consent() -> None:
    manifest = _films(group=["p1", "p2", "p3", "p1", "p2", "p3"])
    with pytest.raises(
        DataError, match=r"divide 1 group: 'p1' has 'run/p1.mp4' in test and 'sit/p1.mp4' in train"
    ):
        split_by_lists(manifest, {"test": "run/p1"})
    split = split_by_lists(manifest, {"test": "run/p1"}, allow_leakage=True)
    assert split.split_by == "list" and split.validate() is split
    whole = split_by_lists(manifest, {"test": "run/p1,sit/p1"}, allow_leakage=True)
    assert whole.split_by is None and "split_by" not in whole.table


@pytest.mark.parametrize("by", ["clip", "frame"])
def test_a_random_split_needs_consent(by: str) -> None:
    with pytest.raises(UsageError, match="inflates every number; split by group, or add --allow-leakage"):
        random_split(_people(4), by=by)


def test_a_random_split_by_clip_is_stratified_and_marked(tmp_path: Path) -> None:
    manifest = _people(20)
    split = random_split(manifest, allow_leakage=True)
    assert _counts(split) == {
        (f"class{c}", name): number
        for c in range(3)
        for name, number in (("train", 28), ("valid", 6), ("test", 6))
    }
    assert len(split.divided("group")) > 10
    for name in ("s.csv", "s.parquet"):
        again = Manifest.read(split.write(tmp_path / name))
        assert again.split_by == "clip" and again.validate() is again
        assert again.filter(split="test").split_by == "clip"
        assert "random by clip" in again.describe()
    mixed = manifest.replace(manifest.table.sample(frac=1, random_state=3))
    assert _split_of(random_split(mixed, allow_leakage=True)) == _split_of(split)
    assert _split_of(random_split(manifest, seed=1, allow_leakage=True)) != _split_of(split)


def test_splitting_by_group_takes_the_mark_away() -> None:
    split = random_split(_people(10), allow_leakage=True)
    assert (
        split_by_group(split).split_by == "clip"
    )  # given splits are kept, and so is what is wrong with them
    assert split_by_group(split, replace=True).split_by is None
    assert {fold.split_by for fold in folds(split, 5)} == {None}


def test_a_random_split_by_frame_deals_out_seconds() -> None:
    table = {"video": ["a", "a", "b"], "start": [1.0, 5.0, 0.0], "end": [3.5, 5.4, 10.0], "label": ["x"] * 3}
    split = random_split(Manifest(table), {"train": 0.5, "test": 0.5}, by="frame", allow_leakage=True)
    rows = list(zip(split.table["video"], split.table["start"], split.table["end"], strict=True))
    assert rows[:3] == [("a", 1.0, 2.0), ("a", 2.0, 3.5), ("a", 5.0, 5.4)] and len(rows) == 13
    assert rows[3:5] == [("b", 0.0, 1.0), ("b", 1.0, 2.0)]
    assert split.divided("video") == ["a", "b"] or split.divided("video") == ["b"]
    assert split.split_by == "frame" and split.validate() is split
    with pytest.raises(DataError, match="no such file"):
        random_split(Manifest({"video": ["a"]}), by="frame", allow_leakage=True)


def test_a_leaky_split_without_valid_stays_as_it_is() -> None:
    # Every group is in train and test, so there is none that valid could be taken from.
    given = random_split(_people(4, clips=10), {"train": 0.5, "test": 0.5}, allow_leakage=True)
    split = split_by_group(given)
    assert split.table.equals(given.table)
    assert split.notes[-1] == "no valid: the given splits divide the groups to take from"
