"""The search as one call: trials in one or more processes, a page about them, and the chosen settings trained for good."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kinema.data import Manifest, read_data, split_by_group
from kinema.errors import DataError, KinemaError, UsageError
from kinema.files import atomic_path, write_json
from kinema.training import Listener, Refit, Run
from kinema.tuning.finish import look_at_test, retrain
from kinema.tuning.report import write_tune_report
from kinema.tuning.space import Space
from kinema.tuning.storage import sqlite_url
from kinema.tuning.study import (
    Job,
    Pruner,
    finished,
    is_over,
    open_study,
    work,
)
from kinema.tuning.trial_table import best_accuracy, best_of, settings_of, temperature_of, trial_table
from kinema.tuning.trials import divide

Told = Callable[[int, int | None, float | None], None]


@dataclass
class TuneResult:
    """What a search left: its folder, the table of its trials, the chosen settings with their score, and the final run.

    `run` is None where none was trained in this call; `note` then says why.
    """

    folder: Path
    table: pd.DataFrame
    settings: dict[str, Any]
    accuracy: float
    trial: int
    run: Run | None = None
    note: str = ""


def tune(
    data: Manifest | str | os.PathLike[str],
    space: Space | None = None,
    *,
    grid: bool = False,
    run: str | None = None,
    trials: int | None = 50,
    minutes: float | None = None,
    jobs: int = 1,
    storage: str | None = None,
    k: int | str | None = None,
    pruner: Pruner | None = None,
    seed: int = 0,
    device: str = "auto",
    final: bool = True,
    again: bool = False,
    listener: Listener | None = None,
    told: Told | None = None,
) -> TuneResult:
    """Search the settings that score best on held-out groups, train with them, and report on test once.

    - `data`: a manifest or a folder; missing splits are made by group. A trial's score is top-1, one answer a segment, on
      valid, or with `k` on that many folds (or `"group"`) of what is not test. No trial reads a test video.
    - `space`: what to search (`Space.default()`); with `grid` every combination of it, and `trials` does not count.
    - `run`: a name below `runs/`, or a path. The same call goes on with the study in it. `storage`: the address of another
      database, in which the study has that name: processes and machines that are given the same share the trials.
    - `trials` in all, `minutes` for this call, `jobs` processes. `pruner`: median (the default of a search), hyperband or
      none (the default of a grid).
    - `final`: train the chosen settings on train and valid into `FOLDER/best`. Once done, test is not looked at again
      unless `again` says so.
    - `told(done, total, best)` hears how far the study is.

    Raises `DataError` and `UsageError` as `train` does, `KinemaError` when no trial ended with a score.
    """
    listener = listener or Listener()
    manifest = data if isinstance(data, Manifest) else read_data(data)
    manifest = split_by_group(manifest.validate(), seed=seed)
    if len(manifest.classes) < 2:
        raise DataError(f"{manifest.path or manifest.root}: a search needs at least two classes")
    space = space or Space.default()
    pool, divisions = divide(manifest, k, seed)
    folder = tune_folder(run, Path(manifest.path or manifest.root).resolve().stem)
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "data": manifest.fingerprint(),
        "space": json.loads(json.dumps(space.to_dict())),
        "folds": k,
        "seed": seed,
        "grid": grid,
    }
    job = Job(
        storage or sqlite_url(folder),
        folder.name,
        space,
        pool,
        divisions,
        manifest.classes,
        grid=grid,
        trials=trials,
        until=None if minutes is None else time.time() + 60 * minutes,
        pruner=pruner or ("none" if grid else "median"),
        seed=seed,
        device=device,
        about=about,
    )
    total = len(space.combinations()) if grid else trials

    def tell(study: Any) -> None:
        if told is not None:
            told(finished(study), total, best_accuracy(study))

    study = open_study(job)
    try:
        tell(study)
        _search(study, job, jobs, listener, tell)
    finally:  # after Ctrl-C too: what was tried is shown
        table = trial_table(study)
        _write(folder, study, job, table)
    best = best_of(table)
    if best is None:
        errors = table["error"].dropna()
        reason = f"; the last one: {errors.iloc[-1]}" if len(errors) else ""
        raise KinemaError(f"{folder}: no trial ended with a score{reason}")
    number = int(best["trial"])
    result = TuneResult(folder, table, settings_of(study, number), float(best["accuracy"]), number)
    if final:
        _finish(result, study, job, manifest, again, listener)
        _write(folder, study, job, table)
    return result


def tune_folder(name: str | None, data_name: str) -> Path:
    """Return the folder of a search: `runs/NAME`, by default named after the data, so that the same command goes on."""
    if name is None:
        name = "tune-" + (re.sub(r"[^\w.-]+", "-", data_name).strip("-") or "data")
    folder = Path(name) if "/" in name or Path(name).is_absolute() else Path("runs") / name
    if (folder / "results.json").exists():
        raise UsageError(
            f"{folder}: holds a run of kinema train; give the search a name of its own with --run"
        )
    return folder


def _search(study: Any, job: Job, jobs: int, listener: Listener, tell: Callable[[Any], None]) -> None:
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: give a number of processes of at least 1")
    while True:
        if jobs == 1:
            work(job, listener, tell)
        else:
            _work_in_processes(study, job, jobs, tell)
        # Trials of other machines are waited for, and those of a process that died are taken over.
        while is_over(study, job) and _running(study) and not _late(job):
            time.sleep(1)
        if is_over(study, job):
            return


def _work_in_processes(study: Any, job: Job, jobs: int, tell: Callable[[Any], None]) -> None:
    context = multiprocessing.get_context("spawn")
    problems = context.SimpleQueue()
    workers = [context.Process(target=_process, args=(job, problems)) for _ in range(jobs)]
    seen = -1
    try:
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            time.sleep(0.3)
            if (count := finished(study)) != seen:
                seen = count
                tell(study)
    except BaseException:
        for worker in workers:
            if worker.pid is not None:
                worker.join(20)  # Ctrl-C reached them too
                worker.terminate()
        raise
    if not problems.empty():
        raise KinemaError(problems.get())


def _process(job: Job, problems: Any) -> None:
    import torch

    torch.set_num_threads(1)
    try:
        work(job)
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as error:
        problems.put(str(error) if isinstance(error, KinemaError) else repr(error))


def _running(study: Any) -> bool:
    return any(t.state.name == "RUNNING" for t in study.get_trials(deepcopy=False))


def _late(job: Job) -> bool:
    return job.until is not None and time.time() >= job.until


def _finish(
    result: TuneResult, study: Any, job: Job, manifest: Manifest, again: bool, listener: Listener
) -> None:
    where = "valid" if job.about["folds"] is None else f"folds by group ({job.about['folds']})"

    def train_best(look: int) -> tuple[Run, dict[str, Any]]:
        folder = result.folder / "best"
        if (folder / "results.json").exists() and not (folder / "checkpoint" / "plan.json").exists():
            folder = result.folder / f"best-{look}"
        looks = "" if look == 1 else f"; this is look {look} at test"
        chosen = f"of trial {result.trial}, chosen among {len(result.table)} by top-1 on {where}{looks}"
        refit = Refit(chosen, temperature_of(study, result.trial))
        run = retrain(
            manifest, result.settings, folder, refit, seed=job.seed, device=job.device, listener=listener
        )
        return run, {"trial": result.trial, "folder": folder.name}

    def wait() -> None:
        listener.stage("another process trains the chosen settings, or was killed: waiting to see")

    result.run, result.note = look_at_test(study, job.storage, again=again, job=train_best, wait=wait)
    tested = study.user_attrs.get("tested", [])
    if result.run is None and tested and tested[-1]["trial"] != result.trial:
        result.note += (
            f"; trial {result.trial} is better on {where} now: --again trains it and looks at test once more"
        )


def _write(folder: Path, study: Any, job: Job, table: pd.DataFrame) -> None:
    with atomic_path(folder / "trials.csv") as temporary:
        table.to_csv(temporary, index=False)
    best = best_of(table)
    if best is not None:
        chosen = settings_of(study, int(best["trial"]))
        write_json(
            folder / "best.json",
            {
                "trial": int(best["trial"]),
                "accuracy": float(best["accuracy"]),
                "temperature": temperature_of(study, int(best["trial"])),
                "settings": chosen,
            },
        )
    items = int(sum(len(part.valid) for part in job.divisions))
    write_tune_report(
        folder, table, {**job.about, "items": items, "tested": study.user_attrs.get("tested", [])}
    )
