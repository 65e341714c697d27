"""What is wrong with a data set as a whole, in sentences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from kinema.data.explore.alike import Pair, group_of
from kinema.data.explore.facts import ClipFacts
from kinema.data.manifest import Manifest
from kinema.data.wording import count, listing

_LEAST_CLIPS = 20
_LEAST_GAIN = 0.15
_BINS = 5


@dataclass(frozen=True)
class Remark:
    """A sentence and how much it matters: "serious", "warning" or "note"."""

    level: str
    text: str


def find_remarks(
    manifest: Manifest,
    clips: Sequence[ClipFacts],
    pairs: Sequence[Pair],
    not_compared: Sequence[str] = (),
    *,
    many_scenes: bool = True,
) -> list[Remark]:
    """Return what holds for the data as a whole, worst first.

    That is what the table says (imbalance, groups divided between splits …), traits of the files that tell
    the class without any action, one camera behind several groups (unless `many_scenes` is off, where the
    clips themselves are called odd), what nobody could look at, and what could not be compared (a line each).
    """
    found = []
    lost = sum(not clip.seen for clip in clips)
    if clips and lost == len(clips):
        found.append(Remark("serious", "not one clip can be read: is the data in another folder?"))
    found += [
        Remark("serious" if line.startswith("leak") else "warning", line) for line in manifest.warnings()
    ]
    found += [Remark("warning", line) for line in shortcuts(clips)]
    scene = _one_camera(len(clips), pairs) if many_scenes else ""
    if scene:
        found.append(Remark("warning", scene))
    if not_compared:
        what = "copies and leaks among these were not looked for"
        found.append(Remark("warning", f"not compared with the others: {listing(not_compared, 3)}; {what}"))
    if len(clips) < len(manifest):
        looked = f"{len(clips):,} of {len(manifest):,} clips were looked at, evenly chosen from each class"
        found.append(Remark("note", f"{looked}; counts by class, split and group are of all"))
    levels = ["serious", "warning", "note"]
    return sorted(found, key=lambda remark: levels.index(remark.level))


def shortcuts(clips: Sequence[ClipFacts]) -> list[str]:
    """Return the traits of files from which the class can be guessed far better than by chance.

    The guess for a clip is the commonest class among clips with the same trait in other groups; lengths and
    brightness count in five steps. Named are traits that gain 15 points, and 3 standard errors, over the
    commonest class.
    """
    known = [clip for clip in clips if clip.seen and clip.segment.label is not None]
    if len(known) < _LEAST_CLIPS or len({clip.segment.label for clip in known}) < 2:
        return []
    labels = [clip.segment.label or "" for clip in known]
    groups = [group_of(clip.segment) for clip in known]
    (common, number), *_ = Counter(labels).most_common(1)
    chance = number / len(labels)
    found = []
    for name, trait in _TRAITS.items():
        values = _steps([trait(clip) for clip in known])
        right = _guessed(values, labels, groups)
        gain = max(_LEAST_GAIN, 3 * math.sqrt(chance * (1 - chance) / len(labels)))
        if right - chance >= gain:
            found.append(
                f"shortcut: {name} alone tells the class of {100 * right:.0f} % of the clips (always answering "
                f"'{common}': {100 * chance:.0f} %); a model can learn that in place of the action"
            )
    return found


_TRAITS: dict[str, Callable[[ClipFacts], Hashable]] = {
    "the frame size": lambda clip: clip.size,
    "the shape of the picture (width to height)": lambda clip: (
        (clip.size[0] / clip.size[1]) if clip.size else 0.0
    ),
    "the frame rate": lambda clip: round(clip.fps or 0),
    "the codec": lambda clip: clip.format,
    "the length": lambda clip: clip.seconds,
    "the brightness": lambda clip: clip.brightness,
}


def _steps(values: Sequence[Hashable]) -> list[Hashable]:
    """Return numbers with fractions as one of five steps of equal numbers of clips, anything else as it is."""
    if not all(isinstance(value, float) for value in values):
        return list(values)
    edges = np.quantile(np.array(values, dtype=float), np.linspace(0, 1, _BINS + 1)[1:-1])
    return [int(step) for step in np.searchsorted(edges, np.array(values, dtype=float))]


def _guessed(values: Sequence[Hashable], labels: Sequence[str], groups: Sequence[str]) -> float:
    """Return how often the commonest class among clips of the same value, in other groups, is right."""
    everywhere = Counter(zip(values, labels, strict=True))
    within = Counter(zip(values, labels, groups, strict=True))
    classes: dict[Hashable, list[str]] = {}
    for value, label in everywhere:
        classes.setdefault(value, []).append(label)
    right = 0.0
    for value, label, group in zip(values, labels, groups, strict=True):
        votes = {one: everywhere[value, one] - within[value, one, group] for one in classes[value]}
        most = max(votes.values())
        tied = [one for one, number in votes.items() if number == most and most > 0]
        right += (label in tied) / len(tied) if tied else 0.0
    return right / len(labels)


def _one_camera(clips: int, pairs: Sequence[Pair]) -> str:
    shared = {i for pair in pairs if not pair.equal for i in (pair.first, pair.second)}
    if len(shared) < 2:
        return ""
    what = f"{count(len(shared), 'clip')} of {clips:,} show the same scene as a clip of another group"
    return f"{what}: if they come from one source, group them (--group-pattern, --group-block) before a split"
