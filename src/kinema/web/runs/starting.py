"""Begins trainings: checks what was asked for, gives the run a folder of the site, and puts the job into the queue."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from kinema.data import Manifest
from kinema.errors import DataError, UsageError
from kinema.web.datasets import catalogue as datasets
from kinema.web.folder import site
from kinema.web.jobs import queue
from kinema.web.jobs.models import Job
from kinema.web.runs.catalogue import Begun

KIND = "train"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,59}", re.ASCII)
_WEIGHTS = ("bundled", "pretrained", "official", "none")
"""The weights that may be asked for; any other word is a path, and no path of a request is opened."""


@dataclass(frozen=True)
class Asked:
    """What somebody asked for: the key of the data, a registered model, and the settings that differ from the defaults.

    `name`: of the run, empty for one made of the data and the time. `folds`: "", a number or "group". `further`: lines of
    NAME=VALUE, sorted by `kinema.training.settings_text`.
    """

    data: str
    model: str = ""
    name: str = ""
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    seed: int | None = None
    flip: bool = True
    folds: str = ""
    further: list[str] = field(default_factory=list)


def start(asked: Asked, owner: Any = None) -> Job:
    """Put a training into the queue.

    Raises `UsageError` for what cannot be, `DataError` for data with less than two classes, `Http404` for data that is not there.
    """
    from kinema.models import model_entry
    from kinema.training import TrainSettings
    from kinema.training.settings_text import put_setting
    from kinema.training.train import DEFAULT_MODEL

    data = datasets.entry(asked.data)
    manifest = datasets.load(data).manifest
    datasets.refuse_outside(manifest, data)
    _refuse_too_few_classes(manifest, data.title, bool(asked.folds))
    model = asked.model or DEFAULT_MODEL
    entry = model_entry(model)
    training: dict[str, Any] = {
        name: value
        for name in ("epochs", "batch_size", "learning_rate", "seed")
        if (value := getattr(asked, name)) is not None
    }
    if not asked.flip:
        training["flip"] = False
    clip: dict[str, Any] = {}
    model_settings: dict[str, Any] = {}
    for line in asked.further:
        put_setting(line, training, clip, model_settings, list(entry.settings))
    if (weights := model_settings.get("weights", "none")) not in _WEIGHTS:
        raise UsageError(
            f"setting weights={weights!r}: give {', '.join(_WEIGHTS[:-1])} or {_WEIGHTS[-1]}; no file is read here"
        )
    TrainSettings.from_dict(training)
    folder = _folder(asked.name.strip(), data.path)
    arguments = {
        "run": str(folder),
        "data": str(data.path),
        "model": model,
        "settings": training,
        "clip": clip,
        "model_settings": model_settings,
        "folds": _folds(asked.folds),
        "device": "auto",
    }
    return queue.add(KIND, f"Train {folder.name}: {model} on {data.title}", arguments, owner)


def resume(run: Begun, owner: Any = None) -> Job:
    """Go on with a run that was begun; the job that does it already, where there is one.

    Raises `UsageError` where a process outside of this site trains it.
    """
    for job in active():
        if Path(job.arguments.get("run", "")).resolve() == run.folder.resolve():
            return job
    if run.at_work:
        raise UsageError(f"{run.name}: another process is training it; wait for it, or stop it first")
    return queue.add(KIND, f"Go on with {run.name}", {"run": str(run.folder), "device": "auto"}, owner)


def active() -> list[Job]:
    """Return the trainings that wait or run, the oldest first."""
    return list(Job.objects.filter(kind=KIND, state__in=(Job.State.QUEUED, Job.State.RUNNING)).order_by("id"))


def _refuse_too_few_classes(manifest: Manifest, title: str, folds: bool) -> None:
    """Say at once what the training would say after it has looked at every video."""
    divided = "train" in manifest.splits and not folds
    learned = (manifest.filter(split="train") if divided else manifest).classes
    if len(learned) < 2:
        found = f"clips of {learned[0]!r} alone" if learned else "no clip with a label"
        raise DataError(f"{title}: {found} to learn from; a training needs two classes")


def _folder(name: str, data: Path) -> Path:
    runs = site().place("runs")
    if not name:
        stem = re.sub(r"[^\w.-]+", "-", data.stem, flags=re.ASCII).strip("-._") or "run"
        name = f"{stem[:40]}-{datetime.now():%Y%m%d-%H%M%S}"
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"name {name!r}: give letters, digits, '-', '_' and '.', at most 60, beginning with a letter or digit"
        )
    taken = {path.name for path in runs.iterdir()} | {Path(job.arguments["run"]).name for job in active()}
    if name in taken:
        raise UsageError(f"name {name!r}: there is a run of that name already; choose another")
    return runs / name


def _folds(text: str) -> int | str | None:
    if text in ("", "group"):
        return text or None
    if not text.isdigit() or not 2 <= int(text) <= 100:
        raise UsageError(f"folds {text!r}: give a number of at least 2, or 'group'")
    return int(text)
