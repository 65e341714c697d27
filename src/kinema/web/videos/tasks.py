"""The long work of videos: checking an upload by decoding it, and predicting."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from django.db import transaction
from django.http import Http404

from kinema.errors import DataError, KinemaError, first_line
from kinema.web.jobs.kinds import Cancelled, Progress, job
from kinema.web.jobs.models import Job
from kinema.web.recognizers import recognizer
from kinema.web.videos import predictions
from kinema.web.videos.models import Prediction, Video

CHECK_MEMORY = 4 * 2**30
"""Bytes of address space in which an upload must decode."""
CHECK_SECONDS = 600.0
_LACKING = "it takes more memory to decode than a video may take here"


def after_check(done: Job) -> None:
    """Settle a video whose check has ended in another way than by its own word."""
    video = Video.objects.filter(pk=done.arguments.get("video")).first()
    if video is None:
        _sweep(done.arguments.get("video"))
    elif video.state == Video.State.CHECKING and done.state != Job.State.DONE:
        reason = done.error or "its check was cancelled"
        Video.objects.filter(pk=video.pk, state=Video.State.CHECKING).update(
            state=Video.State.REFUSED, reason=reason
        )


@job("video-check", memory=CHECK_MEMORY, seconds=CHECK_SECONDS, after=after_check, short=True)
def check(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Decode an upload; make it ready, or refuse it with the reason in words."""
    from kinema.web.videos.looking import look

    video = _video(arguments)
    if video.state == Video.State.CHECKING:
        try:
            facts = look(video.path, video.thumbnail, progress)
        except Cancelled:
            raise
        except (KinemaError, MemoryError, OSError) as error:
            reason = _LACKING if isinstance(error, MemoryError) else _about(video, error)
            Video.objects.filter(pk=video.pk).update(state=Video.State.REFUSED, reason=reason)
            video.path.unlink(missing_ok=True)
            raise DataError(reason) from error
        with transaction.atomic():
            changed = Video.objects.filter(pk=video.pk, state=Video.State.CHECKING).update(
                state=Video.State.READY,
                duration=facts.duration,
                width=facts.width,
                height=facts.height,
                fps=facts.fps,
                sha256=facts.sha256,
            )
            if changed and video.wanted:
                video.refresh_from_db()
                # The recognizer may have been removed meanwhile; the video is ready all the same.
                predictions.add_wanted(video)
    return {"video": video.pk, "url": video.get_absolute_url()}


def after_prediction(done: Job) -> None:
    """Leave nothing half-written of a prediction that was cancelled, failed or deleted."""
    found = Prediction.objects.filter(pk=done.arguments.get("prediction")).select_related("video").first()
    if found is None:
        _sweep(done.arguments.get("video"), done.arguments.get("prediction"))
    elif not found.done:
        shutil.rmtree(found.folder, ignore_errors=True)


@job("video-predict", after=after_prediction)
def predict(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Do what `kinema predict` does, and show what is seen while it goes on."""
    from kinema.evaluation.predictions import predict_to_folder
    from kinema.evaluation.preview import Preview
    from kinema.evaluation.timeline_view import write_view
    from kinema.evaluation.video_inputs import VideoInput
    from kinema.models import Recognizer

    found = Prediction.objects.filter(pk=arguments["prediction"]).select_related("video").first()
    if found is None:
        raise DataError("the video or this prediction was deleted")
    video, folder = found.video, found.folder
    address = found.get_absolute_url()
    if found.done:
        return {"prediction": found.pk, "url": address}
    try:
        chosen = recognizer(found.recognizer)
    except Http404 as error:
        raise DataError(f"{found.title}: this recognizer is not there any more; choose another") from error
    progress(0, 1, "waking the recognizer")
    loaded = Recognizer.load(chosen.path)
    folder.mkdir(parents=True, exist_ok=True)

    def tell(done: float, total: int, what: str) -> None:
        progress(done, total, what)

    with Preview(loaded, folder, seconds=video.duration) as watched:
        run = predict_to_folder(watched, [VideoInput(video.name, video.path)], folder, progress=tell)
    result = run.videos[0]
    if result.failed:
        raise DataError(_about(video, DataError(result.error or "nothing of it could be read")))
    write_view(found.result("json"), folder / predictions.VIEW, folder / predictions.CHAPTERS)
    progress(1, 1, f"{result.label} {100 * (result.confidence or 0):.0f} %")
    changed = Prediction.objects.filter(pk=found.pk).update(
        done=True, label=result.label or "", confidence=result.confidence, events=result.event_count
    )
    if not changed:
        _sweep(video.pk, found.pk)
        raise DataError("the video or this prediction was deleted")
    for name in (predictions.PREVIEW, predictions.PARTIAL):
        (folder / name).unlink(missing_ok=True)
    return {"prediction": found.pk, "url": address}


def _video(arguments: dict[str, Any]) -> Video:
    video = Video.objects.filter(pk=arguments["video"]).first()
    if video is None:
        raise DataError("the video was deleted")
    return video


def _about(video: Video, error: Exception) -> str:
    """Return an error in words, with the name that the user knows in place of the path of the stored file."""
    text = str(error) if isinstance(error, KinemaError) else f"{video.path}: {first_line(error)}"
    for path in (str(video.path), str(video.path.resolve())):
        text = text.replace(path, video.name)
    return text


def _sweep(video: object, prediction: object = None) -> None:
    """Remove the folder of something that was deleted while a job still wrote to it."""
    from kinema.web.folder import site

    if not isinstance(video, int):
        return
    folder = site().root / "videos" / str(video)
    if not Video.objects.filter(pk=video).exists():
        shutil.rmtree(folder, ignore_errors=True)
    elif isinstance(prediction, int):
        shutil.rmtree(Path(folder, "predictions", str(prediction)), ignore_errors=True)
