"""Takes over HTTP: they arrive, are shown, are deleted."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from kinema.errors import KinemaError
from kinema.web.base.files import send_file
from kinema.web.teach import access, receiving
from kinema.web.teach.models import Action


@require_POST
def upload(request: HttpRequest, pk: int) -> HttpResponse:
    """One or several clips of an action; JSON for scripts, the page again for forms."""
    project = access.project_of(request.user, pk)
    number = request.POST.get("action", "")
    action = get_object_or_404(Action, project=project, pk=int(number) if number.isdecimal() else 0)
    takes, refused = [], []
    for uploaded in request.FILES.getlist("clip"):
        try:
            pause, uid = bool(request.POST.get("pause")), request.POST.get("uid", "")
            takes.append(receiving.receive(action, uploaded, pause=pause, uid=uid))
        except KinemaError as error:
            refused.append(str(error))
    if takes:
        receiving.look_soon(project, request.user)
    if "application/json" in request.headers.get("Accept", ""):
        status = 200 if takes or not refused else 400
        found = {"takes": [take.describe() for take in takes], "refused": refused}
        return JsonResponse(found | ({"detail": "; ".join(refused)} if refused else {}), status=status)
    for text in refused:
        messages.error(request, text)
    if takes:
        messages.success(request, f"{len(takes)} of '{action}' received; they are looked at now.")
    return redirect(project)


@require_POST
def warm(request: HttpRequest, pk: int) -> HttpResponse:
    """Somebody is about to record: open the backbone now, so that the first take does not wait for it."""
    receiving.look_soon(access.project_of(request.user, pk), request.user)
    return JsonResponse({"ok": True})


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """One take."""
    take = access.take_of(request.user, pk)
    take.remove_files()
    take.delete()
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"deleted": pk})
    return redirect(take.action.project)


async def clip(request: HttpRequest, pk: int) -> Any:
    """The video of a take."""
    take = await _take(request, pk)
    return await send_file(request, take.clip, kind="video/mp4")


async def thumbnail(request: HttpRequest, pk: int) -> Any:
    """A picture of a take."""
    take = await _take(request, pk)
    return await send_file(request, take.thumbnail, kind="image/jpeg")


async def _take(request: HttpRequest, pk: int) -> Any:
    if request.method not in ("GET", "HEAD"):
        raise Http404
    return await sync_to_async(access.take_of)(request.user, pk)
