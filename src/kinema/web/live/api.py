"""/api/live/: what may be watched, and what runs."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from kinema.web.live.hub import hub
from kinema.web.live.sources import offered

router = Router()


class Source(Schema):
    """A source that may be chosen."""

    source: str
    title: str
    kind: str


class Running(Schema):
    """A live view that runs; `statistics` are those of `kinema watch`."""

    session: str
    title: str
    source: str
    recognizer: str
    state: str
    text: str
    viewers: int
    statistics: dict[str, Any] | None


@router.get("/sources", response=list[Source], summary="Sources that may be watched")
def list_sources(request: HttpRequest) -> list[dict[str, str]]:
    """Cameras, allowed sources and uploaded videos."""
    found = [source for _, sources in offered() for source in sources]
    return [{"source": one.slug, "title": one.title, "kind": one.kind} for one in found]


@router.get("/running", response=list[Running], summary="Live views that run")
def list_running(request: HttpRequest) -> list[dict[str, Any]]:
    """One for each engine, with its viewers and its numbers."""
    return hub().describe()
