"""The search for clips that show the same footage, whatever their names, across splits or groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from kinema.data.columns import SPLITS
from kinema.data.groups import assign_groups, tied_rows
from kinema.data.likeness.alignment import Alignment, Moments, align
from kinema.data.likeness.fingerprints import RATE, STEP, Fingerprint, fingerprints
from kinema.data.likeness.hash_search import Candidate, propose
from kinema.data.likeness.places import same_places
from kinema.data.likeness.report import LikenessReport, NearDuplicate, differ
from kinema.data.manifest import Manifest, Segment
from kinema.data.segments import usable_cores
from kinema.errors import DataError, UsageError, closest

_BETWEEN = ("splits", "groups", "clips")


def near_duplicates(
    manifest: Manifest,
    *,
    between: str | None = None,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> LikenessReport:
    """Find the segments of different splits (or groups, or any two: `between`) that show the same footage.

    Found are copies that were encoded again, resized, mirrored, brightened, cropped by up to a tenth on each
    side, cut elsewhere in time, with at least a second in common. Compared is what moves, so that clips of a
    fixed camera are not alike for their background: those are listed as the same place. `between` is splits
    where the manifest has two, else groups. `progress(what, done, total)` counts clips, then comparisons.

    Raises `UsageError` for another `between`, `DataError` when no video can be decoded.
    """
    between = between or ("splits" if len(manifest.splits) > 1 else "groups")
    if between not in _BETWEEN:
        raise UsageError(
            f"near-duplicates are sought between {', '.join(_BETWEEN)}, not '{between}'; {closest(between, _BETWEEN)}"
        )
    segments = manifest.segments()
    prints, problems = fingerprints(
        segments,
        workers=workers,
        progress=progress and (lambda done, total: progress("decoding", done, total)),
    )
    if segments and all(one is None for one in prints):
        raise DataError(f"{manifest.path or manifest.root}: no video can be decoded; first: {problems[0]}")
    parts = _parts(manifest, between)
    found = propose(
        prints,
        parts,
        workers=workers or usable_cores(),
        progress=progress and (lambda done, total: progress("comparing", done, total)),
    )
    pairs = _verified(segments, prints, found, progress)
    places = [
        rows
        for rows in same_places(prints, parts, {(pair.first.row, pair.second.row) for pair in pairs})
        if len({segments[row].video for row in rows}) > 1
    ]
    return LikenessReport(manifest, between, pairs, places, problems)


def _parts(manifest: Manifest, between: str) -> list[int]:
    """Return for each row the number of its split, group or own; -1: not compared."""
    if between == "splits":
        return [SPLITS.index(name) if isinstance(name, str) else -1 for name in manifest.table["split"]]
    if between == "clips":
        return list(range(len(manifest)))
    manifest = assign_groups(manifest) if manifest.table["group"].isna().any() else manifest
    groups = manifest.table["group"].tolist()
    first: dict[str, int] = {}
    same_video = [(first.setdefault(name, row), row) for row, name in enumerate(manifest.table["video"])]
    numbers: dict[str, int] = {}
    return [numbers.setdefault(group, len(numbers)) for group in tied_rows(groups, same_video)]


def _verified(
    segments: Sequence[Segment],
    prints: Sequence[Fingerprint | None],
    found: Sequence[Candidate],
    progress: Callable[[str, int, int], None] | None,
) -> list[NearDuplicate]:
    @lru_cache(maxsize=256)
    def moments(row: int, mirrored: bool) -> Moments:
        one = prints[row]
        assert one is not None
        return Moments(one, mirrored)

    best: dict[tuple[int, int], NearDuplicate] = {}
    for done, one in enumerate(found, start=1):
        if progress and (done % 1000 == 0 or done == len(found)):
            progress("verifying", done, len(found))
        first, second = segments[one.first], segments[one.second]
        if _same_stretch(first, second):
            continue
        found_here = align(moments(one.first, one.mirrored), moments(one.second, False), one.offsets)
        if found_here is None:
            continue
        pair = _pair(first, second, prints, one, found_here)
        known = best.get((one.first, one.second))
        if known is None or pair.likeness > known.likeness:
            best[one.first, one.second] = pair
    return sorted(
        best.values(),
        key=lambda p: (
            not differ(p.first.split, p.second.split),
            -p.seconds * p.likeness,
            p.first.row,
            p.second.row,
        ),
    )


def _pair(
    first: Segment, second: Segment, prints: Sequence[Fingerprint | None], one: Candidate, at: Alignment
) -> NearDuplicate:
    here, there = prints[one.first], prints[one.second]
    assert here is not None and there is not None
    return NearDuplicate(
        first,
        second,
        float(here.times[at.start]),
        float(there.times[at.start + at.offset]),
        min(at.count + STEP, len(here.times)) / RATE,
        one.mirrored,
        at.still,
        at.likeness,
    )


def _same_stretch(first: Segment, second: Segment) -> bool:
    """Whether both are known to be the same: of one video, overlapping in time, in one split."""
    if first.video != second.video or differ(first.split, second.split):
        return False
    ends = [np.inf if segment.end is None else segment.end for segment in (first, second)]
    return (first.start or 0.0) < ends[1] and (second.start or 0.0) < ends[0]
