"""What was found of a manifest: of a check, kept until the next one, and the page of what is odd."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinema.data import CheckReport, Manifest, Segment
from kinema.data.wording import count
from kinema.errors import DataError
from kinema.files import write_text
from kinema.web.datasets.catalogue import Entry, Loaded
from kinema.web.folder import site

STATES = ("good", "warning", "bad")
_kept: dict[Path, tuple[int, Report]] = {}


@dataclass(frozen=True)
class Row:
    """The outcome of one row: `status` good, warning or bad, `kinds` and `reasons` of what was found."""

    status: str
    kinds: tuple[str, ...]
    reasons: tuple[str, ...]
    frames: int
    seconds: float


@dataclass(frozen=True)
class Report:
    """The outcome of each row of a manifest as it was then (`fingerprint`), and what is in more than one split.

    `carried`: the rows were checked in the manifest that this one was made of; leaks were not looked for anew.
    """

    fingerprint: str
    when: str
    rows: list[Row]
    leaks: list[str]
    alike: str
    carried: bool = False

    def fits(self, loaded: Loaded) -> bool:
        """Return whether the manifest still is what was checked."""
        return self.fingerprint == loaded.fingerprint and len(self.rows) == len(loaded.manifest)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows are good, warned of and bad."""
        found = Counter(row.status for row in self.rows)
        return {state: found[state] for state in STATES}

    @property
    def kinds(self) -> list[tuple[str, int]]:
        """What was found, commonest first."""
        return Counter(kind for row in self.rows for kind in row.kinds).most_common()

    @property
    def seconds(self) -> float:
        """What all clips last."""
        return sum(row.seconds for row in self.rows)

    def clean(self, manifest: Manifest) -> Manifest:
        """Return the manifest without the bad rows. Raises `DataError` when none is left."""
        good = [row.status != "bad" for row in self.rows]
        if not any(good):
            raise DataError("no clip is left after the check")
        note = f"{count(len(good) - sum(good), 'bad clip')} of {len(good):,} removed by the check"
        return manifest.replace(manifest.table[good], [*manifest.notes, note])


def keep_report(entry: Entry, fingerprint: str, when: str, found: CheckReport, alike: str) -> None:
    """Write what a check found in place of what the one before did."""
    rows = [
        Row(
            outcome.status,
            tuple(finding.kind for finding in outcome.findings),
            tuple(finding.reason for finding in outcome.findings),
            outcome.frames,
            round(outcome.seconds, 3),
        )
        for outcome in found.outcomes
    ]
    _write(entry, Report(fingerprint, when, rows, [str(leak) for leak in found.leaks], alike))


def _write(entry: Entry, kept: Report) -> None:
    rows = [[row.status, row.kinds, row.reasons, row.frames, row.seconds] for row in kept.rows]
    value = {**vars(kept), "rows": rows}
    write_text(_path(entry), json.dumps(value, ensure_ascii=False, allow_nan=False))


def carry(source: Loaded, made: Loaded) -> None:
    """Keep for a manifest what was found of the same stretches in the one that it was made of, where that is known of all."""
    known = report(source.entry)
    if known is None or not known.fits(source):
        return
    places = {_stretch(segment): row for row, segment in enumerate(source.segments)}
    rows = [places.get(_stretch(segment)) for segment in made.segments]
    if None not in rows:
        found = [known.rows[row] for row in rows if row is not None]
        _write(made.entry, Report(made.fingerprint, known.when, found, [], "", True))


def _stretch(segment: Segment) -> tuple[Path, float | None, float | None]:
    return segment.video, segment.start, segment.end


def report(entry: Entry) -> Report | None:
    """Return what the last check of a manifest found; None before the first."""
    path = _path(entry)
    try:
        stamp = path.stat().st_mtime_ns
        known = _kept.get(path)
        if known and known[0] == stamp:
            return known[1]
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(row[0], tuple(row[1]), tuple(row[2]), row[3], row[4]) for row in value["rows"]]
        found = Report(
            value["fingerprint"], value["when"], rows, value["leaks"], value["alike"], value["carried"]
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    if len(_kept) > 8:
        _kept.clear()
    _kept[path] = (stamp, found)
    return found


def explored_page(entry: Entry) -> Path:
    """Return where the page of what is odd in a manifest is, or will be."""
    return site().place("explored") / f"{entry.key}.html"


def forget(entry: Entry) -> None:
    """Remove what was found of a manifest that has gone."""
    _path(entry).unlink(missing_ok=True)
    explored_page(entry).unlink(missing_ok=True)


def _path(entry: Entry) -> Path:
    return site().place("checks") / f"{entry.key}.json"
