"""/api/runs/: finished runs, one of them, trainings begun and watched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Router, Schema, Status
from pydantic import Field

from kinema.runs import run_rows
from kinema.web.jobs.api import JobOut
from kinema.web.jobs.models import Job
from kinema.web.runs import starting
from kinema.web.runs.catalogue import Listed, all_runs, begun_of, read_history, run_of, unfinished

router = Router()


class RunOut(Schema):
    """A finished run: the columns of `kinema runs`, its key and its page."""

    key: str
    url: str
    name: str
    data: str
    model: str
    accuracy: float | None
    low: float | None = Field(description="Of the 95 % interval; null without one.")
    high: float | None
    tested_on: str
    items: int
    baseline: float | None
    parameters: int | None
    megabytes: float | None
    frames_per_second: float | None
    train_seconds: float | None
    date: str | None
    data_fingerprint: str
    leak: str | None
    protocol: str


class FileOut(Schema):
    """A file of a run that may be fetched."""

    name: str
    bytes: int
    url: str


class OneRunOut(RunOut):
    """A run with all that it says of itself; `report` is that of results.json."""

    settings: dict[str, Any]
    metrics: dict[str, float]
    report: dict[str, Any]
    history: list[dict[str, float]]
    files: list[FileOut]


class BegunOut(Schema):
    """A run that is not finished; `at_work`: a process trains it now."""

    key: str
    name: str
    at_work: bool


class TrainingOut(JobOut):
    """A training: its job, the name of its run, its page."""

    run: str
    page: str


class WatchedOut(TrainingOut):
    """A training with the rows of its `fit_history.csv` so far."""

    history: list[dict[str, float]]


class Start(Schema):
    """A training to begin; what is left out has its default."""

    data: str = Field(description="The key of a manifest, from /api/datasets/.")
    model: str = ""
    name: str = Field("", description="Of the run; made of the data and the time where it is empty.")
    epochs: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    learning_rate: float | None = None
    seed: int | None = Field(None, ge=0)
    flip: bool = True
    folds: str = Field("", description="A number of folds, or 'group'.")
    further: list[str] = Field(
        default_factory=list, description="NAME=VALUE: settings of the training, the clip or the model."
    )


@router.get("", response=list[RunOut], summary="Finished runs, newest first")
def runs(request: HttpRequest) -> list[dict[str, Any]]:
    """List the runs."""
    return rows(all_runs()[0])


@router.get("/unfinished", response=list[BegunOut], summary="Runs that were begun and not finished")
def begun(request: HttpRequest) -> list[dict[str, Any]]:
    """List them."""
    return [{"key": run.key, "name": run.name, "at_work": run.at_work} for run in unfinished()]


@router.post("/unfinished/{key}/resume", response={202: TrainingOut}, summary="Go on with an unfinished run")
def resume(request: HttpRequest, key: str) -> Any:
    """Put it into the queue."""
    return Status(202, state(starting.resume(begun_of(key), request.user)))


@router.post("/trainings", response={202: TrainingOut}, summary="Begin a training")
def start(request: HttpRequest, asked: Start) -> Any:
    """Put a training into the queue; POST /api/jobs/ID/cancel cancels it."""
    return Status(202, state(starting.start(starting.Asked(**asked.dict()), request.user)))


@router.get("/trainings", response=list[TrainingOut], summary="Trainings, newest first")
def trainings(request: HttpRequest) -> list[dict[str, Any]]:
    """List the last hundred."""
    return [state(job) for job in Job.objects.filter(kind=starting.KIND)[:100]]


@router.get("/trainings/{int:pk}", response=WatchedOut, summary="How far a training is")
def training(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Return the job, and loss and accuracy of each epoch so far."""
    job = get_object_or_404(Job, pk=pk, kind=starting.KIND)
    return {**state(job), "history": read_history(Path(job.arguments["run"]))}


@router.get("/{key}", response=OneRunOut, summary="One run: settings, numbers, the report's figures, files")
def run(request: HttpRequest, key: str) -> dict[str, Any]:
    """Return one run."""
    found = run_of(key)
    return {
        **rows([found])[0],
        "settings": found.record.settings,
        "metrics": found.record.metrics,
        "report": found.report(),
        "history": found.history(),
        "files": [
            {"name": name, "bytes": size, "url": reverse("runs:file", args=[key, name])}
            for name, _, size in found.files()
        ],
    }


def rows(found: list[Listed]) -> list[dict[str, Any]]:
    """Return a dict a run: key, page, and the columns of `run_table`."""
    table = run_rows([run.record for run in found])
    return [
        {**row, "key": run.key, "url": reverse("runs:show", args=[run.key])}
        for run, row in zip(found, table, strict=True)
    ]


def state(job: Job) -> dict[str, Any]:
    """Return what is told of a training."""
    folder = Path(job.arguments["run"])
    return {**job.describe(), "run": folder.name, "page": reverse("runs:training", args=[job.pk])}
