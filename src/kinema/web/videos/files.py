"""What players, pictures and downloads get: files with ranges, and the annotated pictures as a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from kinema.web.base.files import send_file, video_kind
from kinema.web.base.mjpeg import BEGINNING, ending, mjpeg, part
from kinema.web.folder import inside, site
from kinema.web.videos import predictions
from kinema.web.videos.models import Prediction, Video

_LOOK = 0.08  # seconds between looks for a new picture
_ASK = 1.0  # seconds between looks into the database


@require_safe
async def original(request: HttpRequest, pk: int) -> Any:
    """The uploaded file; `?save` downloads it under the user's name."""
    video = await _video(pk)
    path = await sync_to_async(inside)(site().root, video.file)
    save = video.name if "save" in request.GET else None
    return await send_file(request, path, download=save, kind=video_kind(video.path))


@require_safe
async def thumbnail(request: HttpRequest, pk: int) -> Any:
    """A picture of the video."""
    video = await _video(pk)
    return await send_file(request, video.thumbnail, kind="image/jpeg")


@require_safe
async def result(request: HttpRequest, pk: int, stem: str, suffix: str) -> Any:
    """One of the files of a prediction; `?save` downloads it under a name that says what it is."""
    found = await sync_to_async(_prediction)(pk)
    name = f"{stem}.{suffix}"
    if name not in predictions.FILES:
        raise Http404
    file, kind = predictions.FILES[name]
    path = await sync_to_async(inside)(found.folder, file)
    save = f"{Path(found.video.name).stem}-{name}" if "save" in request.GET else None
    return await send_file(request, path, download=save, kind=kind)


@require_safe
async def stream(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The annotated pictures of the prediction that goes on, as multipart JPEG: needs no script.

    It begins with the plain thumbnail, so that something is there while the job waits; it ends with the job.
    """
    video = await _video(pk)
    found = await sync_to_async(predictions.newest)(video, request.GET.get("prediction"))
    if found is None:
        raise Http404
    return mjpeg(request, _pictures(found))


def read_view(found: Prediction) -> dict[str, Any]:
    """Return the view of a prediction that is done, or the timeline so far of one that goes on; `Http404` before that."""
    for name in (predictions.VIEW, predictions.PARTIAL):
        try:
            view: dict[str, Any] = json.loads((found.folder / name).read_text(encoding="utf-8"))
            return view
        except (OSError, ValueError):
            continue
    raise Http404


async def _pictures(found: Prediction) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    path, mark, asked = found.folder / predictions.PREVIEW, 0, loop.time()
    going = found.running
    last = await asyncio.to_thread(_bytes, found.video.thumbnail)
    yield BEGINNING
    if last:
        yield part(last)
    while True:
        new = await asyncio.to_thread(_mark, path)
        if new and new != mark and (picture := await asyncio.to_thread(_bytes, path)):
            mark, last = new, picture
            yield part(last)
        elif not going:
            break
        await asyncio.sleep(_LOOK)
        if going and loop.time() - asked > _ASK:
            asked = loop.time()
            going = await sync_to_async(_still_running)(found.pk)
    yield ending(last)


def _mark(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _still_running(pk: int) -> bool:
    found = Prediction.objects.select_related("job").filter(pk=pk).first()
    return found is not None and found.running


def _prediction(pk: int) -> Prediction:
    found: Prediction = get_object_or_404(Prediction.objects.select_related("video", "job"), pk=pk)
    return found


async def _video(pk: int) -> Video:
    video: Video = await sync_to_async(get_object_or_404)(Video, pk=pk)
    return video
