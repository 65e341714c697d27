"""Pages of long work: how far it is, what came of it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kinema.web.base.files import send_file
from kinema.web.datasets import catalogue, outcomes
from kinema.web.datasets.views.words import in_words
from kinema.web.jobs import queue
from kinema.web.jobs.models import Job

_AGAIN = (
    "key",
    "upload",
    "min_seconds",
    "min_frames",
    "leaks",
    "rows",
)  # arguments by which two jobs ask for the same


def begin(request: HttpRequest, kind: str, title: str, arguments: dict[str, Any]) -> HttpResponse:
    """Queue a job and lead to the page that follows it; scripts are told its address."""
    arguments["by"] = request.user.get_username()
    job = queue.add(kind, title, arguments, request.user)
    return _follow(request, job)


def begin_once(request: HttpRequest, kind: str, title: str, arguments: dict[str, Any]) -> HttpResponse:
    """As `begin`, but where the same is waiting or running already that is followed."""
    same = {name: arguments[name] for name in _AGAIN if name in arguments}
    for job in Job.objects.filter(kind=kind, state__in=(Job.State.QUEUED, Job.State.RUNNING)):
        if {name: job.arguments[name] for name in _AGAIN if name in job.arguments} == same:
            return _follow(request, job)
    return begin(request, kind, title, arguments)


def _follow(request: HttpRequest, job: Job) -> HttpResponse:
    where = reverse("datasets:work", args=[job.pk])
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"job": job.get_absolute_url(), "url": where}, status=202)
    return redirect(where)


@require_safe
@in_words
def work(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a job is; leads on to its result once it is over."""
    job = get_object_or_404(Job, pk=pk, kind__endswith="-data")
    if job.state == Job.State.DONE and job.result.get("url"):
        return redirect(job.result["url"])
    back = reverse("datasets:index")
    if job.kind == "pictures-data" and job.state == Job.State.DONE:
        return redirect(f"datasets:{job.arguments.get('back') or 'sheet'}", key=job.arguments["key"])
    if job.arguments.get("key"):
        back = reverse("datasets:manifest", args=[job.arguments["key"]])
    elif job.arguments.get("keys"):
        back = reverse("datasets:import", args=[job.arguments["keys"]])
    return render(
        request,
        "datasets/work.html",
        {"job": job, "back": back, "may_cancel": queue.may_cancel(job, request.user)},
    )


@require_safe
@in_words
def outcome(request: HttpRequest, token: str) -> HttpResponse:
    """What came of an import, an archive or a split, and what to do next."""
    found = outcomes.outcome(token)
    made: list[catalogue.Entry] = []
    tables: list[str] = []
    for key in found.made:
        try:
            one = catalogue.entry(key)
        except Http404:
            continue
        made.append(one)
        if not tables:
            tables.append(catalogue.load(one).manifest.describe())
    source = None
    if found.kind == "split":
        try:
            source = catalogue.entry(found.source)
        except Http404:
            source = None
    return render(
        request,
        "datasets/outcome.html",
        {
            "outcome": found, "token": token, "made": made, "table": tables[0] if tables else "", "source": source,
            "train": train_address(made[0].key) if made else "", "more_absent": found.absent_total - len(found.absent),
        },
    )  # fmt: skip


@require_safe
async def alike(request: HttpRequest, token: str) -> HttpResponse:
    """The pictures of clips that show the same footage."""
    return await send_file(request, outcomes.leak_page(token), kind="text/html; charset=utf-8", sandbox=True)


@require_safe
async def absent(request: HttpRequest, token: str) -> HttpResponse:
    """The table of all that a data set lists and that is missing."""
    return await send_file(
        request, outcomes.absent_table(token), download="absent.csv", kind="text/csv; charset=utf-8"
    )


def train_address(key: str) -> str:
    """Return the page that starts a training with a manifest."""
    return f"{reverse('runs:start')}?data={key}"
