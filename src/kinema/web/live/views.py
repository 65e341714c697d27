"""Pages of the live view: choose, watch, the stream of pictures, and the list of allowed sources."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kinema.errors import KinemaError
from kinema.web.base.errors import error_page
from kinema.web.base.mjpeg import BEGINNING, ending, mjpeg
from kinema.web.base.roles import admin_required, is_admin
from kinema.web.live import sources
from kinema.web.live.forms import SourceForm
from kinema.web.live.hub import Full, hub
from kinema.web.live.models import AllowedSource
from kinema.web.live.orders import Order, find_order, order_of, rate_of, session_of
from kinema.web.live.viewer import Picture, Variant
from kinema.web.recognizers import recognizer, recognizers

_SHOWN_AGAIN = 5.0  # seconds without a picture: one that nobody takes shows that a viewer is gone
_SEND_WIDTH = 480  # pixels of a browser's picture


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Choose a recognizer and a source. With `?recognizer=KEY&source=browser` straight to this browser's camera."""
    key, source = request.GET.get("recognizer", ""), request.GET.get("source", "")
    if key and source == "browser":
        return redirect("live:show", session_of(recognizer(key), sources.browser()))
    return _index(request, {"recognizer": key, "source": source})


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """To the page of what was chosen; its engine starts when somebody looks."""
    try:
        choice = recognizer(request.POST.get("recognizer", ""))
        slug = request.POST.get("source", "")
        if slug == "browser":
            source = sources.browser(keep=request.POST.get("keep") == "on")
        elif slug == "address":
            source = sources.typed(request.POST.get("address", ""))
        elif slug:
            source = sources.find(slug)
        else:
            raise KinemaError("Choose what to watch.")
    except KinemaError as error:
        return _index(request, request.POST, str(error))
    return redirect("live:show", session_of(choice, source))


def _index(request: HttpRequest, chosen: Any, problem: str = "") -> HttpResponse:
    found = {
        "recognizers": recognizers(),
        "groups": sources.offered(),
        "may_type": sources.may_type(),
        "may_change": is_admin(request.user),
        "chosen": chosen,
        "problem": problem,
        "running": [one for one in hub().describe() if one["state"] in ("starting", "running")],
    }
    return render(request, "live/index.html", found, status=400 if problem else 200)


@require_safe
def show(request: HttpRequest, session: str) -> HttpResponse:
    """The live view."""
    try:
        order = order_of(session)
    except KinemaError as error:
        return error_page(request, 404, str(error))
    stream, full = hub().stream(session), ""
    try:
        hub().check(session)
    except Full as error:
        full = str(error)
    found = {
        "order": order,
        "session": session,
        "rate": rate_of(order.recognizer),
        "width": _SEND_WIDTH,
        "state": stream.describe() if stream is not None else None,
        "full": full,
        "review": _address("review:index"),
    }
    return render(request, "live/show.html", found)


@require_safe
async def stream(request: HttpRequest, session: str) -> HttpResponseBase:
    """The pictures, one replacing the other (multipart MJPEG): annotated, or bare with `?pictures=bare`."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise PermissionDenied  # a page elsewhere that shows it would start the camera
    variant: Variant = "bare" if request.GET.get("pictures") == "bare" else "annotated"
    try:
        order = await find_order(session)
        hub().check(session)
    except Full as error:
        return await sync_to_async(error_page)(request, 503, str(error))
    except KinemaError as error:
        return await sync_to_async(error_page)(request, 404, str(error))
    return mjpeg(request, _parts(order, variant))


async def _parts(order: Order, variant: Variant) -> AsyncIterator[bytes]:
    try:
        viewer = hub().join(order, variant, texts=False)
    except Full:
        return
    newest: Picture | None = None
    try:
        yield BEGINNING
        while True:
            try:
                async with asyncio.timeout(_SHOWN_AGAIN):
                    found = await viewer.next()
            except TimeoutError:
                found = ([], newest)
            if found is None:
                break
            newest = found[1] or newest
            if newest is not None:
                yield newest.part
        if newest is not None:
            yield ending(newest.jpeg)
    finally:
        hub().leave(order, viewer)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def sources_page(request: HttpRequest) -> HttpResponse:
    """The list of allowed sources, which administrators change."""
    form = SourceForm(request.POST or None, initial={"enabled": True})
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, f"{form.instance.name} may be watched now.")
        return redirect("live:sources")
    found = {"form": form, "sources": AllowedSource.objects.all(), "may_type": sources.may_type()}
    return render(request, "live/sources.html", found, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def change_source(request: HttpRequest, pk: int) -> HttpResponse:
    """Change an allowed source, or take it off the list."""
    one = get_object_or_404(AllowedSource, pk=pk)
    if request.method == "POST" and "delete" in request.POST:
        one.delete()
        messages.success(request, f"{one.name} is off the list.")
        return redirect("live:sources")
    form = SourceForm(request.POST or None, instance=one)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, f"{one.name} is changed.")
        return redirect("live:sources")
    return render(
        request, "live/source.html", {"form": form, "source": one}, status=400 if form.errors else 200
    )


def _address(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
