"""Events of a live engine for the pages of the review: added once their clip is written."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import DatabaseError, close_old_connections

from kinema.errors import KinemaError
from kinema.events import Event
from kinema.files import write_json
from kinema.streaming.rows import Notice, Row
from kinema.streaming.sinks.base import Sink, StreamInfo

_PATIENCE = 120.0  # seconds that a clip may take after its event's end; then the event is kept without one
_LOOK = 0.05
_WAITING = "waiting.json"


class ReviewSink(Sink):
    """Adds each event that has ended to the review, with its clip and thumbnail, as soon as the recorder has written them.

    `folder`: the one the recorder writes to, below `root`, the site's. `add(**fields)` is `kinema.web.review.clips.add_clip`.
    What waits is noted in the folder: where the engine is killed, the next one over it adds it. While the database is away
    events wait as well.
    """

    name = "review"
    wants_rows = True
    may_miss = True
    rows_waiting = 1

    def __init__(self, folder: Path, root: Path, recognizer: str, add: Callable[..., Any]) -> None:
        self._folder, self._root = folder, root
        self._recognizer, self._add = recognizer, add
        self._waiting: list[tuple[float, Event]] = []

    def open(self, info: StreamInfo) -> None:
        """Take over what an engine that was killed had not added; its clips come no more."""
        with suppress(OSError, ValueError, TypeError, AttributeError, KinemaError):  # there is none
            noted = json.loads((self._folder / _WAITING).read_text(encoding="utf-8"))
            self._waiting = [(-math.inf, Event.from_dict(values)) for values in noted]

    def event(self, event: Event) -> None:
        """Note an event that has ended."""
        if event.ended:
            self._waiting.append((time.monotonic(), event))
            self._note()
            self._look()

    def row(self, row: Row) -> None:
        """Look whether clips have been written meanwhile."""
        self._look()

    def notice(self, notice: Notice) -> None:
        """As `row`: rows stop when a source is away."""
        self._look()

    def close(self, timeout: float = 5.0) -> None:
        """Wait for the last clips, and add what is left without."""
        until = time.monotonic() + max(0.0, timeout - 0.5)
        while self._waiting and time.monotonic() < until:
            with suppress(DatabaseError):  # it has until then to come back
                self._look()
            time.sleep(_LOOK)
        self._look(all_of_them=True)

    def _look(self, *, all_of_them: bool = False) -> None:
        """Add what can be added. Raises `DatabaseError` where the database is away; what waits goes on waiting."""
        now = time.monotonic()
        for entry in list(self._waiting):
            since, event = entry
            if not (all_of_them or now - since > _PATIENCE or self._written(event)):
                continue
            try:
                self._add_event(event)
            except DatabaseError:
                raise
            except Exception:
                self._forget(entry)  # another try would end in the same
                raise
            self._forget(entry)

    def _written(self, event: Event) -> bool:
        """Whether the clip is there, and the record beside it that says where it was cut."""
        if event.clip is None:
            return True
        clip = self._folder / event.clip
        return clip.is_file() and clip.with_suffix(".json").is_file()

    def _forget(self, entry: tuple[float, Event]) -> None:
        self._waiting.remove(entry)
        self._note()

    def _note(self) -> None:
        path = self._folder / _WAITING
        try:
            if self._waiting:
                write_json(path, [event.to_dict() for _, event in self._waiting])
            else:
                path.unlink(missing_ok=True)
        except (KinemaError, OSError) as error:
            self.tell(f"review: what waits is not noted: {error}")

    def _add_event(self, event: Event) -> None:
        close_old_connections()
        recorded = datetime.fromisoformat(event.began_at) if event.began_at else datetime.now(UTC)
        self._add(
            uid=event.id,
            kind="event",
            label=event.label,
            score=event.peak,
            mean=event.mean,
            source=event.source,
            recognizer=self._recognizer,
            recorded=recorded,
            start=event.start,
            end=event.end,
            clip=self._below_root(event.clip),
            thumbnail=self._below_root(event.thumbnail),
            video="",
            details=event.to_dict(),
        )

    def _below_root(self, name: str | None) -> str:
        path = self._folder / name if name else None
        return path.relative_to(self._root).as_posix() if path is not None and path.is_file() else ""
