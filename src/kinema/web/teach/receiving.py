"""Takes as they come from a browser: kept as they are, and put in line to be looked at. Nothing is decoded here."""

from __future__ import annotations

import hashlib
import uuid
from contextlib import suppress
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count

from kinema.errors import UsageError
from kinema.files import atomic_path
from kinema.web.jobs import queue
from kinema.web.jobs.models import Job
from kinema.web.teach.models import Action, Project, Take

MOST_BYTES = 64 * 2**20
MOST_TAKES = 400
READING, TRAINING = "teach-take", "teach"


def receive(action: Action, uploaded: Any, *, pause: bool = False, uid: str = "") -> Take:
    """Keep one clip as a take of `action`. Raises `UsageError`, in words, for one that cannot be.

    `uid`: what the client calls the take (32 hexadecimal digits). One that is there by that name is returned: it was sent
    once more because the first answer was lost.
    """
    name = str(uploaded.name or "")[-120:]
    if not uploaded.size:
        raise UsageError(f"{name or 'the clip'}: it is empty; record it again")
    if uploaded.size > MOST_BYTES:
        raise UsageError(
            f"{name}: {uploaded.size / 2**20:.0f} MB; a take is a few seconds long and has at most {MOST_BYTES // 2**20} MB"
        )
    project = action.project
    if (known := _called(uid, project)) is not None:
        return known
    if Take.objects.filter(action__project=project).count() >= MOST_TAKES:
        raise UsageError(
            f"{project}: {MOST_TAKES} takes are the most that a project has; `kinema train` takes any number"
        )
    digest = hashlib.sha256()
    for piece in uploaded.chunks():
        digest.update(piece)
    same = (
        Take.objects.filter(action__project=project, digest=digest.hexdigest())
        .select_related("action")
        .first()
    )
    if same is not None:  # it would be learned from while its twin is tested
        raise UsageError(f"{name}: the same clip is a take of '{same.action}' already")
    take = Take(action=action, pause=pause, digest=digest.hexdigest(), original="" if pause else name)
    if (called := _uuid(uid)) is not None and not Take.objects.filter(uid=called).exists():
        take.uid = called
    with atomic_path(take.upload) as temporary, temporary.open("wb") as out:
        for piece in uploaded.chunks():
            out.write(piece)
    try:
        with transaction.atomic():
            take.save()
    except IntegrityError:  # the same take, twice at the same time
        if (known := _called(uid, project)) is None:
            raise
        return known
    return take


def look_soon(project: Project, owner: Any) -> None:
    """See to it that somebody looks at the project's takes."""
    if not _active(READING, project).exists():
        queue.add(READING, f"Takes of {project}", {"project": project.pk}, owner)


def train_soon(project: Project, owner: Any) -> Job:
    """Put the training of a project in line, or return the one that is there."""
    job = _active(TRAINING, project).first()
    if job is None:
        job = queue.add(TRAINING, f"Teach {project}", {"project": project.pk}, owner)
    Project.objects.filter(pk=project.pk).update(training=job)
    return job


def forget(project: Project) -> None:
    """End what works for a project."""
    for kind in (READING, TRAINING):
        for job in _active(kind, project):
            queue.cancel(job)


def counted() -> Any:
    """Return an annotation of projects: how many takes each has."""
    return Count("actions__takes", distinct=True)


def _called(uid: str, project: Project) -> Take | None:
    called = _uuid(uid)
    return Take.objects.filter(uid=called, action__project=project).first() if called is not None else None


def _uuid(text: str) -> uuid.UUID | None:
    with suppress(ValueError):
        return uuid.UUID(hex=text)
    return None


def _active(kind: str, project: Project) -> Any:
    return Job.objects.filter(
        kind=kind, arguments__project=project.pk, state__in=[Job.State.QUEUED, Job.State.RUNNING]
    )
