"""Events that `kinema watch` kept in a folder, brought into the site."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.http import Http404

from kinema.errors import DataError
from kinema.files import atomic_path
from kinema.web.folder import inside, site
from kinema.web.recognizers import recognizers
from kinema.web.review.clips import PICTURES, PLAYED, add_clip, where_cut
from kinema.web.review.models import Clip

_EVENTS = "events.jsonl"


@dataclass(frozen=True)
class WatchFolder:
    """The results of `kinema watch` of one run; `key` names it in forms."""

    key: str
    title: str
    path: Path
    events: int


def watch_folders() -> list[WatchFolder]:
    """Return the folders `RUN/watch` of the runs and recognizers that the site knows, where they hold events."""
    found: dict[Path, WatchFolder] = {}
    for choice in recognizers():
        run = choice.path.parent if choice.path.name == "recognizer" else choice.path
        path = (run / "watch").resolve()
        if path not in found and (path / _EVENTS).is_file():
            found[path] = WatchFolder(choice.key, choice.title, path, sum(1 for _ in _lines(path)))
    return list(found.values())


def watch_folder(key: str) -> WatchFolder:
    """Return the folder of that key. Raises `Http404`."""
    for folder in watch_folders():
        if folder.key == key:
            return folder
    raise Http404(f"no folder of kinema watch {key!r}")


def import_events(
    folder: WatchFolder, progress: Callable[[float, float, str], None] | None = None
) -> dict[str, int]:
    """Bring the events of a folder into the site, with their clips and thumbnails; return how many are new, known, and
    without a clip.

    Files are linked or copied below the site's folder, so that the watch folder may go. An event that is there already is
    left as it is. Lines that are no events are counted as "broken". Raises `DataError` when the folder cannot be read.
    """
    from kinema.events import Event

    target = site().place("events", "imported", folder.key)
    count = {"added": 0, "known": 0, "without_clip": 0, "broken": 0}
    total = max(1, folder.events)
    for number, line in enumerate(_lines(folder.path)):
        if progress is not None:
            progress(number, total, f"{number} of {folder.events} events")
        try:
            event = Event.from_dict(json.loads(line))
        except (ValueError, TypeError, AttributeError, DataError):
            count["broken"] += 1
            continue
        if not event.ended or not event.label:
            continue
        uid = f"{folder.key}/{event.id or number}"[:255]
        if Clip.objects.filter(uid=uid).exists():
            count["known"] += 1
            continue
        clip, thumbnail = (_source(folder.path, name) for name in (event.clip, event.thumbnail))
        kept_clip = brought(clip, target, PLAYED)
        count["added"] += 1
        count["without_clip"] += kept_clip is None
        add_clip(
            uid,
            event.label,
            kind=Clip.Kind.EVENT,
            score=event.peak,
            mean=event.mean,
            source=event.source,
            recognizer=folder.title,
            recorded=_date(event.began_at, clip or folder.path / _EVENTS),
            start=event.start,
            end=event.end,
            **where_cut(clip),
            clip=kept_clip or "",
            thumbnail=brought(thumbnail, target, PICTURES) or "",
            details=event.to_dict(),
        )
    return count


def _lines(folder: Path) -> Iterator[str]:
    try:
        with (folder / _EVENTS).open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.strip():
                    yield line
    except OSError as error:
        raise DataError(f"{folder / _EVENTS}: cannot be read: {error.strerror}") from error


def _source(folder: Path, name: str | None) -> Path | None:
    path = inside(folder, name) if isinstance(name, str) else None
    return path if path is not None and path.is_file() else None


def brought(path: Path | None, target: Path, suffixes: tuple[str, ...]) -> Path | None:
    """Return a file as it is kept in the folder `target`; None where there is none, or none of a kind that pages show."""
    if path is None or path.suffix.lower() not in suffixes:
        return None
    kept = target / path.name
    if not kept.exists():
        try:
            os.link(path, kept)  # costs no space; clips are never written to again
        except OSError:
            with atomic_path(kept) as fresh:
                shutil.copyfile(path, fresh)
    return kept


def _date(began_at: str | None, otherwise: Path) -> datetime:
    with suppress(TypeError, ValueError):
        date = datetime.fromisoformat(str(began_at))
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return datetime.fromtimestamp(otherwise.stat().st_mtime, UTC)
