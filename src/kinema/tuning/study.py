"""The study: trials in a database that several processes and machines share; what ran stays, whatever happens."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from kinema.data import Manifest
from kinema.errors import DataError, KinemaError, UsageError
from kinema.training import Listener
from kinema.tuning.names import TrialSettings
from kinema.tuning.space import Choice, Entry, Space
from kinema.tuning.storage import RETRIES, import_optuna, open_storage
from kinema.tuning.trial_table import counts
from kinema.tuning.trials import Division, Workshop

Pruner = Literal["median", "hyperband", "none"]
_HOPELESS = 5  # failures in a row at the start after which the search itself must be wrong
# Combinations of a grid that wait in the database at a time: optuna reads all that wait at every step, 0.3 s for a thousand.
_WAITING = 16


@dataclass
class Job:
    """All that a process needs to take part in a study. `until` is `time.time()` at which no trial is begun any more."""

    storage: str
    name: str
    space: Space
    pool: Manifest
    divisions: Sequence[Division]
    classes: list[str]
    grid: bool = False
    trials: int | None = None
    until: float | None = None
    pruner: Pruner = "median"
    seed: int = 0
    device: str = "auto"
    about: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The combinations of the grid by their text, in order."""
        return {json.dumps(row): row for row in self.space.combinations()} if self.grid else {}


def open_study(job: Job) -> Any:
    """Make or load the study of a job. Raises `UsageError` where it searched something else, or cannot be reached."""
    optuna = import_optuna()
    storage = open_storage(job.storage)
    try:
        study = optuna.create_study(
            storage=storage,
            sampler=_sampler(job, job.seed),
            pruner=_pruner(job),
            study_name=job.name,
            direction="maximize",
        )
        for name, value in job.about.items():
            study.set_user_attr(name, value)
        study.set_user_attr("made", True)
    except optuna.exceptions.DuplicatedStudyError:
        # Whoever joins, or goes on later, draws other settings than the one who began.
        sampler = _sampler(job, [job.seed, os.getpid(), time.time_ns()])
        study = optuna.load_study(study_name=job.name, storage=storage, sampler=sampler, pruner=_pruner(job))
        _wait_until_made(study, job)
        _compare(study, job)
    return study


def work(job: Job, listener: Listener | None = None, told: Callable[[Any], None] | None = None) -> None:
    """Run trials until the study has as many as `job` asks for, its grid is done, or its time is over.

    `told(study)` is called after each. Ctrl-C leaves the trial at hand to be run again. Raises `KinemaError` when the
    first trials all fail.
    """
    study = open_study(job)
    workshop = Workshop(
        job.pool, job.divisions, job.classes, seed=job.seed, device=job.device, listener=listener
    )
    while not is_over(study, job):
        _enqueue(study, job)
        _one(study, job, workshop)
        if told is not None:
            told(study)
        _refuse_hopeless(study)


def is_over(study: Any, job: Job) -> bool:
    """Whether no further trial is to be begun."""
    if job.until is not None and time.time() >= job.until:
        return True
    optuna = import_optuna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optuna.storages.fail_stale_trials(study)
    trials = study.get_trials(deepcopy=False)
    if job.grid:
        return not any(t.state.name == "WAITING" for t in trials) and not _untried(trials, job)
    return job.trials is not None and sum(counts(t) for t in trials) >= job.trials


def finished(study: Any) -> int:
    """Return how many trials have ended with a score, a reason to be given up, or an error of their own."""
    return sum(counts(t) and t.state.is_finished() for t in study.get_trials(deepcopy=False))


def _one(study: Any, job: Job, workshop: Workshop) -> None:
    optuna = import_optuna()
    prunes = job.pruner != "none"

    def objective(trial: Any) -> float:
        values = _values(trial, job)
        trial.set_user_attr("settings", json.dumps(values))

        def report(percent: int, accuracy: float) -> None:
            trial.report(accuracy, percent)
            if trial.should_prune():
                raise optuna.TrialPruned

        began = time.perf_counter()
        try:
            outcome = workshop.score(TrialSettings.of(values), report if prunes else None)
        except optuna.TrialPruned:
            trial.set_user_attr("seconds", round(time.perf_counter() - began, 3))
            raise
        except Exception as error:  # whatever a combination of settings does, the search goes on
            trial.set_user_attr("error", f"{error}" if isinstance(error, KinemaError) else repr(error))
            trial.set_user_attr("seconds", round(time.perf_counter() - began, 3))
            raise
        for name in ("loss", "items", "parameters", "temperature"):
            trial.set_user_attr(name, getattr(outcome, name))
        trial.set_user_attr("seconds", round(outcome.seconds, 3))
        return outcome.accuracy

    study.optimize(objective, n_trials=1, catch=(Exception,))


