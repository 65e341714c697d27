"""Pages of one manifest: what it holds, its check, its split, a look at all of it."""

from __future__ import annotations

import re
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kinema.errors import KinemaError
from kinema.web.base.errors import error_page
from kinema.web.base.files import send_file
from kinema.web.datasets import catalogue
from kinema.web.datasets.forms import CheckForm, SplitForm
from kinema.web.datasets.outcomes import Outcome, keep_outcome, new_token
from kinema.web.datasets.reports import STATES, carry, explored_page, forget, report
from kinema.web.datasets.summary import summary
from kinema.web.datasets.views.words import in_words
from kinema.web.datasets.views.work import begin, begin_once, train_address

_LISTED = 200  # findings on the page of a check


@require_safe
@in_words
def manifest(request: HttpRequest, key: str) -> HttpResponse:
    """What a manifest holds, and what can be done with it."""
    one = catalogue.entry(key)
    try:
        loaded = catalogue.load(one)
    except KinemaError as error:
        return render(
            request, "datasets/broken.html", {"entry": one, "error": str(error), **tools(one)}, status=200
        )
    last = report(one)
    found = summary(loaded, last, every="all" in request.GET)
    return render(
        request,
        "datasets/manifest.html",
        {
            "entry": one, "summary": found, "report": last, "stale": last is not None and not last.fits(loaded),
            "here": "manifest", **tools(one),
        },
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@in_words
def check(request: HttpRequest, key: str) -> HttpResponse:
    """What the last check found; with POST: check again, in a job."""
    one = catalogue.entry(key)
    form = CheckForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = {name: form.cleaned_data[name] for name in ("min_seconds", "min_frames", "leaks")}
        return begin_once(request, "check-data", f"Check {one.title}", {"key": key, **given})
    loaded = catalogue.load(one)
    last = report(one)
    state = request.GET.get("state", "")
    listed: list[tuple[Any, Any]] = []
    total = 0
    if last is not None and last.fits(loaded):
        chosen = [state] if state in STATES else ["bad", "warning"]
        rows = [
            i
            for wanted in sorted(chosen)
            for i, row in enumerate(last.rows)
            if row.status == wanted and row.kinds
        ]
        total = len(rows)
        listed = [(loaded.segments[i], last.rows[i]) for i in rows[:_LISTED]]
    return render(
        request,
        "datasets/check.html",
        {
            "entry": one, "report": last, "stale": last is not None and not last.fits(loaded), "form": form,
            "listed": listed, "more": total - len(listed), "here": "check", "state": state, **tools(one),
        },
        status=400 if form.errors else 200,
    )  # fmt: skip


@require_POST
@in_words
def clean(request: HttpRequest, key: str) -> HttpResponse:
    """Write a manifest without the clips that the last check found bad."""
    one = catalogue.entry(key)
    loaded, last = catalogue.load(one), report(one)
    if last is None or not last.fits(loaded):
        return error_page(request, 400, "The manifest has changed since its check: check it again first.")
    try:
        cleaned = last.clean(loaded.manifest)
    except KinemaError as error:
        return error_page(request, 400, str(error))
    token = new_token()
    title = f"{one.title}, checked"[:120]
    made = catalogue.keep(cleaned, title, token, made="clean", source=one.key, by=request.user.get_username())
    carry(loaded, catalogue.load(made))
    keep_outcome(token, Outcome("clean", title, source=one.key, made=[made.key], notes=cleaned.notes[-1:]))
    return redirect("datasets:outcome", token=token)


@require_http_methods(["GET", "HEAD", "POST"])
@in_words
def split(request: HttpRequest, key: str) -> HttpResponse:
    """Ask how a manifest is split; then do it in a job."""
    one = catalogue.entry(key)
    loaded = catalogue.load(one)
    others = [other for other in catalogue.manifests() if other.key != key]
    form = SplitForm(request.POST or None, others=others, initial={"title": f"{one.title}, split"[:120]})
    if request.method == "POST" and form.is_valid():
        settings = form.settings()
        if request.POST.get("merge") == "footage":  # asked for on the page of a split that was refused
            settings |= {"merge": "footage", "check_content": True}
        arguments = {
            "key": key, "title": form.cleaned_data["title"], "settings": settings, "token": new_token()
        }  # fmt: skip
        return begin(request, "split-data", f"Split {one.title}", arguments)
    return render(
        request,
        "datasets/split.html",
        {"entry": one, "form": form, "manifest": loaded.manifest, "here": "split", **tools(one)},
        status=400 if form.errors else 200,
    )


@require_POST
@in_words
def split_again(request: HttpRequest, token: str) -> HttpResponse:
    """Split once more as was asked for, what shows the same footage being one group."""
    from kinema.web.datasets.outcomes import outcome

    found = outcome(token)
    one = catalogue.entry(found.source)
    settings = {**found.settings, "merge": "footage", "check_content": True}
    if "fractions" in settings:
        settings["replace"] = True
    arguments = {"key": one.key, "title": found.title, "settings": settings, "token": new_token()}
    return begin(request, "split-data", f"Split {one.title}", arguments)


@require_http_methods(["GET", "HEAD", "POST"])
@in_words
def explore(request: HttpRequest, key: str) -> HttpResponse:
    """The page of `kinema data explore`; with POST: make it, in a job."""
    one = catalogue.entry(key)
    if request.method == "POST":
        return begin_once(request, "explore-data", f"Look at all of {one.title}", {"key": key})
    return render(
        request,
        "datasets/explore.html",
        {"entry": one, "there": explored_page(one).is_file(), "here": "explore", **tools(one)},
    )


@require_safe
async def explored(request: HttpRequest, key: str) -> HttpResponse:
    """That page itself, in a sandbox."""
    one = await sync_to_async(catalogue.entry)(key)
    return await send_file(request, explored_page(one), kind="text/html; charset=utf-8", sandbox=True)


@require_safe
async def download(request: HttpRequest, key: str) -> HttpResponse:
    """The manifest's file."""
    one = await sync_to_async(catalogue.entry)(key)
    name = re.sub(r"[^\w. -]+", "-", one.title)[:80] or "manifest"
    kind = {".csv": "text/csv; charset=utf-8", ".tsv": "text/tab-separated-values; charset=utf-8"}
    suffix = one.path.suffix.lower()
    return await send_file(
        request, one.path, download=name + suffix, kind=kind.get(suffix, "application/octet-stream")
    )


@require_POST
@in_words
def remove(request: HttpRequest, key: str) -> HttpResponse:
    """Remove a manifest that was made here; by who made it, or by somebody of the staff."""
    one = catalogue.entry(key)
    by = catalogue.record(one.path).get("by")
    if not catalogue.is_made_here(one) or not (request.user.is_staff or by == request.user.get_username()):
        return error_page(request, 403)
    sent = catalogue.remove(one)
    forget(one)
    videos = "with the videos that were sent for it" if sent else "its videos are where they were"
    messages.success(request, f"{one.title} is removed; {videos}.")
    return redirect("datasets:index")


def tools(one: catalogue.Entry) -> dict[str, Any]:
    return {"train": train_address(one.key), "own": catalogue.is_made_here(one)}
