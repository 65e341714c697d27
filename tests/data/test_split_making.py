"""A split from beginning to end: one way at a time, groups merged first, leaks looked for last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data import Manifest
from kinema.data.splits import SplitSettings, make_splits, parse_fractions
from kinema.errors import UsageError

MakeVideo = Callable[..., Path]


@pytest.fixture
def clips(tmp_path: Path, make_video: MakeVideo) -> Manifest:
    """Four clips of four groups; d is the start of a."""
    for number, name in enumerate("abc"):
        make_video(f"{name}.mp4", frames=20, seed=number)
    make_video("d.mov", frames=18, seed=0)
    names = ["a.mp4", "b.mp4", "c.mp4", "d.mov"]
    return Manifest({"video": names, "label": ["x", "y"] * 2, "group": list("pqrs")}, root=tmp_path)


def test_without_a_look_at_the_content_nothing_is_decoded(tmp_path: Path) -> None:
    manifest = Manifest({"video": list("abc"), "label": ["x"] * 3, "group": list("pqr")}, root=tmp_path)
    made = make_splits(manifest)
    assert made.likeness is None and not made.refused
    assert sorted(made.manifests[0].table["split"]) == ["test", "train", "valid"]


def test_shared_footage_is_refused_accepted_or_kept_together(clips: Manifest, tmp_path: Path) -> None:
    lists = {"test": ["a.mp4"]}
    made = make_splits(clips, SplitSettings(lists=lists, check_content=True))
    assert made.refused and made.likeness is not None and len(made.likeness.leaks()) == 1
    with pytest.raises(UsageError, match="the same footage is in two splits"):
        made.write(tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
    accepted = make_splits(clips, SplitSettings(lists=lists, check_content=True, allow_leakage=True))
    assert accepted.manifests[0].split_by == "content" and not accepted.refused
    merged = make_splits(clips, SplitSettings(folds="group", merge="footage", check_content=True))
    assert len(merged.manifests) == 3 and not merged.refused
    assert [sorted(m.filter(split="test").table["video"]) for m in merged.manifests] == [
        ["a.mp4", "d.mov"], ["b.mp4"], ["c.mp4"]
    ]  # fmt: skip
    assert make_splits(clips, SplitSettings(folds="group", check_content=True)).refused


def test_folds_are_numbered_files(tmp_path: Path) -> None:
    names = [f"{number}.mp4" for number in range(10)]
    manifest = Manifest({"video": names, "label": ["x"] * 10, "group": names}, root=tmp_path)
    paths = make_splits(manifest, SplitSettings(folds=10)).write(tmp_path / "my split.csv")
    assert [path.name for path in paths][:2] == ["my split-fold01.csv", "my split-fold02.csv"]
    assert paths[9].name == "my split-fold10.csv" and all(path.is_file() for path in paths)


def test_one_way_to_split_is_given() -> None:
    with pytest.raises(UsageError, match="lists of videos and a table of splits are two ways to split"):
        SplitSettings(lists={"test": "a"}, table="t.csv")
    with pytest.raises(UsageError, match="merged by footage, or by places for both, not 'place'"):
        SplitSettings(merge="place")


@pytest.mark.parametrize("text", ["0.7,0.3", "a,b,c", "", "0.7;0.2;0.1"])
def test_fractions_that_are_not_three_numbers(text: str) -> None:
    with pytest.raises(UsageError, match="give three numbers for train,valid,test"):
        parse_fractions(text)
