"""The pages around the review: its rules, how it goes, manifests, imports."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kinema.errors import DataError, KinemaError, UsageError
from kinema.mining.review import LONGEST_LABEL, ReviewReport, ReviewRules, Verdict, as_meant
from kinema.web.base.roles import is_admin
from kinema.web.jobs import queue
from kinema.web.jobs.models import Job
from kinema.web.review import book, importing, mined
from kinema.web.review import manifests as keeping
from kinema.web.review.filters import ClipFilter
from kinema.web.review.models import Clip, ReviewSettings

_SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: HttpRequest) -> HttpResponse:
    """How many votes a clip needs."""
    current = ReviewSettings.rules()
    if request.method == "POST":
        if not is_admin(request.user):
            raise PermissionDenied("Only an admin of this site may do this.")
        try:
            wanted = ReviewRules(
                *(_whole(request.POST.get(name, "")) for name in ("need", "of", "pots_every"))
            )
            changed = book.change_rules(wanted)
        except UsageError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"Kept. {changed} clips have another state now.", extra_tags="good")
            return redirect("review:rules")
    return render(request, "review/rules.html", {"rules": current, "may_change": is_admin(request.user)})


@require_safe
def report(request: HttpRequest) -> HttpResponse:
    """How well reviewers agree, and which classes make trouble."""
    site_book = book.SiteBook()
    current = ReviewSettings.rules()
    found = ReviewReport.of(site_book.candidates(), site_book.records(), current)
    shown = {"report": found, "pairs": found.pairs[:_SHOWN], "rules": current}
    return render(request, "review/report.html", shown)


@require_POST
def pot(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a clip one of known answer, or an ordinary one again."""
    if not is_admin(request.user):
        raise PermissionDenied("Only an admin of this site may do this.")
    clip = get_object_or_404(Clip, pk=pk)
    answer, label = request.POST.get("answer", ""), request.POST.get("label", "")
    try:
        other = as_meant(clip.label, Verdict.RELABEL, label)[1] if answer == "other" else None
    except UsageError:
        messages.error(request, f"Write the label that the clip shows, of at most {LONGEST_LABEL} letters.")
        return redirect(clip)
    clip.known = {"shows": clip.label, "nothing": "", "other": other}.get(answer)
    clip.save(update_fields=["known"])
    said = "An ordinary clip again." if clip.known is None else "Its answer is known now."
    messages.success(request, said, extra_tags="good")
    return redirect(clip)


@require_http_methods(["GET", "HEAD", "POST"])
def manifests(request: HttpRequest) -> HttpResponse:
    """Make a manifest of what was accepted; those there are."""
    wanted = ClipFilter.of(request.GET)
    if request.method == "POST":
        try:
            made, notes = keeping.make(wanted, request.POST.get("name", ""))
        except DataError as error:
            messages.error(request, f"{str(error)[:1].upper()}{str(error)[1:]}.")
        else:
            clips = "1 clip" if made.rows == 1 else f"{made.rows} clips"
            messages.success(request, "; ".join([f"{made.name}: {clips}", *notes]) + ".", extra_tags="good")
        return redirect(reverse("review:manifests") + wanted.query)
    keys = _keys()
    shown = {
        "filter": wanted,
        "counts": book.counts(request.user, wanted),
        "kept": [(one, _training(one.path, keys)) for one in keeping.kept()],
    }
    return render(request, "review/manifests.html", shown)


@require_safe
def manifest_file(request: HttpRequest, name: str) -> HttpResponse:
    """A manifest as CSV with whole paths."""
    try:
        text = keeping.with_whole_paths(name)
    except DataError as error:
        raise Http404 from error
    headers = {"Content-Disposition": content_disposition_header(True, name) or "attachment"}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)


@require_http_methods(["GET", "HEAD", "POST"])
def imports(request: HttpRequest) -> HttpResponse:
    """Bring events of `kinema watch`, and clips of `kinema mine clips`, into the site."""
    if request.method == "POST":
        if key := request.POST.get("mined", ""):
            kind, title = "review-mined", f"Import clips of {mined.mined_folder(key).title}"
        else:
            kind, key = "review-import", request.POST.get("folder", "")
            title = f"Import events of {importing.watch_folder(key).title}"
        return redirect(queue.add(kind, title, {"folder": key}, request.user))
    shown = {
        "running": Job.objects.filter(
            kind__in=["review-import", "review-mined"], state__in=[Job.State.QUEUED, Job.State.RUNNING]
        )
    }
    try:
        shown |= {"folders": importing.watch_folders(), "mined": mined.mined_folders()}
    except KinemaError as error:
        messages.error(request, str(error))
    return render(request, "review/import.html", shown)


def _whole(text: str) -> int:
    if not text.strip().isdecimal() or int(text) > 100:
        raise UsageError(f"{text or 'nothing'}: give a whole number up to 100")
    return int(text)


def _keys() -> dict[Path, str]:
    """Return the keys under which the pages of data know manifests."""
    from kinema.web.datasets.catalogue import manifests as known

    return {entry.path: entry.key for entry in known()}


def _training(path: Path, keys: dict[Path, str]) -> str:
    """Return the address of the page that starts a training with a manifest; "" for one removed just now."""
    return f"{reverse('runs:start')}?{urlencode({'data': keys[path]})}" if path in keys else ""
