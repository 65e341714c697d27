"""/api/review/: clips, decisions, what comes next."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema

from kinema.mining.review import Verdict
from kinema.web.review import book
from kinema.web.review.filters import ClipFilter
from kinema.web.review.models import Clip
from kinema.web.review.reviewing import said

router = Router()
_MOST = 200


class Filter(Schema):
    """What clips have in common; empty for anything."""

    label: str = ""
    source: str = ""
    day: str = ""
    score: str = ""
    kind: str = ""
    state: str = ""

    @property
    def wanted(self) -> ClipFilter:
        """The filter."""
        return ClipFilter.of(self.dict())


class DecisionIn(Schema):
    """A decision: accept, wrong, relabel (with a label) or skip."""

    verdict: str
    label: str = ""


@router.get("/clips", summary="Clips, newest first")
def clips(request: HttpRequest, wanted: Query[Filter], page: int = 1, per_page: int = 50) -> dict[str, Any]:
    """Clips of a filter, at most 200 a page; each as `kinema watch --json` prints an event, with the state of its review."""
    shown = Paginator(wanted.wanted.clips(), min(max(1, per_page), _MOST)).get_page(page)
    return {
        "count": shown.paginator.count,
        "page": shown.number,
        "pages": shown.paginator.num_pages,
        "clips": [clip.describe() for clip in shown.object_list],
    }


@router.get("/clips/{pk}", summary="One clip and its history")
def clip(request: HttpRequest, pk: int) -> dict[str, Any]:
    """One clip with every record of its review, oldest first."""
    found = get_object_or_404(Clip, pk=pk)
    records = [decision.record().to_dict() for decision in found.decisions.select_related("clip")]
    return {**found.describe(), "decisions": records}


@router.post("/clips/{pk}/decisions", summary="Decide")
def decide(request: HttpRequest, pk: int, given: DecisionIn, wanted: Query[Filter]) -> dict[str, Any]:
    """Add a decision of the signed-in user. `counts` are those of the filter."""
    found = get_object_or_404(Clip, pk=pk)
    made = book.decide(found, request.user, Verdict.named(given.verdict), given.label)
    return {
        "decision": made.record().to_dict(),
        "clip": found.describe(),
        "counts": book.counts(request.user, wanted.wanted),
    }


@router.post("/undo", summary="Take the last decision back")
def undo(request: HttpRequest, wanted: Query[Filter]) -> dict[str, Any]:
    """Take back the signed-in user's last decision that stands; `clip` is null where there is none."""
    undone = book.undo(request.user)
    return {
        "clip": undone.clip.describe() if undone else None,
        "said": said(undone) if undone else None,
        "counts": book.counts(request.user, wanted.wanted),
    }


@router.get("/next", summary="What to look at next")
def following(
    request: HttpRequest, wanted: Query[Filter], count: int = 5, without: str = ""
) -> dict[str, Any]:
    """The clips that the signed-in user should decide next, without those named (ids with commas between)."""
    left_out = {int(part) for part in without.split(",")[:_MOST] if part.isdecimal()}
    most = min(max(1, count), 50)
    found = book.next_clips(request.user, wanted.wanted, most + len(left_out))
    return {"clips": [clip.describe() for clip in found if clip.pk not in left_out][:most]}


@router.get("/new", summary="How many clips have come")
def new(request: HttpRequest, wanted: Query[Filter], after: int = 0) -> dict[str, Any]:
    """How many clips of the filter are newer than the one of that id."""
    return {"count": wanted.wanted.clips().order_by().filter(pk__gt=after).count()}


@router.get("/counts", summary="How far the review is")
def counts(request: HttpRequest, wanted: Query[Filter]) -> dict[str, Any]:
    """Clips in all, settled, accepted, wrong, disputed and waiting, and the signed-in user's own decisions."""
    return book.counts(request.user, wanted.wanted)
