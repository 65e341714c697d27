"""Pages of the clips of a manifest: the table, contact sheets, one clip with its player; and their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from kinema.errors import KinemaError
from kinema.video.remote import is_address
from kinema.web.base.files import send_file, video_kind
from kinema.web.datasets import catalogue
from kinema.web.datasets.clips import NONE, Wanted, labels_a_page, rows_of, sheet_labels, sheets
from kinema.web.datasets.pictures import missing, picture
from kinema.web.datasets.reports import STATES, report
from kinema.web.datasets.views.manifest import tools
from kinema.web.datasets.views.words import in_words
from kinema.web.datasets.views.work import begin_once

_A_PAGE = 50
_MOST_ASKED = 500  # pictures of one job
_GROUPS = 300  # offered while typing


@require_safe
@in_words
def clips(request: HttpRequest, key: str) -> HttpResponse:
    """The rows that fit the filters, a page at a time."""
    one = catalogue.entry(key)
    loaded, last = catalogue.load(one), report(one)
    wanted = Wanted.of(request.GET)
    rows = rows_of(loaded, wanted, last)
    page = Paginator(rows, _A_PAGE).get_page(request.GET.get("page"))
    fits = last is not None and last.fits(loaded)
    shown = [
        {
            "row": row,
            "segment": loaded.segments[row],
            "picture": picture(loaded, row),
            "outcome": last.rows[row] if last is not None and fits else None,
        }
        for row in page.object_list
    ]
    return render(
        request,
        "datasets/clips.html",
        {
            "entry": one, "page": page, "shown": shown, "wanted": wanted, "found": len(rows),
            "total": len(loaded.manifest), "missing": missing(loaded, list(page.object_list)), "fits": fits,
            "here": "clips", **_filters(loaded), **tools(one),
        },
    )  # fmt: skip


@require_safe
@in_words
def sheet(request: HttpRequest, key: str) -> HttpResponse:
    """Contact sheets: some clips of each class, side by side."""
    one = catalogue.entry(key)
    loaded = catalogue.load(one)
    wanted = Wanted.of(request.GET)
    labels = [label for label in sheet_labels(loaded) if wanted.label in ("", label or NONE)]
    page = Paginator(labels, labels_a_page()).get_page(request.GET.get("page"))
    found = sheets(loaded, list(page.object_list), wanted)
    rows = [row for one_sheet in found for row in one_sheet.rows]
    shown = [
        {
            "label": one_sheet.label,
            "total": one_sheet.total,
            "more": one_sheet.total - len(one_sheet.rows),
            "clips": [
                {"row": row, "segment": loaded.segments[row], "picture": picture(loaded, row)}
                for row in one_sheet.rows
            ],
        }
        for one_sheet in found
    ]
    return render(
        request,
        "datasets/sheet.html",
        {
            "entry": one, "page": page, "sheets": shown, "wanted": wanted, "missing": missing(loaded, rows),
            "here": "sheet", **_filters(loaded), **tools(one),
        },
    )  # fmt: skip


@require_safe
@in_words
def clip(request: HttpRequest, key: str, row: int) -> HttpResponse:
    """One clip: its player, what is known of it, the ones before and after that fit the filters."""
    one = catalogue.entry(key)
    loaded, last = catalogue.load(one), report(one)
    if row >= len(loaded.segments):
        raise Http404("no such clip")
    segment = loaded.segments[row]
    wanted = Wanted.of(request.GET)
    rows = rows_of(loaded, wanted, last)
    place = rows.index(row) if row in rows else None
    known = picture(loaded, row)
    path = catalogue.shown_video(one, segment)
    return render(
        request,
        "datasets/clip.html",
        {
            "entry": one, "row": row, "segment": segment, "picture": known, "player": _player(path, known, key, row),
            "why": _why(one, segment, path), "missing": missing(loaded, [row]),
            "before": rows[place - 1] if place else None,
            "after": rows[place + 1] if place is not None and place + 1 < len(rows) else None,
            "place": place + 1 if place is not None else None, "found": len(rows),
            "outcome": last.rows[row] if last is not None and last.fits(loaded) else None,
            "columns": [(name, value) for name, value in segment.extra.items() if str(value) not in ("", "nan", "None")],
            "begin": segment.start or 0, "end": segment.end, "here": "clips", **tools(one),
        },
    )  # fmt: skip


def _player(path: Path | None, known: Any, key: str, row: int) -> dict[str, Any] | None:
    """What a browser can play of a clip: the file, the copy that the pictures' job made, or nothing yet."""
    if path is None or (path.is_dir() and (known is None or known.preview is None)):
        return None
    if known is not None and known.preview is not None:
        return {"kind": "copy", "url": reverse("datasets:copy", args=[key, row])}
    plays = (
        known.facts.get("plays") if known is not None else path.suffix.lower() in (".mp4", ".webm", ".m4v")
    )
    return {"kind": "file", "url": reverse("datasets:video", args=[key, row])} if plays else None


