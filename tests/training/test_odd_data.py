"""Data and settings that `train` cannot learn from are one line and leave nothing behind; what is only odd is learned."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from kinema.data import Manifest, read_data
from kinema.errors import DataError, KinemaError, UsageError
from kinema.training import Listener, Run, train

CLIP: dict[str, Any] = {"frames": 5, "fps": 5, "height": 48, "width": 48}
QUICK: dict[str, Any] = {
    "clip": CLIP, "settings": {"epochs": 2, "flip": False}, "device": "torch", "backbone": "test_resnet", "weights": "none",
}  # fmt: skip


def test_folds_of_a_trained_backbone_are_refused(actions: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folds need a frozen backbone"):
        train(actions, run=str(tmp_path / "run"), k=3, freeze=False, **QUICK)
    assert not (tmp_path / "run").exists()


def folder_of(root: Path, source: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, root / name)
    return root


def refused(data: Any, tmp_path: Path, **settings: Any) -> str:
    with pytest.raises(KinemaError) as caught:
        train(data, run=str(tmp_path / "run"), **{**QUICK, **settings})
    assert not (tmp_path / "run").exists()  # nothing is left behind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_data_that_cannot_be_learned_from_is_one_line(actions: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty" in refused(tmp_path / "empty", tmp_path)
    one = folder_of(tmp_path / "one", actions, *(f"still/person0{n}_still.mp4" for n in (1, 2, 3)))
    assert "one" in refused(one, tmp_path)
    names = [f"still/person0{n}_still.mp4" for n in range(1, 5)]
    unlabelled = Manifest({"video": names, "label": [None] * 4}, actions)
    assert "nothing is labelled" in refused(unlabelled, tmp_path)
    partly = Manifest({"video": names, "label": ["a", "b", None, "a"]}, actions)
    assert "no label" in refused(partly, tmp_path)
    divided = Manifest(
        {"video": names, "label": ["a", "b", "a", "b"], "split": ["train", "test"] * 2, "group": ["p"] * 4},
        actions,
    )
    assert "more than one split, which leaks" in refused(divided, tmp_path)
    broken = tmp_path / "broken"
    for number in range(3):
        for label in ("a", "b"):
            (broken / label).mkdir(parents=True, exist_ok=True)
            (broken / label / f"person0{number}_{label}.mp4").write_bytes(b"")
    assert "none of 6 videos could be read" in refused(broken, tmp_path)


def test_a_class_with_one_clip_is_learned_and_named(actions: Path, tmp_path: Path) -> None:
    names = [f"{action}/person0{n}_{action}.mp4" for action in ("move2", "move10") for n in range(1, 5)]
    root = folder_of(tmp_path / "data", actions, *names, "still/person05_still.mp4")
    run = train(root, run=str(tmp_path / "run"), **QUICK)
    assert run.recognizer.classes == ["move2", "move10", "still"]
    data = Manifest.read(run.folder / "data.csv").table
    assert data[data["label"] == "still"]["split"].tolist() == ["train"]
    assert "still" in run.results["report"]["protocol"] + run.results["report"]["data_description"]


def test_a_class_that_train_lacks_is_refused(actions: Path, tmp_path: Path) -> None:
    table = read_data(actions).table
    table["split"] = ["test" if label == "still" else "train" for label in table["label"]]
    table["group"] = table["label"] + table["group"].fillna("")
    table.loc[table["video"] == "move2/person01_move2.mp4", "split"] = "valid"
    table["group"] = table["video"]
    assert "class 'still' has no readable video in train" in refused(Manifest(table, actions), tmp_path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"settings": {"epoch": 3}}, "did you mean 'epochs'?"),
        ({"clip": {"frame": 3}}, "did you mean 'frames'?"),
        ({"bakcbone": "x"}, "did you mean 'backbone'?"),
        ({"model": "motion_moment"}, "did you mean 'motion_moments'?"),
    ],
)
def test_unknown_settings_name_the_nearest(
    actions: Path, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        train(actions, run=str(tmp_path / "run"), **settings)
    assert words in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_not_overwritten(tiny_run: Run, actions: Path) -> None:
    with pytest.raises(UsageError, match="already holds a finished run"):
        train(actions, run=str(tiny_run.folder), **QUICK)


def test_too_few_groups_for_folds_is_data_not_trace(actions: Path, tmp_path: Path) -> None:
    few = read_data(actions).filter(where="video in ['still/person01_still.mp4', 'move2/person01_move2.mp4']")
    with pytest.raises(DataError, match="1 group cannot make"):
        train(few, run=str(tmp_path / "run"), k="group", **QUICK)


def test_a_class_named_like_a_column_of_the_frame_table_is_refused() -> None:
    from kinema.data import Manifest
    from kinema.training import train as train_recognizer

    table = {"video": ["a.mp4", "b.mp4"], "label": ["label", "run"]}
    with pytest.raises(
        DataError, match="a class cannot be called 'label', which is a column of frame_predictions"
    ):
        train_recognizer(Manifest(table))


def test_folds_that_cannot_be_made_are_refused_before_a_video_is_read(actions: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    with pytest.raises(DataError, match="cannot make 99 folds"):
        train(
            actions, run=str(tmp_path / "run"), k=99, backbone="test_resnet", weights="none",
            listener=Listener(stage=stages.append),
        )  # fmt: skip
    assert stages == []
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"layer_decay": 0.5}, "layer_decay"), ({"cutmix": 1.0}, "cutmix"), ({"rand_augment": 2}, "rand_augment"),
        ({"checkpoint_activations": True}, "checkpoint_activations"), ({"channels_last": True}, "channels_last"),
        ({"compile": True}, "compile"), ({"stages": "head,all"}, "stages"),
    ],
)  # fmt: skip
def test_what_a_frozen_backbone_cannot_follow_is_said(
    actions: Path, tmp_path: Path, changes: dict[str, Any], name: str
) -> None:
    with pytest.raises(UsageError, match=rf"setting {name}=.*set freeze=false"):
        train(actions, run=str(tmp_path / "run"), settings=changes, backbone="test_resnet", weights="none")
    assert not (tmp_path / "run").exists()
