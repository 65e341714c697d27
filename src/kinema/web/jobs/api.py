"""/api/jobs/: how far long work is, and how to stop it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema

from kinema.web.jobs import queue
from kinema.web.jobs.models import Job

router = Router()


class JobOut(Schema):
    """A job. `progress`: 0 to 1, null while nobody can say. `error`: a line, as the command line would print it."""

    id: int
    kind: str
    title: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: float | None
    message: str
    result: dict[str, Any]
    error: str
    created: datetime
    started: datetime | None
    ended: datetime | None
    url: str


class JobsOut(Schema):
    """A page of jobs, newest first. `count`: of all that fit."""

    count: int
    jobs: list[JobOut]


@router.get("", response=JobsOut, summary="Jobs, newest first")
def jobs(
    request: HttpRequest,
    state: Literal["queued", "running", "done", "failed", "cancelled"] | None = None,
    limit: int = Query(50, ge=1, le=200),
    offset: int = Query(0, ge=0),
) -> dict[str, Any]:
    """Return some jobs."""
    found = Job.objects.filter(state=state) if state else Job.objects.all()
    return {"count": found.count(), "jobs": [job.describe() for job in found[offset : offset + limit]]}


@router.get("/{int:pk}", response=JobOut, summary="One job")
def job(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Return one job."""
    return get_object_or_404(Job, pk=pk).describe()


@router.post("/{int:pk}/cancel", response=JobOut, summary="Cancel a job")
def cancel(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Cancel one's own job, or as an admin anybody's."""
    found = get_object_or_404(Job, pk=pk)
    queue.check_may_cancel(found, request.user)
    queue.cancel(found)
    found.refresh_from_db()
    return found.describe()