def _why(one: catalogue.Entry, segment: Any, path: Path | None) -> str:
    if path is not None:
        return ""
    if is_address(segment.name):
        return "The video is in an object store: jobs read it, a browser cannot."
    if not segment.video.exists():
        return "The video is not there: it was moved, or its manifest names it wrongly."
    return "The video lies outside of the folders that this site may show; kinema serve --data FOLDER allows one."


@require_POST
@in_words
def pictures(request: HttpRequest, key: str) -> HttpResponse:
    """Make the pictures of the rows that a page lacks, in a job."""
    one = catalogue.entry(key)
    loaded = catalogue.load(one)
    asked = [int(text) for text in request.POST.getlist("row")[:_MOST_ASKED] if text.isdecimal()]
    rows = missing(loaded, sorted({row for row in asked if row < len(loaded.segments)}))
    back = request.POST.get("back", "")
    arguments = {"key": key, "rows": rows, "back": back if back in ("clips", "sheet") else "sheet"}
    return begin_once(request, "pictures-data", f"Pictures of {one.title}", arguments)


@require_safe
async def video(request: HttpRequest, key: str, row: int) -> HttpResponse:
    """A clip's video file, with ranges."""
    path = await sync_to_async(_video_path)(key, row)
    return await send_file(request, path, kind=video_kind(path) if path is not None else None)


@require_safe
async def copy(request: HttpRequest, key: str, row: int) -> HttpResponse:
    """The copy of a clip that browsers play."""
    found = await sync_to_async(_picture)(key, row)
    return await send_file(request, found.preview if found else None, kind="video/mp4")


@require_safe
async def strip(request: HttpRequest, key: str, row: int) -> HttpResponse:
    """First, middle and last frame of a clip."""
    found = await sync_to_async(_picture)(key, row)
    return await send_file(request, found.strip if found else None, kind="image/jpeg")


def _video_path(key: str, row: int) -> Path | None:
    one = catalogue.entry(key)
    try:
        segments = catalogue.load(one).segments
    except KinemaError:
        return None
    path = catalogue.shown_video(one, segments[row]) if row < len(segments) else None
    return path if path is not None and path.is_file() else None


def _picture(key: str, row: int) -> Any:
    try:
        loaded = catalogue.load(catalogue.entry(key))
    except KinemaError:
        return None
    return picture(loaded, row) if row < len(loaded.segments) else None


def _filters(loaded: catalogue.Loaded) -> dict[str, Any]:
    manifest = loaded.manifest
    table = manifest.table
    return {
        "labels": [*((name, name) for name in manifest.classes), *_none(table["label"], "no label")],
        "splits": [*((name, name) for name in manifest.splits), *_none(table["split"], "no split")],
        "groups": manifest.groups[:_GROUPS],
        "states": STATES,
    }


def _none(column: Any, name: str) -> list[tuple[str, str]]:
    return [(NONE, name)] if bool(column.isna().any()) else []
