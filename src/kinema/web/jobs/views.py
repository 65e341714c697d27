"""Pages of jobs: the list, one of them, cancel."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from kinema.web.base.errors import wants_json
from kinema.web.base.roles import is_admin
from kinema.web.jobs import queue
from kinema.web.jobs.models import Job
from kinema.web.jobs.output import read_output


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All jobs, newest first."""
    page = Paginator(Job.objects.select_related("owner"), 50).get_page(request.GET.get("page"))
    return render(request, "jobs/index.html", {"page": page})


@require_safe
def open_jobs(request: HttpRequest) -> JsonResponse:
    """How many jobs run and wait, for the bar of every page."""
    return JsonResponse(count_open())


@require_safe
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """One job; as JSON for scripts."""
    job = get_object_or_404(Job, pk=pk)
    if wants_json(request):
        return JsonResponse(job.describe())
    output = read_output(pk) if is_admin(request.user) else ""
    found = {
        "job": job,
        "before": queue.before(job, running=True),
        "output": output,
        "may_cancel": queue.may_cancel(job, request.user),
    }
    return render(request, "jobs/show.html", found)


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel a job."""
    job = get_object_or_404(Job, pk=pk)
    queue.check_may_cancel(job, request.user)
    queue.cancel(job)
    job.refresh_from_db()
    if wants_json(request):
        return JsonResponse(job.describe())
    return redirect(job)


def count_open() -> dict[str, int]:
    """Return the numbers of jobs that run and that wait."""
    states = (Job.State.RUNNING, Job.State.QUEUED)
    rows = Job.objects.filter(state__in=states).order_by().values_list("state").annotate(many=Count("pk"))
    found = dict(rows)
    return {"running": found.get("running", 0), "waiting": found.get("queued", 0)}
