"""The wall of clips, one clip with its history, its files, its end."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from kinema.web.base.files import send_file
from kinema.web.base.roles import is_admin
from kinema.web.review import book
from kinema.web.review.clips import delete_clip, file_of
from kinema.web.review.filters import STATES, ClipFilter, choices
from kinema.web.review.models import Clip

_PER_PAGE = 48
_ALIKE = 12  # clips of the same footage that a clip's page names


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The wall: clips of a filter, newest first."""
    wanted = ClipFilter.of(request.GET)
    page = Paginator(wanted.clips().defer("details"), _PER_PAGE).get_page(request.GET.get("page"))
    newest = Clip.objects.order_by("-id").values_list("id", flat=True).first() or 0
    shown = {
        "page": page,
        "filter": wanted,
        "counts": book.counts(request.user, wanted),
        "states": STATES,
        "kinds": Clip.Kind.choices,
        "newest": newest,
        **choices(),
    }
    return render(request, "review/index.html", shown)


@require_safe
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """One clip: player, what is known of it, who decided what."""
    clip = get_object_or_404(Clip, pk=pk)
    history = list(clip.decisions.select_related("undoes", "undone_by"))
    shown = {
        "clip": clip,
        "history": history,
        "alike": Clip.objects.filter(family=clip.family).exclude(pk=pk)[:_ALIKE] if clip.family else [],
        "labels": choices()["labels"],
        "may_delete": is_admin(request.user),
        "back": ClipFilter.of(request.GET).query,
    }
    return render(request, "review/show.html", shown)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether a clip shall be deleted, and delete it."""
    clip = get_object_or_404(Clip, pk=pk)
    if not is_admin(request.user):
        raise PermissionDenied("Only an admin of this site deletes clips; you may call it wrong.")
    if request.method == "POST":
        delete_clip(clip)
        messages.success(request, f"Deleted: {clip}", extra_tags="good")
        return redirect("review:index")
    return render(request, "review/delete.html", {"clip": clip, "decisions": clip.decisions.count()})


@require_safe
async def clip_file(request: HttpRequest, pk: int) -> Any:
    """A clip's video, with ranges."""
    return await _file(request, pk, "clip")


@require_safe
async def thumbnail_file(request: HttpRequest, pk: int) -> Any:
    """A clip's picture."""
    return await _file(request, pk, "thumbnail")


async def _file(request: HttpRequest, pk: int, field: str) -> Any:
    name = await Clip.objects.filter(pk=pk).values_list(field, flat=True).afirst()
    path = await sync_to_async(file_of)(name) if name else None
    if path is None:
        raise Http404
    return await send_file(request, path)
