"""The queue: jobs are added by pages, claimed by workers, and given back when a worker dies."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import F, Q
from django.utils import timezone

from kinema.web.jobs.kinds import kind as kind_of
from kinema.web.jobs.kinds import short_kinds
from kinema.web.jobs.models import Job

STALE = 15.0
"""Seconds without a sign of life after which another worker takes a job over."""
ATTEMPTS = 3
"""How often a job is begun whose own process dies."""
LOSSES = 10
"""How often a job is taken over whose worker died, which says little of the job."""
OVER = (Job.State.DONE, Job.State.FAILED, Job.State.CANCELLED)


def add(kind: str, title: str, arguments: dict[str, Any], owner: Any = None) -> Job:
    """Put a job at the end of the queue. Raises `UsageError` for an unknown kind."""
    kind_of(kind)
    known = owner if owner is not None and owner.is_authenticated else None
    return Job.objects.create(kind=kind, title=title[:200], arguments=arguments, owner=known)


def may_cancel(job: Job, user: Any) -> bool:
    """Whether a job is the user's own, or the user an admin."""
    return bool(user.is_superuser or (job.owner_id is not None and job.owner_id == user.pk))


def check_may_cancel(job: Job, user: Any) -> None:
    """Raise `PermissionDenied` for somebody else's job."""
    if not may_cancel(job, user):
        raise PermissionDenied("This job is somebody else's: only they or an admin may cancel it.")


def cancel(job: Job) -> None:
    """Cancel a job: at once while it waits; a running one is asked, and stopped where it does not listen."""
    waiting = Job.objects.filter(pk=job.pk, state=Job.State.QUEUED)
    if not waiting.update(
        state=Job.State.CANCELLED, ended=timezone.now(), message="cancelled before it began"
    ):
        Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(cancelling=True)


def claim(own: Collection[int] = (), *, short: bool | None = None) -> Job | None:
    """Take the oldest waiting job, or one whose worker died; no two workers get the same one.

    `own`: the jobs that this worker runs, which it cannot lose to itself, however long the machine slept. `short`: of those
    kinds alone that are done in a moment, or of the others alone; None: of all.
    """
    now = timezone.now()
    stale = Q(state=Job.State.RUNNING) & (Q(beat=None) | Q(beat__lt=now - timedelta(seconds=STALE)))
    open_jobs = Job.objects.filter(Q(state=Job.State.QUEUED) | stale, _lane(short)).exclude(pk__in=list(own))
    for job in open_jobs.order_by("id")[:5]:
        mine = uuid.uuid4().hex
        same = Job.objects.filter(pk=job.pk, state=job.state, claim=job.claim)
        lost = job.state == Job.State.RUNNING
        if lost and job.losses >= LOSSES:
            same.update(
                state=Job.State.FAILED,
                ended=now,
                claim=mine,
                error=f"its worker died {job.losses} times; the server's log says more",
            )
            continue
        if lost and job.cancelling:
            same.update(state=Job.State.CANCELLED, ended=now, claim=mine, message="cancelled")
            continue
        taken = same.update(
            state=Job.State.RUNNING,
            claim=mine,
            beat=now,
            started=now,
            attempts=F("attempts") + int(not lost),
            losses=F("losses") + int(lost),
            error="",
        )
        if taken:
            return Job.objects.filter(pk=job.pk).first()
    return None


def before(job: Job, *, running: bool = False) -> int:
    """Return how many jobs a waiting one waits for: those that are done in a moment wait for their like only.

    `running`: count those as well that run now. A job that waits no more waits for none.
    """
    if job.state != Job.State.QUEUED:
        return 0
    states = [Job.State.QUEUED, *([Job.State.RUNNING] if running else [])]
    lane = _lane(job.kind in short_kinds())
    return Job.objects.filter(lane, state__in=states, pk__lt=job.pk).count()


def beat(job: Job) -> bool:
    """Say that the job's worker lives; return whether the job is still that worker's."""
    return bool(
        Job.objects.filter(pk=job.pk, claim=job.claim, state=Job.State.RUNNING).update(beat=timezone.now())
    )


def tell(job: Job, progress: float | None, message: str) -> bool:
    """Write how far a job is; return whether somebody wants it cancelled, or it is this worker's no more."""
    own = Job.objects.filter(pk=job.pk, claim=job.claim, state=Job.State.RUNNING)
    own.update(progress=progress, message=message[:300])
    return not own.filter(cancelling=False).exists()


def finish(job: Job, state: Any, *, result: dict[str, Any] | None = None, error: str = "") -> bool:
    """Close a job that is still this worker's with a state of `Job.State`; return whether it was."""
    values: dict[str, Any] = {"state": state, "ended": timezone.now(), "error": error}
    if state == Job.State.DONE:
        values |= {"progress": 1.0, "result": result or {}}
    return bool(Job.objects.filter(pk=job.pk, claim=job.claim, state=Job.State.RUNNING).update(**values))


def again(job: Job) -> bool:
    """Put a job whose process died back to where it was; the try counts."""
    return bool(
        Job.objects.filter(pk=job.pk, claim=job.claim, state=Job.State.RUNNING).update(
            state=Job.State.QUEUED, claim="", beat=None, progress=None
        )
    )


def give_back(job: Job) -> None:
    """Put a job that was begun back to where it was, as when the worker is asked to end; the try does not count."""
    Job.objects.filter(pk=job.pk, claim=job.claim, state=Job.State.RUNNING).update(
        state=Job.State.QUEUED, claim="", beat=None, progress=None, attempts=F("attempts") - 1
    )


def unsettled() -> list[Job]:
    """Return some jobs that are over, and whose kind may want something done."""
    return list(Job.objects.filter(settled=False, state__in=OVER).order_by("id")[:20])


def settle(job: Job) -> None:
    """Note that what a job's kind wanted done afterwards is done."""
    Job.objects.filter(pk=job.pk).update(settled=True)


def _lane(short: bool | None) -> Q:
    if short is None:
        return Q()
    return Q(kind__in=short_kinds()) if short else ~Q(kind__in=short_kinds())
