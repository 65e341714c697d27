"""Pages of what there is: manifests, folders, and an archive on its way here."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kinema.data.readers.registry import Reader, readers
from kinema.errors import KinemaError
from kinema.web.base.errors import error_page
from kinema.web.datasets import catalogue, roots, uploads
from kinema.web.datasets.forms import ImportForm
from kinema.web.datasets.outcomes import new_token
from kinema.web.datasets.views.words import in_words
from kinema.web.datasets.views.work import begin, begin_once
from kinema.web.jobs.models import Job
from kinema.web.videos.limits import Refused

_SHOWN = 60  # manifests of a kind on the first page


@require_safe
@in_words
def index(request: HttpRequest) -> HttpResponse:
    """What there is, and the ways to get more."""
    wanted = request.GET.get("q", "").strip().casefold()[:200]
    kinds = [
        ("Made here", catalogue.made_here()),
        ("Of runs", catalogue.of_runs()),
        ("In the folders of this machine", catalogue.in_folders()),
    ]
    shelves = []
    for title, entries in kinds:
        fitting = [one for one in entries if wanted in one.title.casefold()]
        if fitting:
            cards = [_card(one) for one in fitting[:_SHOWN]]
            shelves.append({"title": title, "cards": cards, "more": len(fitting) - len(cards)})
    return render(
        request,
        "datasets/index.html",
        {
            "shelves": shelves,
            "any": any(entries for _, entries in kinds),
            "q": request.GET.get("q", ""),
            "roots": roots.root_places(),
            "limit": uploads.limit() / 1e6,
            "piece": uploads.PIECE,
            "archives": ",".join(uploads.ARCHIVES),
            "jobs": Job.objects.filter(
                kind__in=("check-data", "import-data", "unpack-data", "split-data", "explore-data"),
                state__in=(Job.State.QUEUED, Job.State.RUNNING),
            )[:5],
        },
    )


def _card(one: catalogue.Entry) -> dict[str, Any]:
    try:
        manifest = catalogue.load(one).manifest
    except KinemaError as error:
        return {"entry": one, "error": str(error)}
    return {
        "entry": one,
        "clips": len(manifest),
        "classes": manifest.classes,
        "splits": manifest.splits,
        "warnings": len(manifest.warnings()),
    }


@require_safe
@in_words
def folder(request: HttpRequest, keys: str) -> HttpResponse:
    """What lies in a folder of this machine that the owner allowed."""
    here = roots.place(keys)
    if not here.path.is_dir():
        return redirect("datasets:import", keys=keys)
    found = roots.inside(here)
    return render(
        request,
        "datasets/folder.html",
        {"here": here, "found": found, "recognised": _recognised(here), "many": len(found.folders) > 500},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@in_words
def import_page(request: HttpRequest, keys: str) -> HttpResponse:
    """Ask how a folder or list is read, having said as what it is recognised; then read it in a job."""
    here = roots.place(keys)
    recognised = _recognised(here)
    form = ImportForm(
        request.POST or None,
        recognised=recognised,
        folders=_near(here),
        initial={"title": here.name.rsplit(".", 1)[0] if not here.path.is_dir() else here.name},
    )
    if request.method == "POST" and form.is_valid():
        arguments = {
            "keys": here.keys,
            "title": form.cleaned_data["title"],
            "format": form.cleaned_data["format"],
            "options": form.options(),
            "videos": form.cleaned_data["videos"],
            "groups": form.groups(),
            "token": new_token(),
        }
        return begin(request, "import-data", f"Import {form.cleaned_data['title']}", arguments)
    found = roots.inside(here) if here.path.is_dir() else None
    return render(
        request,
        "datasets/import.html",
        {"here": here, "form": form, "recognised": recognised, "found": found},
        status=400 if form.errors else 200,
    )


def _recognised(here: roots.Place) -> Reader:
    return next(reader for reader in readers() if reader.recognises(here.path))


def _near(here: roots.Place) -> list[tuple[str, str]]:
    """The folders that the videos of a list may be in: beside it, and below those."""
    above = [roots.place(keys) for _, keys in here.trail[:-1]]
    around = [one for one in [here, *reversed(above)] if one.path.is_dir()][:2]
    found: dict[str, str] = {}
    for one in around:
        for child in roots.inside(one).folders[:100]:
            found[child.keys] = " / ".join(name for name, _ in child.trail)
    return list(found.items())


@require_POST
@in_words
def upload(request: HttpRequest) -> HttpResponse:
    """Take an archive: from a form, whole; from a script, only its name and size, the bytes follow in pieces."""
    try:
        if "application/json" in request.headers.get("Content-Type", ""):
            return _announced(request)
        return _whole(request)
    except Refused as error:
        return error_page(request, error.status, str(error))


def _announced(request: HttpRequest) -> HttpResponse:
    try:
        said = json.loads(request.body)
        name, size = str(said["name"]), int(said["size"])
    except (ValueError, KeyError, TypeError):
        return error_page(request, 400, "Say the name and the size of the archive.")
    begun = uploads.begin(name, size, request.user.get_username())
    where = reverse("datasets:upload-piece", args=[begun.id])
    return JsonResponse({"url": where, "offset": 0, "piece": uploads.PIECE}, status=201)


def _whole(request: HttpRequest) -> HttpResponse:
    # Before the form is read: what is too large is not looked at.
    if int(request.headers.get("Content-Length") or 0) > uploads.limit() + 10_000:
        raise Refused(413, f"at most {uploads.limit() / 1e6:,.0f} MB may be sent")
    file = request.FILES.get("archive")
    if file is None or not file.name:
        return error_page(request, 400, "Choose an archive first.")
    begun = uploads.begin(file.name, file.size or 0, request.user.get_username())
    try:
        uploads.append(begun, 0, file.chunks())
    except Refused:
        uploads.forget(begun)
        raise
    return _unpack(request, begun, request.POST.get("title", ""))


@require_http_methods(["GET", "HEAD", "PATCH", "DELETE"])
@in_words
def upload_piece(request: HttpRequest, id: str) -> HttpResponse:
    """Take the next piece of an archive (header Upload-Offset: where it begins), say how much is here, or drop it."""
    begun = uploads.find(id)
    if begun.owner != request.user.get_username():
        return error_page(request, 403)
    if request.method == "DELETE":
        uploads.forget(begun)
        return HttpResponse(status=204)
    if request.method == "PATCH":
        try:
            if int(request.headers.get("Content-Length") or 0) > uploads.PIECE:
                raise Refused(413, f"a piece has at most {uploads.PIECE:,} bytes")
            uploads.append(begun, int(request.headers.get("Upload-Offset", "-1")), [request.body])
        except ValueError:
            return error_page(request, 400, "Upload-Offset is a number.")
        except Refused as error:
            return JsonResponse({"detail": str(error), "offset": begun.offset}, status=error.status)
    return JsonResponse({"offset": begun.offset, "size": begun.size})


@require_POST
@in_words
def upload_done(request: HttpRequest, id: str) -> HttpResponse:
    """Unpack an archive that has arrived whole."""
    begun = uploads.find(id)
    if begun.owner != request.user.get_username():
        return error_page(request, 403)
    if begun.offset != begun.size:
        return error_page(
            request, 400, f"{begun.offset:,} of {begun.size:,} bytes are here; send the rest first"
        )
    try:
        title = str(json.loads(request.body or b"{}").get("title", ""))
    except (ValueError, AttributeError):
        title = ""
    return _unpack(request, begun, title)


def _unpack(request: HttpRequest, begun: uploads.Upload, title: str) -> HttpResponse:
    stem = begun.name
    for ending in uploads.ARCHIVES:
        stem = stem[: -len(ending)] if stem.lower().endswith(ending) else stem
    title = title.strip()[:120] or stem or "Uploaded data"
    arguments = {"upload": begun.id, "name": begun.name, "title": title, "token": new_token()}
    return begin_once(request, "unpack-data", f"Unpack {begun.name}", arguments)
