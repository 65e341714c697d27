"""A study that several processes and machines share: each trial is tried once, whoever is stopped or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kinema.data import Manifest
from kinema.training import train
from kinema.tuning import Space, TuneResult, finish, storage, tune
from kinema.tuning.storage import sqlite_url
from kinema.tuning.study import Job, open_study, work
from kinema.tuning.trial_table import trial_table
from kinema.tuning.trials import divide

Searching = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def sixteen(small: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": "lrcn",
        **small,
        "head": "rnn",
        "hidden": [4, 8, 12, 16],
        "dropout": [0.0, 0.1, 0.2, 0.3],
    }


@pytest.fixture(scope="module")
def two(small: dict[str, Any]) -> dict[str, Any]:
    return {"model": "lrcn", **small, "head": "rnn", "hidden": [4, 8]}


def search(split: Manifest, run: Path, space: dict[str, Any], **options: Any) -> TuneResult:
    return tune(split, Space.of(space, grid=True), grid=True, run=str(run), device="torch", **options)


def until(process: subprocess.Popen[str], line: str) -> None:
    """Read what a process prints up to that line."""
    assert process.stdout is not None
    for found in process.stdout:
        if found == f"{line}\n":
            return
    raise AssertionError(process.communicate()[1])


@pytest.mark.slow
def test_two_processes_share_a_study(
    two_actions: Path, tmp_path: Path, sixteen: dict[str, Any], searching: Searching
) -> None:
    space = {**sixteen, "epochs": 8}
    both = [searching(two_actions, tmp_path / "run", space, final=False) for _ in range(2)]
    outputs = [one.communicate(timeout=200) for one in both]
    assert [one.returncode for one in both] == [0, 0], outputs
    table = pd.read_csv(tmp_path / "run" / "trials.csv")
    assert len(table) == 16
    assert len(table[["hidden", "dropout"]].drop_duplicates()) == 16
    assert (table["state"] == "complete").all()


@pytest.mark.slow
def test_a_stopped_search_keeps_what_it_has_and_goes_on(
    split: Manifest, two_actions: Path, tmp_path: Path, sixteen: dict[str, Any], searching: Searching
) -> None:
    space = {**sixteen, "epochs": 30}
    running = searching(two_actions, tmp_path / "run", space, final=False)
    until(running, "3")
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode != 0
    table = pd.read_csv(tmp_path / "run" / "trials.csv")  # written although it was stopped
    assert 3 <= len(table) < 16
    found = search(split, tmp_path / "run", space, final=False)
    assert len(found.table) == 16
    assert found.table.drop_duplicates(["hidden", "dropout"]).shape[0] == 16
    kept = found.table.set_index("trial")["accuracy"]
    assert all(kept[row.trial] == row.accuracy for row in table.itertuples())


@pytest.mark.slow
def test_jobs_are_processes(split: Manifest, tmp_path: Path, two: dict[str, Any]) -> None:
    found = search(split, tmp_path / "run", two, jobs=2, final=False)
    assert found.table["state"].tolist() == ["complete", "complete"]


def test_a_killed_process_leaves_its_trial_to_others(
    split: Manifest, tmp_path: Path, two: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_HEARTBEAT", 1)
    pool, divisions = divide(split, None, 0)
    space = Space.of(two, grid=True)
    job = Job(sqlite_url(tmp_path), "study", space, pool, divisions, split.classes, grid=True, device="torch")
    study = open_study(job)
    study.enqueue_trial({"hidden": 4}, user_attrs={"row": next(iter(job.rows))})
    killed = study.ask()  # a process that never comes back
    study._storage.record_heartbeat(killed._trial_id)
    time.sleep(3)
    work(job)
    assert trial_table(study)["state"].tolist() == ["complete", "complete"]


def test_a_combination_that_two_processes_enqueue_at_once_is_tried_once(
    split: Manifest, tmp_path: Path, two: dict[str, Any]
) -> None:
    pool, divisions = divide(split, None, 0)
    space = Space.of(two, grid=True)
    job = Job(sqlite_url(tmp_path), "study", space, pool, divisions, split.classes, grid=True, device="torch")
    study = open_study(job)
    for row in [*job.rows, *job.rows]:
        study.enqueue_trial(json.loads(row), user_attrs={"row": row})
    work(job)
    assert sorted(trial_table(study)["hidden"]) == [4, 8]


def test_a_large_grid_waits_a_few_combinations_at_a_time(
    split: Manifest, tmp_path: Path, two: dict[str, Any]
) -> None:
    pool, divisions = divide(split, None, 0)
    space = Space.of(
        {**two, "dropout": [0.0, 0.1], "learning_rate": [i / 1e4 for i in range(1, 101)]}, grid=True
    )
    job = Job(sqlite_url(tmp_path), "study", space, pool, divisions, split.classes, grid=True, device="torch")
    job.until = time.time() + 2
    assert len(job.rows) == 400
    work(job)
    states = [trial.state.name for trial in open_study(job).get_trials()]
    assert 0 < states.count("WAITING") <= 24  # optuna reads all of them at every step


@pytest.mark.slow
def test_a_search_killed_in_its_last_training_goes_on_with_it_and_looks_at_test_once(
    split: Manifest, two_actions: Path, tmp_path: Path, two: dict[str, Any], searching: Searching,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(storage, "_HEARTBEAT", 1)
    space, folder = {**two, "epochs": 400}, tmp_path / "run"
    running = searching(two_actions, folder, space, heartbeat=1)
    end = time.monotonic() + 100
    while not (folder / "best" / "checkpoint" / "fit.pt").exists() and time.monotonic() < end:
        time.sleep(0.02)
    running.kill()
    running.communicate()
    assert (folder / "best" / "checkpoint" / "fit.pt").exists()
    assert not (folder / "best" / "results.json").exists()
    resumed: list[Path] = []
    original = finish.resume
    monkeypatch.setattr(finish, "resume", lambda run, **named: resumed.append(run) or original(run, **named))
    found = search(split, folder, space)
    assert resumed == [folder / "best"]
    assert found.run is not None and set(found.run.results["report"]["splits"]) == {"train", "test"}
    assert len(found.run.results["report"]["history"]["epoch"]) == 400
    again = search(split, folder, space)
    assert again.run is None and again.note.startswith("test was looked at on")


@pytest.mark.slow
def test_ctrl_c_in_the_last_training_does_not_spend_the_look_at_test(
    split: Manifest, tmp_path: Path, two: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"

    def pressed(*data: Any, listener: Any, **named: Any) -> Any:
        def epochs(done: int, total: int, row: dict[str, float]) -> None:
            os.kill(os.getpid(), signal.SIGINT)

        listener.epochs = epochs
        return train(*data, listener=listener, **named)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(finish, "train", pressed)
            with pytest.raises(KeyboardInterrupt):
                search(split, folder, {**two, "epochs": 50})
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (folder / "best" / "results.json").exists()
    found = search(split, folder, {**two, "epochs": 50})
    assert found.run is not None
    assert len(found.run.results["report"]["history"]["epoch"]) == 50


@pytest.mark.slow
def test_machines_share_a_study_in_postgresql_and_one_of_them_looks_at_test(
    two_actions: Path, tmp_path: Path, postgres: str, sixteen: dict[str, Any], searching: Searching
) -> None:
    runs = [tmp_path / "one" / "shared", tmp_path / "other" / "shared"]  # two machines have two folders
    address = postgres.replace("postgresql", "postgresql+psycopg", 1)
    both = [searching(two_actions, run, sixteen, storage=address) for run in runs]
    outputs = [one.communicate(timeout=250) for one in both]
    assert [one.returncode for one in both] == [0, 0], outputs
    for run in runs:
        table = pd.read_csv(run / "trials.csv")
        assert len(table[["hidden", "dropout"]].drop_duplicates()) == len(table) == 16
    assert sum((run / "best" / "results.json").exists() for run in runs) == 1
