"""Manifests of what was accepted, kept where training finds them."""

from __future__ import annotations

import csv
import io
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kinema.errors import DataError, KinemaError
from kinema.mining.review import accepted_manifest
from kinema.web.folder import inside, site
from kinema.web.review.book import neighbours
from kinema.web.review.clips import file_of, where_cut
from kinema.web.review.filters import ClipFilter
from kinema.web.review.models import Decision, ReviewSettings


@dataclass(frozen=True)
class Kept:
    """A manifest in the site's folder."""

    name: str
    path: Path
    rows: int
    made: datetime


def make(wanted: ClipFilter, name: str = "") -> tuple[Kept, list[str]]:
    """Write the accepted clips of a filter as a manifest; return it, and what was left out in sentences.

    It never replaces another: a name that is taken gets a number. Raises `DataError` when nothing is accepted.
    """
    found = wanted.without_state().clips().filter(state="accepted", known=None)
    clips = list(found)
    records = Decision.objects.filter(clip__in=found.order_by().values("pk")).select_related("clip")
    for clip in clips:
        if clip.clip and clip.clip_start is None:  # the recorder tells after the clip is there
            for field, value in where_cut(file_of(clip.clip)).items():
                setattr(clip, field, value)
    made = accepted_manifest(
        [clip.candidate() for clip in clips],
        [decision.record() for decision in records],
        site().root,
        ReviewSettings.rules(),
        neighbours=neighbours(clips),
    )
    folder = site().place("manifests")
    fresh = made.manifest.write(folder / f".{secrets.token_hex(8)}.csv")
    try:
        path = _named(fresh, folder, name or f"review-{datetime.now(UTC):%Y-%m-%d}")
    finally:
        fresh.unlink(missing_ok=True)
    return _read(path), made.notes


def kept() -> list[Kept]:
    """Return the manifests there are, newest first."""
    found = [_read(path) for path in site().place("manifests").glob("[!.]*.csv")]
    return sorted(found, key=lambda one: one.made, reverse=True)


def with_whole_paths(name: str) -> str:
    """Return a manifest as a CSV that can be put anywhere on this machine. Raises `DataError` where there is none."""
    folder = site().place("manifests")
    path = inside(folder, name)
    if path is None or path.suffix.lower() != ".csv" or not path.is_file():
        raise DataError(f"{name}: no such manifest; it may have been removed")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{name}: cannot be read as a table ({error})") from error
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            video = row.get("video") or ""
            if video and "://" not in video:
                row["video"] = str((folder / video).resolve())
            writer.writerow(row)
    return out.getvalue()


def _named(fresh: Path, folder: Path, name: str) -> Path:
    """Give a file a name that no other has, at once and whole: two people may ask for the same one."""
    stem = re.sub(r"[^\w-]+", "-", name.removesuffix(".csv")).strip("-")[:60] or "review"
    for number in range(1, 10_000):
        path = folder / (f"{stem}.csv" if number == 1 else f"{stem}-{number}.csv")
        try:
            os.link(fresh, path)
        except FileExistsError:
            continue
        except OSError:  # a file system without links
            if path.exists():
                continue
            fresh.replace(path)
        return path
    raise KinemaError(f"{folder}: too many manifests are called {stem}; give another name")


def _read(path: Path) -> Kept:
    with path.open("rb") as file:
        lines = sum(1 for _ in file)
    return Kept(path.name, path, max(0, lines - 1), datetime.fromtimestamp(path.stat().st_mtime, UTC))
