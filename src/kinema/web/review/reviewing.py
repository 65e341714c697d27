"""Review, one clip after the other: by keyboard with scripts, by plain forms without."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from kinema.errors import UsageError
from kinema.mining.review import Verdict
from kinema.web.review import book
from kinema.web.review.filters import ClipFilter, choices
from kinema.web.review.models import Clip, Decision, ReviewSettings

_SAID = {"accept": "Accepted", "wrong": "Wrong", "relabel": "Relabelled", "skip": "Skipped"}


@require_http_methods(["GET", "HEAD", "POST"])
def go(request: HttpRequest) -> HttpResponse:
    """One clip, large; the next one after each decision. `clip` in the address shows that one first."""
    wanted = ClipFilter.of(request.GET)
    if request.method == "POST":
        pk = request.POST.get("clip", "")
        if pk.isdecimal():
            _decide(request, get_object_or_404(Clip, pk=int(pk)))
        return redirect(reverse("review:go") + wanted.query)
    asked = request.GET.get("clip", "")
    clip = Clip.objects.filter(pk=int(asked)).first() if asked.isdecimal() else None
    if clip is None:
        clip = next(iter(book.next_clips(request.user, wanted, 1)), None)
    shown = {
        "clip": clip,
        "described": clip.describe() if clip else None,
        "filter": wanted,
        "counts": book.counts(request.user, wanted),
        "labels": choices()["labels"],
        "rules": ReviewSettings.rules(),
    }
    return render(request, "review/go.html", shown)


@require_POST
def take_back(request: HttpRequest) -> HttpResponse:
    """Undo the user's last decision, and show its clip again."""
    wanted = ClipFilter.of(request.GET)
    undone = book.undo(request.user)
    if undone is None:
        messages.info(request, "Nothing to take back.")
        return redirect(reverse("review:go") + wanted.query)
    messages.success(request, f"Taken back: {said(undone)}", extra_tags="good")
    query = urlencode({**wanted.fields, "clip": undone.clip_id})
    return redirect(f"{reverse('review:go')}?{query}")


@require_POST
def decide_one(request: HttpRequest, pk: int) -> HttpResponse:
    """A decision from a clip's own page, which is shown again."""
    clip = get_object_or_404(Clip, pk=pk)
    _decide(request, clip)
    return redirect(clip)


def said(decision: Decision) -> str:
    """Return a decision in a word or two."""
    word = _SAID.get(decision.verdict, decision.verdict).lower()
    return f"{word} '{decision.label}'" if decision.verdict == Verdict.RELABEL.value else word


def _decide(request: HttpRequest, clip: Clip) -> None:
    try:
        made = book.decide(
            clip,
            request.user,
            Verdict.named(request.POST.get("verdict", "")),
            request.POST.get("label", ""),
        )
        messages.success(request, f"{said(made).capitalize()}: {clip}", extra_tags="good")
    except UsageError as error:
        messages.error(request, str(error))
