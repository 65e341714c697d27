"""Pages: the table of runs, several side by side, one run with its report and files."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kinema.runs import SORTS
from kinema.web.base.files import send_file
from kinema.web.runs import figures, starting
from kinema.web.runs.catalogue import Listed, all_runs, in_order, run_of, unfinished
from kinema.web.runs.curves import compared_panels, training_panels

_MOST_COMPARED = 6


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The table, sorted and filtered by the query string; trainings at work; runs that are not finished."""
    found, problems = all_runs()
    models = sorted({run.record.model for run in found})
    data = sorted({run.data_name for run in found})
    runs = filtered(
        found, request.GET.get("q", ""), request.GET.get("model", ""), request.GET.get("data", "")
    )
    sort = request.GET.get("sort", "")
    sort = sort if sort in SORTS else "date"
    backwards = request.GET.get("order") == "backwards"
    ordered = in_order(runs, sort)
    jobs = starting.active()
    at_work = {job.arguments.get("run") for job in jobs}
    begun = [run for run in unfinished() if str(run.folder) not in at_work]
    return render(
        request,
        "runs/index.html",
        {
            "runs": ordered[::-1] if backwards else ordered,
            "count": len(found),
            "problems": problems,
            "models": models,
            "data": data,
            "sort": sort,
            "backwards": backwards,
            "columns": _COLUMNS,
            "jobs": jobs,
            "begun": begun,
            "filtered": any(request.GET.get(name) for name in ("q", "model", "data")),
        },
    )


@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """Runs side by side: `?run=KEY&run=KEY`."""
    keys = list(dict.fromkeys(request.GET.getlist("run")))
    if len(keys) < 2:
        messages.warning(request, "Choose two or more runs in the table, then Compare.")
        return redirect("runs:index")
    runs = [run_of(key) for key in keys[:_MOST_COMPARED]]
    reports = [run.report() for run in runs]
    heads = [figures.headline(report) for report in reports]
    matrices = [
        figures.confusion(report, head["split"], reverse("runs:clips", args=[run.key]))
        for run, report, head in zip(runs, reports, heads, strict=True)
    ]
    columns = [
        {"run": run, "head": head, "confusion": matrix}
        for run, head, matrix in zip(runs, heads, matrices, strict=True)
    ]
    return render(
        request,
        "runs/compare.html",
        {
            "columns": columns,
            "left_out": len(keys) - len(runs),
            **figures.side_by_side(runs),
            "panels": compared_panels([(run.name, run.history()) for run in runs]),
        },
    )


@require_safe
def show(request: HttpRequest, key: str) -> HttpResponse:
    """One run."""
    run = run_of(key)
    report = run.report()
    head = figures.headline(report)
    splits = figures.splits_of(report)
    split = request.GET.get("split", head["split"])
    split = split if split in splits else head["split"]
    return render(
        request,
        "runs/show.html",
        {
            "run": run,
            "head": head,
            "splits": splits,
            "confusion": figures.confusion(report, split, reverse("runs:clips", args=[run.key])),
            "panels": training_panels(run.history(), report.get("best_epoch")),
            "best_epoch": report.get("best_epoch"),
            "files": run.files(),
            "has_report": run.file("report.html") is not None,
            "has_recognizer": run.file("recognizer/recognizer.json") is not None,
            "others": _comparable_with(run),
        },
    )


@require_safe
async def report_page(request: HttpRequest, key: str) -> Any:
    """The run's report.html as it is, without the site's cookies and addresses."""
    run = await sync_to_async(run_of)(key)
    return await send_file(request, run.file("report.html"), kind="text/html; charset=utf-8", sandbox=True)


@require_safe
async def download(request: HttpRequest, key: str, name: str) -> Any:
    """One of the files of a run, by the names of a list."""
    run = await sync_to_async(run_of)(key)
    path = run.file(name)
    if path is None:
        raise Http404
    kind = "text/plain; charset=utf-8" if path.suffix in (".txt", ".csv", ".json") else None
    return await send_file(
        request, path, download=f"{run.folder.name}-{path.name}", kind=kind or "application/octet-stream"
    )


def filtered(runs: list[Listed], words: str, model: str, data: str) -> list[Listed]:
    """Return the runs in whose name, data or model all words stand, of one model and one data set where those are given."""
    wanted = words.lower().split()
    return [
        run
        for run in runs
        if (not model or run.record.model == model)
        and (not data or run.data_name == data)
        and all(word in f"{run.name} {run.data_name} {run.record.model}".lower() for word in wanted)
    ]


def _comparable_with(run: Listed) -> list[Listed]:
    """Return other runs that were tested on the same, the newest first."""
    others = [other for other in all_runs()[0] if other.key != run.key]
    return [
        other
        for other in others
        if other.record.how == run.record.how
        and (
            (run.record.fingerprint and other.record.fingerprint == run.record.fingerprint)
            or (run.record.tested and other.record.tested == run.record.tested)
        )
    ][:8]


_COLUMNS = (
    ("name", "Run", ""),
    ("data", "Data", "wide"),
    ("model", "Model", "wide"),
    ("accuracy", "Accuracy", "number"),
    ("", "95 % interval", "number"),
    ("", "Tested on", "wide"),
    ("size", "Size", "number"),
    ("speed", "Frames/s", "number"),
    ("date", "Date", "wide"),
)
