"""Pages of trainings: start one, watch it, go on with one that stopped."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kinema.data import ClipSpec
from kinema.errors import KinemaError
from kinema.runs import unfinished_runs
from kinema.web.datasets.catalogue import Entry, manifests
from kinema.web.jobs import queue
from kinema.web.jobs.models import Job
from kinema.web.recognizers import key_of
from kinema.web.runs import starting
from kinema.web.runs.catalogue import all_runs, begun_of, read_history
from kinema.web.runs.curves import training_panels


class StartForm(forms.Form):
    """What people change of a training; empty fields are the defaults."""

    data = forms.ChoiceField(label="Data", help_text="What it learns from: labelled videos.")
    model = forms.ChoiceField(label="Model")
    name = forms.CharField(
        label="Name", required=False, max_length=60, help_text="Empty: made of the data and the time."
    )
    epochs = forms.IntegerField(label="Epochs", required=False, min_value=1, max_value=10_000)
    batch_size = forms.IntegerField(label="Clips a step", required=False, min_value=1, max_value=100_000)
    learning_rate = forms.FloatField(label="Highest learning rate", required=False, min_value=0)
    seed = forms.IntegerField(label="Seed", required=False, min_value=0, max_value=2**31)
    folds = forms.ChoiceField(
        label="Test",
        required=False,
        choices=[
            ("", "on the test split"),
            ("5", "in 5 folds, every clip once"),
            ("10", "in 10 folds, every clip once"),
            ("group", "one group at a time"),
        ],
        help_text="Folds train several times; they are for small data.",
    )
    flip = forms.BooleanField(
        label="Learn from mirrored pictures too",
        required=False,
        help_text="Not where left and right are different classes.",
    )
    further = forms.CharField(
        label="Further settings",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": "frames=32"}),
        help_text="NAME=VALUE, one a line, of the training, of a clip or of the model; the lists beside have the names.",
    )

    def __init__(self, data: list[Entry], models: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["data"].choices = [(one.key, one.title) for one in data]  # type: ignore[attr-defined]
        self.fields["model"].choices = [(name, name) for name in models]  # type: ignore[attr-defined]


@require_http_methods(["GET", "HEAD", "POST"])
async def start(request: HttpRequest) -> HttpResponse:
    """The form, and what it begins; `?data=KEY` chooses the data."""
    # Loading torch takes seconds, once: not in the thread that all pages share.
    await sync_to_async(import_module, thread_sensitive=False)("kinema.training.train")
    return await sync_to_async(_start)(request)


def _start(request: HttpRequest) -> HttpResponse:
    from kinema.models import model_entry, model_names
    from kinema.training import TrainSettings
    from kinema.training.train import DEFAULT_MODEL

    known, names = manifests(), model_names()
    defaults = TrainSettings()
    if request.method == "POST":
        form = StartForm(known, names, request.POST)
        if form.is_valid():
            try:
                job = starting.start(_asked(form.cleaned_data), request.user)
            except KinemaError as error:
                form.add_error(None, str(error))
            else:
                return redirect("runs:training", pk=job.pk)
    else:
        chosen = {name: request.GET[name] for name in ("data", "model") if name in request.GET}
        form = StartForm(known, names, initial={"model": DEFAULT_MODEL, "flip": True, **chosen})
    for name in ("epochs", "batch_size", "learning_rate", "seed"):
        form.fields[name].widget.attrs["placeholder"] = f"{getattr(defaults, name):g}"
    return render(
        request,
        "runs/start.html",
        {
            "form": form,
            "main": [form[name] for name in ("data", "model", "name", "epochs")],
            "more": [form[name] for name in ("folds", "batch_size", "learning_rate", "seed", "flip", "further")],
            "opened": form.is_bound,
            "known": known,
            "models": [(entry.name, entry.summary, ", ".join(entry.settings)) for entry in map(model_entry, names)],
            "training_settings": ", ".join(field.name for field in fields(TrainSettings)),
            "clip_settings": ", ".join(field.name for field in fields(ClipSpec)),
            "past": _past(),
            "waiting": len(starting.active()),
        },
        status=400 if form.errors else 200,
    )  # fmt: skip


@require_safe
def training(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a training is, with its curves."""
    job = get_object_or_404(Job, pk=pk, kind=starting.KIND)
    folder = Path(job.arguments["run"])
    left = None
    if job.over and job.state != Job.State.DONE and folder in unfinished_runs(folder):
        left = key_of(folder)
    return render(
        request,
        "runs/training.html",
        {
            "job": job,
            "name": folder.name,
            "panels": training_panels(read_history(folder)),
            "left": left,
            "before": queue.before(job, running=True),
            "may_cancel": queue.may_cancel(job, request.user),
        },
    )


@require_safe
def curves(request: HttpRequest, pk: int) -> JsonResponse:
    """The curves so far as a piece of a page, for the script that shows them while they grow."""
    job = get_object_or_404(Job, pk=pk, kind=starting.KIND)
    history = read_history(Path(job.arguments["run"]))
    html = render_to_string("runs/curves.html", {"panels": training_panels(history)})
    return JsonResponse({"epochs": len(history), "html": html})


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel a training; what it learned is kept."""
    job = get_object_or_404(Job, pk=pk, kind=starting.KIND)
    queue.check_may_cancel(job, request.user)
    queue.cancel(job)
    return redirect("runs:training", pk=pk)


@require_POST
def resume(request: HttpRequest, key: str) -> HttpResponse:
    """Go on with a run that was begun."""
    run = begun_of(key)
    try:
        job = starting.resume(run, request.user)
    except KinemaError as error:
        messages.error(request, str(error))
        return redirect("runs:index")
    return redirect("runs:training", pk=job.pk)


def _asked(values: dict[str, Any]) -> starting.Asked:
    lines = [line.strip() for line in values["further"].splitlines()]
    return starting.Asked(**{**values, "further": [line for line in lines if line]})


def _past() -> list[dict[str, Any]]:
    """Return what earlier trainings took, one a model, the newest."""
    found: dict[str, dict[str, Any]] = {}
    for run in all_runs()[0]:
        record = run.record
        if record.seconds and record.model not in found:
            found[record.model] = {"run": run, "seconds": record.seconds, "clips": _clips(run.folder)}
    return list(found.values())[:6]


def _clips(folder: Path) -> int | None:
    try:
        with (folder / "data.csv").open("rb") as file:
            return sum(1 for _ in file) - 1
    except OSError:
        return None
