"""Predictions of videos: asked for, found, deleted; and where a video stands in the queue."""

from __future__ import annotations

import shutil
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404

from kinema.errors import UsageError
from kinema.web.jobs import queue
from kinema.web.jobs.models import Job
from kinema.web.recognizers import Choice, recognizer
from kinema.web.videos.models import ORIGINAL, Prediction, Video

VIEW = "view.json"
"""What the page of a result shows: the timeline, thinned, with lanes, segments and events."""
CHAPTERS = "chapters.vtt"
PREVIEW = "preview.jpg"
PARTIAL = "preview.json"
"""The newest annotated picture and the timeline so far, while a prediction goes on."""
FILES = {
    "annotated.mp4": (f"{ORIGINAL}.mp4", "video/mp4"),
    "timeline.json": (f"{ORIGINAL}.json", "application/json"),
    "frames.csv": ("frame_predictions.csv", "text/csv"),
    "events.csv": ("events.csv", "text/csv"),
    "summary.csv": ("videos.csv", "text/csv"),
    "subtitles.vtt": (f"{ORIGINAL}.vtt", "text/vtt; charset=utf-8"),
    "chapters.vtt": (CHAPTERS, "text/vtt; charset=utf-8"),
    "view.json": (VIEW, "application/json"),
}
"""What can be had of a prediction: the file in its folder, and its media type."""


def ask(video: Video, chosen: Choice, owner: Any) -> Prediction:
    """Queue a prediction, or return the one by this recognizer that still goes on: a button is pressed twice.

    Raises `UsageError` for a video that is not ready.
    """
    if video.state != Video.State.READY:
        raise UsageError(
            f"{video.name}: it is {video.get_state_display()}; only a video that is ready can be predicted"
        )
    with transaction.atomic():
        Video.objects.select_for_update().filter(pk=video.pk).first()  # who asks at the same moment waits
        asked = video.predictions.filter(recognizer=chosen.key).select_related("job", "video")
        if (going := next((one for one in asked if one.running), None)) is not None:
            return going
        found = Prediction.objects.create(video=video, recognizer=chosen.key, title=chosen.title[:200])
        found.job = queue.add(
            "video-predict",
            f"{video.name} with {chosen.title}",
            {"prediction": found.pk, "video": video.pk},
            owner,
        )
        found.save(update_fields=["job"])
    return found


def add_wanted(video: Video) -> None:
    """Queue the prediction that was asked for with the upload; nothing where its recognizer is gone."""
    try:
        ask(video, recognizer(video.wanted), video.owner)
    except Http404:
        return


def may_delete(video: Video, user: Any) -> bool:
    """Whether a video, with all that was made of it, is the user's to delete: their own, or any for an admin."""
    return bool(user.is_superuser or video.owner_id is None or video.owner_id == user.pk)


def check_may_delete(video: Video, user: Any) -> None:
    """Raise `PermissionDenied` for somebody else's video."""
    if not may_delete(video, user):
        raise PermissionDenied(f"{video.name} is somebody else's: only they or an admin may delete it.")


def delete(video: Video) -> None:
    """Delete a video with all that was made of it, and end its jobs."""
    jobs = [video.job, *(found.job for found in video.predictions.select_related("job"))]
    folder = video.folder
    for job in jobs:
        if job is not None and not job.over:
            queue.cancel(job)
    video.delete()
    shutil.rmtree(folder, ignore_errors=True)


def delete_prediction(found: Prediction) -> None:
    """Delete one prediction, and end its job."""
    folder = found.folder
    if found.job is not None and not found.job.over:
        queue.cancel(found.job)
    found.delete()
    shutil.rmtree(folder, ignore_errors=True)


def settle(videos: list[Video]) -> None:
    """Tell videos whose check ended while nobody was there to say so, as when the worker was killed right then."""
    from kinema.web.videos.tasks import after_check

    for video in videos:
        if video.state == Video.State.CHECKING:
            if video.job is None:
                video.job = queue.add("video-check", f"Check {video.name}", {"video": video.pk}, video.owner)
                video.save(update_fields=["job"])
            elif video.job.over and video.job.state != Job.State.DONE:
                after_check(video.job)
                video.refresh_from_db()


def place(job: Job | None) -> int | None:
    """Return a waiting job's place in the queue, 1 for the next; None for one that does not wait."""
    if job is None or job.state != Job.State.QUEUED:
        return None
    return queue.before(job) + 1


def has(found: Prediction, name: str) -> bool:
    """Whether one of `FILES` is there: a video that can be read may still not be one that can be written."""
    return found.done and (found.folder / FILES[name][0]).is_file()


def newest(video: Video, wanted: str | None = None) -> Prediction | None:
    """Return the prediction that the page shows: that of a number, else one that goes on, else the newest that is done."""
    found = list(video.predictions.select_related("job", "video"))
    if wanted and wanted.isdigit():
        return next((one for one in found if one.pk == int(wanted)), None)
    going = [one for one in found if one.running]
    done = [one for one in found if one.done]
    return next(iter([*going, *done, *found]), None)
