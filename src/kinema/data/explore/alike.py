"""Clips that show the same footage, and clips that seem to come from the same camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kinema.data.explore.facts import ClipFacts
from kinema.data.groups import own_group
from kinema.data.likeness import near_duplicates
from kinema.data.manifest import Manifest, Segment
from kinema.errors import KinemaError

_WHOLE = 0.8  # the share of the shorter clip from which on the two are the same and do not just overlap


@dataclass(frozen=True)
class Pair:
    """Two clips by their place in the list that was given.

    `equal`: they have `seconds` of footage in common, `whole`: nearly all of the shorter one, maybe
    `mirrored`. Otherwise they show the same scene, though their groups differ.
    """

    first: int
    second: int
    equal: bool
    whole: bool = False
    mirrored: bool = False
    seconds: float = 0.0


def alike(
    manifest: Manifest,
    clips: Sequence[ClipFacts],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Pair], list[str]]:
    """Return the pairs of clips of different videos with footage, or only the scene, in common.

    Beside them comes a line for each video that could not be compared, or one for all.

    What counts as either is `near_duplicates`'s to say; stretches of one video that overlap are no finding.
    """
    rows = [i for i, clip in enumerate(clips) if clip.seen]
    if len(rows) < 2:
        return [], []
    seen = manifest.replace(manifest.table.iloc[[clips[i].segment.row for i in rows]].reset_index(drop=True))
    try:
        report = near_duplicates(
            seen,
            between="clips",
            workers=workers,
            progress=progress and (lambda _, done, total: progress(done, total)),
        )
    except KinemaError as error:  # the clips can still be shown where they cannot be compared
        return [], [f"no clip was compared with another: {error}"]
    pairs = []
    for found in report.pairs:
        i, j = sorted((rows[found.first.row], rows[found.second.row]))
        if clips[i].segment.video != clips[j].segment.video:
            whole = found.seconds >= _WHOLE * min(clips[i].seconds, clips[j].seconds)
            pairs.append(Pair(i, j, True, whole, found.mirrored, found.seconds))
    known = {(pair.first, pair.second) for pair in pairs}
    for place in report.places:
        pairs += [
            pair for pair in _scene([rows[k] for k in place], clips) if (pair.first, pair.second) not in known
        ]
    return pairs, report.problems


def group_of(segment: Segment) -> str:
    """Return the group of a clip, which without any is its own."""
    return segment.group or own_group(segment.name)


def _scene(place: Sequence[int], clips: Sequence[ClipFacts]) -> set[Pair]:
    """Return for each clip of a place the first clip there of another group."""
    found = set()
    for i in place:
        group = group_of(clips[i].segment)
        other = next((j for j in place if group_of(clips[j].segment) != group), None)
        if other is not None:
            found.add(Pair(min(i, other), max(i, other), False))
    return found
