"""How clips come into the site, and how they leave it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from django.db import transaction
from django.utils import timezone

from kinema.errors import UsageError
from kinema.web.folder import inside, site
from kinema.web.review.models import Clip

PLAYED = (".mp4", ".m4v", ".mov", ".webm", ".avi", ".mkv")
PICTURES = (".jpg", ".jpeg", ".png", ".webp")


def add_clip(uid: str, label: str, **fields: Any) -> Clip:
    """Add a clip, or bring up to date the one of that `uid` (an event that has gone on); return it.

    `fields`: those of `Clip` that describe it. `clip` and `thumbnail` are files below the site's folder, as paths from it or
    whole. `recorded` is now where it is not given, UTC where it has no zone. What people decided stays; the label stays, too,
    once somebody has voted. Raises `UsageError` for a clip without id or label, and for files elsewhere.
    """
    if not uid or not label:
        raise UsageError(f"a clip needs an id and a label; there are {uid!r} and {label!r}")
    values = {"label": label, **fields}
    _check_fields(values)
    for name, suffixes in (("clip", PLAYED), ("thumbnail", PICTURES)):
        if values.get(name):
            values[name] = _below(values[name], suffixes)
    if values.get("clip") and values.get("clip_start") is None:
        values |= where_cut(file_of(values["clip"]))
    if (recorded := values.get("recorded")) is not None and recorded.tzinfo is None:
        values["recorded"] = recorded.replace(tzinfo=UTC)
    with transaction.atomic():
        found, fresh = Clip.objects.get_or_create(uid=uid, defaults={"recorded": timezone.now(), **values})
        if not fresh:
            if found.votes:
                values.pop("label")
            changed = [name for name, value in values.items() if getattr(found, name) != value]
            for name in changed:
                setattr(found, name, values[name])
            if changed:
                found.save(update_fields=changed)
    return found


def file_of(clip: str) -> Path | None:
    """Return a clip's or thumbnail's file; None where it is gone, or is no video and no picture."""
    path = inside(site().root, clip)
    return path if path is not None and path.suffix.lower() in (*PLAYED, *PICTURES) else None


def where_cut(clip: Path | None) -> dict[str, float]:
    """Return `clip_start` and `clip_end`: where in its source a clip begins and ends, as the recorder of events wrote beside it.

    {} where it did not.
    """
    if clip is None:
        return {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        values = json.loads(clip.with_suffix(".json").read_text(encoding="utf-8"))["clip"]
        return {"clip_start": float(values["start"]), "clip_end": float(values["end"])}
    return {}


def delete_clip(clip: Clip) -> None:
    """Delete a clip with its decisions, and its files unless another clip has the same."""
    files = [name for name in (clip.clip, clip.thumbnail) if name]
    clip.delete()
    for name in files:
        used = Clip.objects.filter(clip=name).exists() or Clip.objects.filter(thumbnail=name).exists()
        path = None if used else file_of(name)
        if path is not None:
            with suppress(OSError):
                path.unlink()
                if name == clip.clip:
                    path.with_suffix(".json").unlink(missing_ok=True)


def day_of(text: str) -> datetime | None:
    """Return the beginning of a day that is written 2026-05-21, by the site's clock; None for anything else."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.get_current_timezone())
    except ValueError:
        return None


_DESCRIPTIVE = frozenset(
    {
        *("kind", "label", "score", "mean", "source", "recognizer", "recorded", "start", "end"),
        *("clip_start", "clip_end", "clip", "thumbnail", "video", "family", "known", "details"),
    }
)


def _check_fields(values: dict[str, Any]) -> None:
    unknown = sorted(set(values) - _DESCRIPTIVE)
    if unknown:
        raise UsageError(f"a clip has no {', '.join(unknown)}; it has {', '.join(sorted(_DESCRIPTIVE))}")
    for name in ("label", "source", "recognizer", "video", "family"):
        if values.get(name):
            values[name] = str(values[name])[: Clip._meta.get_field(name).max_length]


def _below(path: str | Path, suffixes: tuple[str, ...]) -> str:
    """Return a file's path from the site's folder, with `/` on every system."""
    root = site().root
    whole = Path(path)
    if whole.is_absolute():
        whole = whole.resolve()
        if not whole.is_relative_to(root.resolve()):
            raise UsageError(f"{path}: not below the site's folder; copy it there first")
        whole = whole.relative_to(root.resolve())
    name = PurePosixPath(whole.as_posix())
    if ".." in name.parts or name.suffix.lower() not in suffixes:
        raise UsageError(f"{path}: not a file of the site that ends in {', '.join(suffixes)}")
    return str(name)
