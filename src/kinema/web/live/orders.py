"""What an engine is told to do: a recognizer over a source. The name of the pair is the session's address."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import Http404

from kinema.errors import KinemaError
from kinema.web.folder import site
from kinema.web.live.sources import Gone, LiveSource, find
from kinema.web.recognizers import Choice, recognizer

_RATE = 10.0
_MOST_RATE = 25.0
_FRESH = 3.0  # seconds
_ASKED_KEPT = 200
_asked: dict[str, tuple[asyncio.Task[Order], float]] = {}


@dataclass(frozen=True)
class Order:
    """A recognizer over a source; `session` names the pair, so that who asks for the same shares one engine."""

    session: str
    recognizer: Choice
    source: LiveSource

    @property
    def title(self) -> str:
        """For people: the source and the recognizer."""
        return f"{self.source.title} · {self.recognizer.title}"

    def to_engine(self) -> dict[str, Any]:
        """Return the first message to the engine's process; it may hold a password, and goes through its stdin alone."""
        keep = self.source.keep
        return {
            "type": "open",
            "recognizer": str(self.recognizer.path),
            "key": self.recognizer.key,
            "title": self.recognizer.title,
            "kind": self.source.kind,
            "address": self.source.address,
            "name": "the browser's camera" if self.source.kind == "browser" else self.source.title,
            "keep": keep,
            "folder": str(site().root / "events" / self.session) if keep else None,
            "site": str(site().root),
        }


def session_of(choice: Choice, source: LiveSource) -> str:
    """Return the name of a recognizer over a source."""
    return f"{choice.key}.{source.slug}"


def order_of(session: str) -> Order:
    """Return what a session's name means now. Raises `Gone` in words."""
    key, dot, slug = session.rpartition(".")
    if not dot:
        raise Gone("There is no such live view; choose a recognizer and a source.")
    try:
        choice = recognizer(key)
    except Http404 as error:
        raise Gone("This recognizer is not here any more; choose another.") from error
    return Order(session, choice, find(slug))


def rate_of(choice: Choice) -> float:
    """Return how many pictures a second a recognizer takes, for a browser that sends them."""
    for path in (choice.path / "recognizer" / "recognizer.json", choice.path / "recognizer.json"):
        try:
            clip = json.loads(path.read_text())["clip"]
            return min(_MOST_RATE, float(clip["fps"]) * int(clip.get("substeps", 1)))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return _RATE


async def find_order(session: str) -> Order:
    """As `order_of`, for many who ask at the same time: they share one answer, which holds for some seconds."""
    task, at = _asked.get(session, (None, 0.0))
    now = time.monotonic()
    if task is None or (task.done() and now - at > _FRESH):
        if len(_asked) > _ASKED_KEPT:
            _asked.clear()
        task = asyncio.create_task(sync_to_async(_order_apart, thread_sensitive=False)(session))
        _asked[session] = (task, now)
    try:
        return await asyncio.shield(task)
    except KinemaError:
        _asked.pop(session, None)
        raise


def forget_orders(slug: str) -> None:
    """Let the next who asks for that source see what it is now."""
    for session in [session for session in _asked if session.endswith(f".{slug}")]:
        del _asked[session]


def _order_apart(session: str) -> Order:
    """`order_of` in a thread that no request owns, whose connection to the database is closed after."""
    try:
        return order_of(session)
    finally:
        connection.close()
