"""Splits and folds: no group is divided, classes keep their shares, a seed always gives the same split."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kinema.data import Manifest, folds, split_by_group
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


def test_equal_people_are_shared_exactly() -> None:
    split = split_by_group(_people(20))
    assert _counts(split) == {
        (f"class{c}", name): number
        for c in range(3)
        for name, number in (("train", 28), ("valid", 6), ("test", 6))
    }
    assert split.divided("group") == []
    assert split.notes[-1] == (
        "split by group, seed 0: train 84 clips (70%) of 14 groups, valid 18 clips (15%) of 3 groups, "
        "test 18 clips (15%) of 3 groups"
    )


def test_groups_of_single_classes_are_stratified() -> None:
    # As in UCF101: each group has clips of one class only; 20 groups a class of 1 to 4 clips.
    random = np.random.default_rng(0)
    rows = [
        (f"c{c}/g{g}_{i}", f"c{c}", f"c{c}_g{g}")
        for c in range(10)
        for g in range(20)
        for i in range(random.integers(1, 5))
    ]
    video, label, group = map(list, zip(*rows, strict=True))
    split = split_by_group(Manifest({"video": video, "label": label, "group": group}))
    counts, totals = _counts(split), Counter(label)
    for (name, part), number in counts.items():
        share = {"train": 0.7, "valid": 0.15, "test": 0.15}[part]
        assert abs(number - share * totals[name]) <= 1.5
    assert split.divided("group") == []


def test_every_class_reaches_every_split_where_groups_allow() -> None:
    # The rare class has exactly three groups among forty: one must go to each split.
    label = ["rare" if p in (3, 4, 5) else "usual" for p in range(40)]
    manifest = Manifest(
        {"video": [f"{p}" for p in range(40)], "label": label, "group": [f"p{p}" for p in range(40)]}
    )
    for seed in range(5):
        counts = _counts(split_by_group(manifest, seed=seed))
        assert [counts["rare", name] for name in ("train", "valid", "test")] == [1, 1, 1]


def test_a_class_in_one_group_goes_to_train_and_is_named() -> None:
    manifest = Manifest({
        "video": [str(i) for i in range(12)],
        "label": ["lone"] * 2 + ["usual"] * 10,
        "group": ["p0", "p0"] + [f"p{i}" for i in range(10)],
    })  # fmt: skip
    for seed in range(5):
        split = split_by_group(manifest, {"train": 0.2, "valid": 0.4, "test": 0.4}, seed=seed)
        assert set(split.filter(label="lone").table["split"]) == {"train"}
        assert (
            split.notes[-1]
            == "cannot be in every split, having fewer groups than there are splits: 'lone' (1 group)"
        )


def test_seed_decides_and_row_order_does_not() -> None:
    manifest = _people(12)
    mixed = manifest.replace(manifest.table.sample(frac=1, random_state=3))

    def place(m: Manifest, seed: int) -> dict[str, str]:
        split = split_by_group(m, seed=seed)
        return dict(zip(split.table["video"], split.table["split"], strict=True))

    assert place(manifest, 1) == place(mixed, 1)
    assert len({tuple(sorted(place(manifest, seed).items())) for seed in range(4)}) > 1


def test_rows_of_one_video_stay_together_whatever_their_groups() -> None:
    table = {
        "video": [f"v{i // 2}" for i in range(20)],
        "start": [i % 2 for i in range(20)],
        "end": [i % 2 + 1 for i in range(20)],
    }
    manifest = Manifest({**table, "label": ["a", "b"] * 10, "group": [f"g{i}" for i in range(20)]})
    assert split_by_group(manifest).divided("video") == []


def test_given_splits_are_kept_and_valid_comes_from_train() -> None:
    manifest = _people(10)
    official = ["test" if group in ("p0", "p1", "p2") else "train" for group in manifest.table["group"]]
    given = manifest.replace(manifest.table.assign(split=official))
    split = split_by_group(given, {"train": 0.6, "valid": 0.1, "test": 0.3})
    assert set(split.filter(split="test").groups) == {"p0", "p1", "p2"}
    assert len(split.filter(split="valid").groups) == 1
    assert "valid taken from train by group; the other given splits are kept" in split.notes
    again = split_by_group(split, seed=9)
    assert again.table.equals(split.table) and "the given splits are kept" in again.notes[-1]
    anew = split_by_group(split, {"train": 0.5, "test": 0.5}, replace=True)
    assert anew.splits == ["train", "test"] and len(anew.filter(split="test").groups) == 5


def test_rows_without_a_split_join_their_group() -> None:
    table = {
        "video": ["a", "b", "c", "d"],
        "label": ["x"] * 4,
        "group": ["p1", "p1", "p2", "p3"],
        "split": ["test", None, "train", "valid"],
    }
    assert split_by_group(Manifest(table)).table["split"].tolist() == ["test", "test", "train", "valid"]


@pytest.mark.parametrize(
    ("fractions", "error", "message"),
    [
        ({"train": 0.5, "test": 0.4}, UsageError, "must sum to 1, but 0.5, 0.4 sum to 0.9"),
        ({"train": 1.5, "test": -0.5}, UsageError, "fraction of train must be between 0 and 1"),
        ({"train": 0.5, "val": 0.5}, UsageError, "unknown split 'val'; did you mean 'valid'"),
        (None, DataError, r"2 groups cannot fill 3 splits \(train, valid, test\) without dividing one"),
    ],
)
def test_impossible_requests(
    fractions: dict[str, float] | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        split_by_group(_people(2), fractions)


def test_only_a_test_split_cannot_be_completed() -> None:
    manifest = _people(4)
    with pytest.raises(DataError, match="no train split to take train, valid from"):
        split_by_group(manifest.replace(manifest.table.assign(split="test")))


def test_leave_one_group_out() -> None:
    made = folds(_people(4), "group", valid=0.34)
    assert [fold.filter(split="test").groups for fold in made] == [["p0"], ["p1"], ["p2"], ["p3"]]
    for fold in made:
        assert len(fold.filter(split="valid").groups) == 1 and len(fold.filter(split="train").groups) == 2
        assert fold.divided("group") == []
    assert made[1].notes[-1] == "fold 2 of 4: test groups p1"


def test_k_folds_test_each_clip_once() -> None:
    manifest = _people(10)
    made = folds(manifest, 5, seed=2)
    tested = Counter(video for fold in made for video in fold.filter(split="test").table["video"])
    assert set(tested.values()) == {1} and len(tested) == len(manifest)
    assert all(
        Counter(fold.filter(split="test").table["label"]) == {f"class{c}": 4 for c in range(3)}
        for fold in made
    )


@pytest.mark.parametrize(("k", "error"), [(1, UsageError), ("each", UsageError), (5, DataError)])
def test_folds_refuse(k: int | str, error: type[Exception]) -> None:
    with pytest.raises(error):
        folds(_people(4), k)
