"""A search from the data to the tested run, never with a look at test on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kinema.data import Manifest, read_data, split_by_group
from kinema.errors import DataError, KinemaError, UsageError
from kinema.models import Recognizer
from kinema.tuning import Choice, Range, Space, TuneResult, tune
from kinema.tuning.names import TrialSettings
from kinema.tuning.trials import HeldOut, Workshop, divide

Grid = Callable[..., Space]


@pytest.fixture(scope="module")
def grid(small: dict[str, Any]) -> Grid:
    def of(**changes: Any) -> Space:
        values = {"model": "lrcn", **small, "head": ["mean", "rnn"], "hidden": [8, 16], **changes}
        return Space.of(values, grid=True)

    return of


@pytest.fixture(scope="module")
def done(split: Manifest, grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> TuneResult:
    folder = tmp_path_factory.mktemp("runs") / "grid"
    return tune(split, grid(), grid=True, run=str(folder), device="torch")


def test_a_grid_is_tried_whole_and_its_best_is_trained_and_tested(done: TuneResult) -> None:
    # A mean has no hidden units: 1 trial, and an RNN of each size.
    assert done.table[["head", "state"]].to_numpy().tolist() == [
        ["mean", "complete"],
        *[["rnn", "complete"]] * 2,
    ]
    stored = pd.read_csv(done.folder / "trials.csv")
    assert stored["accuracy"].tolist() == done.table["accuracy"].tolist()
    best = json.loads((done.folder / "best.json").read_text())
    assert (best["trial"], best["settings"]) == (done.trial, done.settings)
    assert done.accuracy == done.table["accuracy"].max()
    assert done.run is not None
    assert set(done.run.results["report"]["splits"]) == {"train", "test"}  # valid was learned from
    page = (done.folder / "tune.html").read_text()
    assert "Test was looked at once" in page and "trials.csv" in page


def test_valid_is_learned_from_in_the_end_and_test_is_not(done: TuneResult, split: Manifest) -> None:
    assert done.run is not None
    data = Manifest.read(done.run.folder / "data.csv").table
    before = split.table
    for name, expected in (("train", {"train", "valid"}), ("test", {"test"})):
        groups = set(data.loc[data["split"] == name, "group"])
        assert groups == set(before.loc[before["split"].isin(expected), "group"])
    assert Recognizer.load(done.run.folder).settings["backbone"] == "test_resnet"
    protocol = done.run.results["report"]["protocol"]
    chosen = (
        f"settings of trial {done.trial}, chosen among 3 by top-1 on valid; then valid was learned from too"
    )
    assert chosen in protocol


def test_probabilities_are_calibrated_on_what_the_trial_had_not_learned_from(done: TuneResult) -> None:
    assert done.run is not None
    trial = json.loads((done.folder / "best.json").read_text())
    report = done.run.results["report"]
    assert report["temperature"] == done.run.recognizer.temperature == trial["temperature"]
    # Weights drawn on another machine may answer every held-out item right: then there is nothing to fit.
    sentence = (
        "every item that the search held out was answered right"
        if trial["temperature"] == 1.0
        else "items that the search held out"
    )
    assert sentence in report["calibrated_by"] and sentence in (done.run.folder / "report.html").read_text()


def test_the_temperature_of_held_out_windows_by_hand(split: Manifest) -> None:
    """Of four windows with logits 2 apart three are right: softmax(2 / T) = 3/4 where T = 2 / ln 3."""
    pool, divisions = divide(split, None, 0)
    workshop = Workshop(pool, divisions, split.classes, device="torch")
    logits = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 2.0]])
    held_out = HeldOut(np.zeros(2, bool), np.zeros(2), logits, np.array([0, 0, 1, 0]))
    assert workshop.temperature(held_out) == pytest.approx(1.82048, abs=1e-4)


def test_the_same_call_does_nothing_again_and_leaves_test_alone(
    done: TuneResult, split: Manifest, grid: Grid
) -> None:
    before = (done.folder / "best" / "results.json").stat().st_mtime_ns
    again = tune(split, grid(), grid=True, run=str(done.folder), device="torch")
    assert again.run is None
    assert "test was looked at on" in again.note
    assert len(again.table) == 3
    assert (done.folder / "best" / "results.json").stat().st_mtime_ns == before


def test_no_trial_reads_a_test_video(two_actions: Path, tmp_path: Path, grid: Grid) -> None:
    folder = Path(shutil.copytree(two_actions, tmp_path / "data"))
    manifest = split_by_group(read_data(folder))
    for segment in manifest.segments():
        if segment.split == "test":
            segment.video.unlink()
    found = tune(manifest, grid(), grid=True, run=str(tmp_path / "run"), device="torch", final=False)
    assert (found.table["state"] == "complete").all()
    assert found.run is None
    assert "Test has not been looked at" in (tmp_path / "run" / "tune.html").read_text()


def test_features_are_extracted_once_for_all_heads(
    split: Manifest, grid: Grid, small: dict[str, Any]
) -> None:
    pool, divisions = divide(split, None, 0)
    workshop = Workshop(pool, divisions, split.classes, device="torch")
    for row in grid(frames=[3, 4]).combinations():
        workshop.score(TrialSettings.of(row))
    assert workshop.features.extractions == 1  # windows of 3 and of 4 are made of the same features
    workshop.score(TrialSettings.of({"model": "lrcn", **small, "head": "mean", "fps": 4}))
    assert workshop.features.extractions == 2


def test_folds_score_everything_but_test(split: Manifest, small: dict[str, Any]) -> None:
    pool, divisions = divide(split, 3, 0)
    assert len(pool) == 16 - int((split.table["split"] == "test").sum())
    held_out = sorted(row for part in divisions for row in part.valid)
    assert held_out == list(range(len(pool)))
    for part in divisions:
        groups = pool.table["group"]
        assert not set(groups[part.train]) & set(groups[part.valid])
    workshop = Workshop(pool, divisions, split.classes, device="torch")
    told: list[int] = []
    outcome = workshop.score(
        TrialSettings.of({"model": "lrcn", **small, "head": "mean"}),
        lambda percent, accuracy: told.append(percent),
    )
    assert outcome.items == len(pool)
    assert told == [33, 66]


def test_a_trial_with_a_trained_backbone(split: Manifest, small: dict[str, Any]) -> None:
    pool, divisions = divide(split, None, 0)
    workshop = Workshop(pool, divisions, split.classes, device="torch")
    values = {
        "model": "lrcn",
        **small,
        "freeze": False,
        "head": "mean",
        "epochs": 1,
        "batch_size": 4,
        "windows": 1,
    }
    outcome = workshop.score(TrialSettings.of(values))
    assert outcome.items == int((split.table["split"] == "valid").sum())
    assert 0 <= outcome.accuracy <= 1
    # test_resnet's own parameters are trained besides the classifier.
    frozen = workshop.score(TrialSettings.of({**values, "freeze": True}))
    assert outcome.parameters > frozen.parameters


def test_a_failed_trial_is_recorded_and_the_search_goes_on(
    split: Manifest, tmp_path: Path, grid: Grid
) -> None:
    space = grid(head="mean", learning_rate=[1e30, 0.002])
    found = tune(split, space, grid=True, run=str(tmp_path / "run"), device="torch", final=False)
    assert sorted(found.table["state"]) == ["complete", "failed"]
    error = found.table.loc[found.table["state"] == "failed", "error"].iloc[0]
    assert "no longer" in error
    assert found.settings["learning_rate"] == 0.002
    assert error.split(":")[0] in (tmp_path / "run" / "tune.html").read_text()


def test_a_search_whose_trials_all_fail_stops_with_the_reason(
    split: Manifest, tmp_path: Path, small: dict[str, Any]
) -> None:
    space = Space.of(
        {"model": "lrcn", **small, "weights": "no/such/file", "learning_rate": {"low": 0.001, "high": 0.1}}
    )
    with pytest.raises(KinemaError, match=r"the first 5 trials all failed; the last one: no/such/file"):
        tune(split, space, run=str(tmp_path / "run"), trials=20, device="torch")


def test_a_search_draws_prunes_and_goes_on(split: Manifest, tmp_path: Path, small: dict[str, Any]) -> None:
    space = Space(
        {
            **{name: Choice((value,)) for name, value in small.items()},
            "epochs": Choice((4,)),
            "model": Choice(("lrcn",)),
            "head": Choice(("mean", "max")),
            "learning_rate": Range(1e-4, 1e-2, log=True),
            "dropout": Range(0.0, 0.6),
        }
    )
    told: list[tuple[int, int | None]] = []

    def search(trials: int) -> TuneResult:
        return tune(
            split, space, run=str(tmp_path / "run"), trials=trials, device="torch", final=False,
            told=lambda done, total, best: told.append((done, total)),
        )  # fmt: skip

    assert len(search(6).table) == 6
    found = search(14)
    assert len(found.table) == 14
    assert found.table["trial"].tolist() == list(range(14))
    assert (7, 14) in told
    assert set(found.table["state"]) <= {"complete", "pruned"}
    assert found.table["learning_rate"].between(1e-4, 1e-2).all()
    assert found.table["learning_rate"].nunique() == 14
    page = (tmp_path / "run" / "tune.html").read_text()
    assert page.count("<img src=") >= 2


def test_another_search_in_the_same_folder_is_refused(done: TuneResult, split: Manifest, grid: Grid) -> None:
    with pytest.raises(UsageError, match="searched another space of settings; give this search a name"):
        tune(split, grid(hidden=[8]), grid=True, run=str(done.folder), device="torch")
    fewer = split.filter(where=lambda table: table["group"] != "person01")
    with pytest.raises(DataError, match="searched other data"):
        tune(fewer, grid(), grid=True, run=str(done.folder), device="torch")
    with pytest.raises(UsageError, match="cannot be opened"):
        tune(split, grid(), grid=True, run=str(done.folder), storage="nosuchdb://x/y", device="torch")
