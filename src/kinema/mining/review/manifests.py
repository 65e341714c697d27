"""From a manifest of candidates to a review, and from a review to a manifest that training takes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.errors import DataError
from kinema.mining.review.agreement import ReviewRules, State, outcomes
from kinema.mining.review.candidate import Candidate
from kinema.mining.review.decision import Decision
from kinema.mining.review.queue import Neighbours

if TYPE_CHECKING:
    from kinema.data import Manifest

SHORTEST = 2.0
"""Seconds that a stretch within a clip keeps at least, where the clip has them: a model's window must fit in."""


@dataclass(frozen=True)
class Accepted:
    """A manifest of what reviewers agreed on, and sentences on what was left out."""

    manifest: Manifest
    notes: list[str]


def accepted_manifest(
    candidates: Sequence[Candidate],
    records: Iterable[Decision],
    root: Path,
    rules: ReviewRules | None = None,
    *,
    neighbours: Neighbours | None = None,
) -> Accepted:
    """Return the manifest of the accepted clips with the labels that were agreed on.

    The group of a row is the clip's source, so that clips of one video are never divided between training and test; groups
    of near-duplicates are one. Where the clip's file begins before the action, `start` and `end` say where in the file it is,
    `SHORTEST` seconds at least. Clips of known answer, and those whose file is gone, are left out. `root`: the folder that
    the paths of clips start from; files below it are named from there, others by their whole paths.

    Raises `DataError` when nothing is accepted.
    """
    from kinema.data import Manifest
    from kinema.data.groups import tied_rows
    from kinema.data.wording import count
    from kinema.video.remote import is_address

    found = outcomes([candidate.uid for candidate in candidates], records, rules)
    rows: list[dict[str, Any]] = []
    seen: set[tuple[Any, ...]] = set()
    gone = twice = 0
    for candidate in candidates:
        agreed = found[candidate.uid]
        if agreed.state is not State.ACCEPTED or candidate.is_pot:
            continue
        name = candidate.path or candidate.video
        if not name or not (is_address(name) or (root / name).exists()):
            gone += 1
            continue
        start, end = _stretch(candidate)
        place = (name, start, end, agreed.label)
        if place in seen:
            twice += 1
            continue
        seen.add(place)
        rows.append(
            {
                "video": _written(name, root),
                "start": start,
                "end": end,
                "label": agreed.label,
                "split": None,
                "group": candidate.group or candidate.uid,
                "uid": candidate.uid,
                "proposed": candidate.label,
                "score": candidate.score,
                "votes": agreed.votes,
            }
        )
    notes = []
    if gone:
        notes.append(f"{count(gone, 'accepted clip')} whose file is gone left out")
    if twice:
        notes.append(f"{count(twice, 'clip')} that came twice left out once")
    if not rows:
        raise DataError("; ".join(["no accepted clip to make a manifest of; accept some first", *notes]))
    if neighbours is not None:
        place_of = {row["uid"]: number for number, row in enumerate(rows)}
        joins = [
            (number, place_of[near])
            for uid, number in place_of.items()
            for near in neighbours(uid)
            if near in place_of
        ]
        for row, group in zip(rows, tied_rows([row["group"] for row in rows], joins), strict=True):
            row["group"] = group
    if len({row["group"] for row in rows}) == 1:
        notes.append("all are of one source, so that none can be held out to test on; add clips of others")
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return Accepted(Manifest(columns, root, notes=notes, source_format="review"), notes)


def candidates_of(manifest: Manifest) -> list[Candidate]:
    """Return the rows of a manifest as candidates: labelled stretches of video or files of clips.

    Columns that are used where they are there: `uid`, `score`, `known` (the answer of a honey pot; "none" for none of the
    classes), and those that `kinema mine clips` writes for a row whose file is a clip of a longer video: `source_start` and
    `source_end` (where in it the file begins and ends, seconds) and `source_video`. Raises `DataError` for rows without a label.
    """
    from kinema.video.remote import is_address

    found = []
    for segment in manifest.segments():
        if segment.label is None:
            raise DataError(
                f"{manifest.path or manifest.root}: row {segment.row + 1} has no label to be reviewed; label it"
            )
        extra = segment.extra
        known = _text(extra.get("known"))
        place = f"{segment.name}\0{segment.start}\0{segment.end}\0{segment.label}"
        where = segment.name if is_address(segment.name) else str(segment.video)
        cut, until = _number(extra.get("source_start")), _number(extra.get("source_end"))
        found.append(
            Candidate(
                uid=_text(extra.get("uid")) or hashlib.sha256(place.encode()).hexdigest()[:16],
                label=segment.label,
                group=segment.group or _text(extra.get("source_video")) or segment.name,
                score=_number(extra.get("score")),
                start=segment.start if cut is None else cut + (segment.start or 0.0),
                end=segment.end if cut is None else until if segment.end is None else cut + segment.end,
                path=where if cut is not None else "",
                video=where if cut is None else _text(extra.get("source_video")) or "",
                clip_start=cut,
                clip_end=until,
                known=None if known is None else "" if known == "none" else known,
            )
        )
    return found


def _written(name: str, root: Path) -> str:
    """Return how a manifest in `root` names a file."""
    from kinema.video.remote import is_address

    whole = root / name
    return name if is_address(name) or not whole.is_relative_to(root) else whole.relative_to(root).as_posix()


def _stretch(candidate: Candidate) -> tuple[float | None, float | None]:
    """Return where in its file a candidate's action is; None, None for the whole file."""
    if candidate.start is None or candidate.end is None:
        return None, None
    if not candidate.path:
        return candidate.start, candidate.end
    if candidate.clip_start is None:
        return None, None
    start, end = candidate.start - candidate.clip_start, candidate.end - candidate.clip_start
    missing = max(0.0, SHORTEST - (end - start)) / 2
    length = math.inf if candidate.clip_end is None else candidate.clip_end - candidate.clip_start
    start, end = start - missing, end + missing
    if start < 0:
        start, end = 0.0, end - start
    if end > length:
        start, end = max(0.0, start - (end - length)), length
    return (None, None) if start <= 0 and end >= length else (round(start, 3), round(end, 3))


def _text(cell: Any) -> str | None:
    return None if cell is None or (isinstance(cell, float) and math.isnan(cell)) else str(cell) or None


def _number(cell: Any) -> float | None:
    text = _text(cell)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
