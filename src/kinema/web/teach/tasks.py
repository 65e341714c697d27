"""Jobs: look at takes as they arrive; train."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from kinema.errors import DataError, KinemaError, UsageError
from kinema.web.jobs.kinds import Progress, job, short_kinds
from kinema.web.jobs.models import Job
from kinema.web.teach.models import Project, Take
from kinema.web.teach.receiving import READING, TRAINING, look_soon
from kinema.web.teach.rewriting import rewrite

if TYPE_CHECKING:
    from kinema.training.teaching import TakeFeatures

LINGER = 20.0
"""Seconds that a process with an open backbone waits for the next take, unless another job waits for it."""
_LOOK = 0.2


def _looked(done: Job) -> None:
    """Takes that came while the last look ended get another; those that nobody can look at are told so."""
    project = Project.objects.filter(pk=done.arguments.get("project")).first()
    if project is None:
        return
    if done.state == Job.State.DONE:
        if project.waiting().exists():
            look_soon(project, done.owner)
        return
    why = done.error or "looking at it was cancelled; record it again"
    project.waiting().filter(created__lte=done.ended or timezone.now()).update(
        state=Take.State.REFUSED, reason=why[:300]
    )


@job(READING, after=_looked, short=True)
def look(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Decode the takes of a project as they arrive, and compute the features of the frozen backbone."""
    project = _project(arguments)
    progress(0, 0, "opening the backbone")
    with ThreadPoolExecutor(1) as opening:  # which takes seconds, in which the first takes are decoded
        return _look(project, opening.submit(_open_backbone), progress)


def _look(project: Project, opening: Future[TakeFeatures], progress: Progress) -> dict[str, Any]:
    seen, quiet = 0, time.monotonic()
    while True:
        take = project.waiting().select_related("action__project").first()
        if take is None:
            if (
                time.monotonic() - quiet > LINGER
                or _others_wait()
                or not Project.objects.filter(pk=project.pk).exists()
            ):
                return {"takes": seen, "url": project.get_absolute_url()}
            progress(1, 1, "waiting for more takes")
            time.sleep(_LOOK)
            continue
        progress(seen, seen + project.waiting().count(), f"looking at a take of '{take.action}'")
        if _decoded(take):
            problems = opening.result().compute([take.clip], mirrored=mirrors(project))
            _close(take, problems[0].replace(str(take.clip), "the take") if problems else "")
        seen, quiet = seen + 1, time.monotonic()


@job(TRAINING, short=True)
def train(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train on all takes of a project, estimate, and write the recognizer where pages and the command line find it."""
    from kinema.training.teaching import Take as Lesson
    from kinema.training.teaching import teach
    from kinema.training.teaching.saving import pack

    project = _project(arguments)
    for take in project.waiting().select_related("action__project"):
        progress(0, 1, f"looking at a take of '{take.action}'")
        if _decoded(take):
            _close(take, "")
    takes = list(
        Take.objects.filter(action__project=project, state=Take.State.READY).select_related("action__project")
    )
    taught = teach(
        [Lesson(str(take.pk), take.clip, take.action.label) for take in takes],
        project.recognizer,
        title=project.title,
        mirror=project.mirror,
        tell=lambda share, text: progress(share, 1, text),
    )
    pack(project.recognizer, project.folder / "recognizer.zip", project.name, project.title)
    result = {
        "name": project.name,
        "verdict": taught.verdict.to_dict(),
        "estimate": taught.estimate.to_dict() if taught.estimate else None,
        "takes": [take.pk for take in takes],
        "classes": taught.recognizer.classes,
        "mirrored": taught.recognizer.provenance["mirrored"],
        "seconds": {name: round(value, 2) for name, value in taught.seconds.items()},
        "problems": taught.problems,
    }
    if not Project.objects.filter(pk=project.pk).update(result=result, trained=timezone.now()):
        for folder in (project.recognizer, project.folder):  # deleted meanwhile, and these written after that
            shutil.rmtree(folder, ignore_errors=True)
        raise UsageError("this project was deleted")
    return {"url": project.get_absolute_url(), "headline": taught.verdict.headline}


def mirrors(project: Project) -> bool:
    """Return whether a project learns from mirrored pictures."""
    from kinema.data.takes import tell_sides

    if project.mirror is not None:
        return project.mirror
    return not tell_sides(action.label for action in project.actions.all())


def _open_backbone() -> TakeFeatures:
    from kinema.training.teaching import TakeFeatures

    return TakeFeatures()


def _project(arguments: dict[str, Any]) -> Project:
    project = Project.objects.filter(pk=arguments["project"]).first()
    if project is None:
        raise UsageError("this project was deleted")
    return project


def _decoded(take: Take) -> bool:
    """Write a take anew; one that cannot be is refused with the reason."""
    try:
        seconds = rewrite(take.upload, take.clip, take.thumbnail)
    except (DataError, KinemaError) as error:
        _close(take, str(error))
        return False
    Take.objects.filter(pk=take.pk).update(seconds=seconds)
    return True


def _close(take: Take, problem: str) -> None:
    """Say that a take is ready, or why not; another process may have done so, or the take may be gone."""
    state = Take.State.REFUSED if problem else Take.State.READY
    waiting = Take.objects.filter(pk=take.pk, state=Take.State.WAITING)
    changed = waiting.update(state=state, reason=problem[:300])
    if not Take.objects.filter(pk=take.pk).exists() or (changed and problem):
        take.remove_files()
    elif changed:
        take.upload.unlink(missing_ok=True)


def _others_wait() -> bool:
    return Job.objects.filter(state=Job.State.QUEUED, kind__in=short_kinds()).exists()