def _values(trial: Any, job: Job) -> dict[str, Any]:
    if not job.grid:
        return job.space.draw(lambda name, entry: _suggest(trial, name, entry))
    row = trial.user_attrs.get("row")
    if row is None:  # another process took the last combination a moment ago
        raise _SurplusError
    _refuse_second(trial.study, trial, row)
    values: dict[str, Any] = json.loads(row)
    for name, value in values.items():
        entry = job.space.entries.get(name)
        if isinstance(entry, Choice) and len(entry.values) > 1 and value in entry.values:
            _suggest(trial, name, entry)
    return values


class _SurplusError(Exception):
    """A trial that was begun when the grid had just been finished, or of a combination that another trial has."""


def _suggest(trial: Any, name: str, entry: Entry) -> Any:
    if isinstance(entry, Choice):
        words = [_word(value) for value in entry.values]
        return entry.values[words.index(trial.suggest_categorical(name, words))]
    if entry.whole:
        return trial.suggest_int(name, entry.low, entry.high, step=int(entry.step or 1), log=entry.log)
    return trial.suggest_float(name, entry.low, entry.high, step=entry.step, log=entry.log)


def _word(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)


def _untried(trials: Sequence[Any], job: Job) -> list[str]:
    """Return the combinations of a grid that no trial has tried, tries or is about to."""
    there = {t.user_attrs.get("row") for t in trials if t.state.name != "FAIL" or _is_spent(t)}
    return [text for text in job.rows if text not in there]


def _is_spent(trial: Any) -> bool:
    """Whether a failed trial is not tried again: its settings failed, or killed the process with every retry."""
    history = import_optuna().storages.RetryHeartbeatStaleTrialCallback.retry_history(trial)
    return "error" in trial.user_attrs or len(history) >= RETRIES


def _enqueue(study: Any, job: Job) -> None:
    """Let the next combinations of a grid wait for whoever is free, where few do."""
    if not job.grid:
        return
    trials = study.get_trials(deepcopy=False)
    if sum(t.state.name == "WAITING" for t in trials) >= _WAITING // 2:
        return
    for text in _untried(trials, job)[:_WAITING]:
        words = {name: _word(value) for name, value in job.rows[text].items()}
        study.enqueue_trial(words, user_attrs={"row": text})


def _refuse_second(study: Any, trial: Any, row: str) -> None:
    """Refuse a combination that another process let wait at the same moment: the first trial of both has it."""
    others = [t for t in study.get_trials(deepcopy=False) if t.user_attrs.get("row") == row]
    if any(t.number < trial.number and (t.state.name != "FAIL" or _is_spent(t)) for t in others):
        raise _SurplusError


def _refuse_hopeless(study: Any) -> None:
    trials = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished() and counts(t)]
    if len(trials) == _HOPELESS and all(t.state.name == "FAIL" for t in trials):
        raise KinemaError(
            f"the first {_HOPELESS} trials all failed; the last one: {trials[-1].user_attrs['error']}"
        )


def _compare(study: Any, job: Job) -> None:
    """Refuse to go on with a study of other data or another space: its scores would not compare."""
    words = {
        "data": "other data, or other splits",
        "space": "another space of settings",
        "folds": "other folds",
        "seed": "another seed",
        "grid": "a grid, or no grid",
    }
    for name, what in words.items():
        if study.user_attrs.get(name) != job.about.get(name):
            kind = DataError if name == "data" else UsageError
            raise kind(f"study '{job.name}' searched {what}; give this search a name of its own with --run")


def _wait_until_made(study: Any, job: Job) -> None:
    for _ in range(50):
        if study.user_attrs.get("made"):
            return
        time.sleep(0.2)
    for name, value in {**job.about, "made": True}.items():  # its maker was killed on the first lines
        study.set_user_attr(name, value)


def _sampler(job: Job, seed: int | list[int]) -> Any:
    samplers = import_optuna().samplers
    number = seed if isinstance(seed, int) else int(np.random.default_rng(seed).integers(2**31))
    if job.grid:
        return samplers.RandomSampler(seed=number)
    return samplers.TPESampler(multivariate=True, group=True, seed=number)


def _pruner(job: Job) -> Any:
    pruners = import_optuna().pruners
    if job.pruner not in get_args(Pruner):
        raise UsageError(f"--pruner {job.pruner}: give {', '.join(get_args(Pruner))}")
    if job.pruner == "median":
        return pruners.MedianPruner(n_startup_trials=8)
    if job.pruner == "hyperband":
        return pruners.HyperbandPruner(min_resource=25, max_resource=100, reduction_factor=2)
    return pruners.NopPruner()
