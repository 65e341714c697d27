"""The clips that deserve a look before any training, each with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from statistics import median

from kinema.data.explore.alike import Pair, group_of
from kinema.data.explore.facts import ClipFacts
from kinema.data.manifest import Segment
from kinema.data.segments import named
from kinema.data.wording import count

KINDS: dict[str, tuple[str, str]] = {
    "unreadable": ("Cannot be read", "Nothing of these can be used: mend the path, fetch them again or leave them out."),
    "label conflict": ("The same pictures, different labels", "At most one of the labels is right."),
    "leak": ("The same pictures in two splits", "A score on them measures memory: keep one, or put all in one split."),
    "damaged": ("Damaged", "Something is wrong with the file, or its range leaves the video."),
    "nearly equal": ("Nearly equal", "Copies give a clip more weight, and leak once they are divided between splits."),
    "dark": ("Dark", "Hardly anything can be seen."),
    "frozen": ("Frozen", "The picture does not change from the first frame to the last."),
    "too short": ("Too short", "Too few frames to show an action."),
    "odd length": ("Odd length", "Far from the others: a wrong time or an uncut video?"),
    "odd size": ("Odd size", "Not the size of the others: another source?"),
    "odd rate": ("Odd frame rate", "Not the rate of the others: another source, or a wrong header?"),
    "odd format": ("Odd codec", "Not the codec of the others: another source?"),
    "same scene": (
        "Same scene, another group",
        "They seem to come from one camera or source: if so, group them (--group-pattern, --group-block) before a split.",
    ),
}  # fmt: skip
"""Each kind, worst first: its title and what it means."""

SERIOUS = frozenset({"unreadable", "label conflict", "leak", "damaged"})
"""Kinds that make a clip or a score wrong; the others are warnings."""

_DARK = 25.0  # mean grey level out of 255 of the brightest look; the darkest real clip at hand has 35
_FROZEN = 4.0  # grey levels that no place of the picture exceeds; the stillest real clip at hand has 24
_MOST = 0.8  # the share of clips from which on a value is the usual one
_RARE = 0.1  # the share of clips up to which being unlike the others is odd, and not the way this data is
_FACTOR = 4.0
_LEAST_CLIPS = 5  # below, there is no "the others"


@dataclass(frozen=True)
class Oddity:
    """One thing odd about a clip: `kind` is a key of `KINDS`, `other` the place of the clip that it is like."""

    kind: str
    reason: str
    other: int | None = None

    @property
    def serious(self) -> bool:
        return self.kind in SERIOUS


def find_oddities(
    clips: Sequence[ClipFacts], pairs: Sequence[Pair], *, min_seconds: float = 0.2, min_frames: int = 4
) -> list[tuple[Oddity, ...]]:
    """Return what is odd about each clip, worst first; an empty tuple for nothing."""
    found = [_alone(clip, min_seconds, min_frames) for clip in clips]
    for compare in (_sizes, _rates, _formats, _lengths):
        for i, oddity in compare(clips).items():
            if not any(o.kind in ("unreadable", "too short") for o in found[i]):
                found[i].append(oddity)
    for i, oddity in _pairs(clips, pairs):
        found[i].append(oddity)
    return [worst_first(oddities) for oddities in found]


def worst_first(oddities: Sequence[Oddity]) -> tuple[Oddity, ...]:
    """Return the oddities of a clip in the order of `KINDS`."""
    order = list(KINDS)
    return tuple(sorted(oddities, key=lambda oddity: order.index(oddity.kind)))


def _alone(clip: ClipFacts, min_seconds: float, min_frames: int) -> list[Oddity]:
    if clip.fault:
        reason = clip.fault if clip.fault_kind == "unreadable" else f"{clip.fault_kind}: {clip.fault}"
        return [Oddity("unreadable", reason)]
    found = [Oddity("damaged", problem) for problem in clip.problems]
    if (clip.frames is not None and clip.frames < min_frames) or clip.seconds < min_seconds:
        frames = count(clip.frames, "frame") if clip.frames is not None else "few frames"
        found.append(Oddity("too short", f"{frames}, {clip.seconds:.2f} s"))
    elif clip.change <= _FROZEN:
        found.append(Oddity("frozen", f"nothing changes in {clip.seconds:.1f} s"))
    if clip.brightness < _DARK:
        found.append(Oddity("dark", f"mean brightness {clip.brightness:.0f} of 255 at its brightest"))
    return found


def _sizes(clips: Sequence[ClipFacts]) -> dict[int, Oddity]:
    def text(size: tuple[int, int]) -> str:
        return f"{size[0]}x{size[1]}"

    unlike = _unlike(clips, "odd size", lambda clip: clip.size, lambda clip: text(clip.size or (0, 0)))
    if unlike is not None:
        return unlike
    far = _far(
        clips,
        "odd size",
        lambda clip: float(clip.size[0] * clip.size[1]) if clip.size else None,
        lambda clip, usual: (
            f"{text(clip.size or (0, 0))}: {_times(clip.size, usual)} the usual number of pixels"
        ),
    )
    return {**_turned(clips), **far}


def _turned(clips: Sequence[ClipFacts]) -> dict[int, Oddity]:
    """Return the few clips that are tall among wide ones, or wide among tall ones."""
    sizes = {
        i: clip.size for i, clip in enumerate(clips) if clip.seen and clip.size and len(set(clip.size)) > 1
    }
    for one, other in (("tall", "wide"), ("wide", "tall")):
        rare = {i: size for i, size in sizes.items() if (size[0] < size[1]) == (one == "tall")}
        if len(sizes) >= _LEAST_CLIPS and 0 < len(rare) <= _RARE * len(sizes):
            share = f"{100 - 100 * len(rare) // len(sizes)} % are {other}"
            return {i: Oddity("odd size", f"{w}x{h}, {one}; {share}") for i, (w, h) in rare.items()}
    return {}


def _times(size: tuple[int, int] | None, usual: float) -> str:
    width, height = size or (0, 0)
    return f"{width * height / usual:.2g} times"


def _rates(clips: Sequence[ClipFacts]) -> dict[int, Oddity]:
    # 29.97 and 30 are one rate to the eye, and phones vary by a little more.
    unlike = _unlike(
        clips, "odd rate", lambda clip: clip.fps and round(clip.fps), lambda clip: f"{clip.fps or 0:.4g} fps"
    )
    if unlike is not None:
        return unlike
    return _far(
        clips,
        "odd rate",
        lambda clip: clip.fps,
        lambda clip, usual: f"{clip.fps:.4g} fps; the median is {usual:.4g}",
    )


def _formats(clips: Sequence[ClipFacts]) -> dict[int, Oddity]:
    return _unlike(clips, "odd format", lambda clip: clip.format or None, lambda clip: clip.format) or {}


def _lengths(clips: Sequence[ClipFacts]) -> dict[int, Oddity]:
    return _far(
        clips,
        "odd length",
        lambda clip: clip.seconds,
        lambda clip, usual: f"{clip.seconds:.1f} s; the median is {usual:.1f} s",
    )


def _unlike(
    clips: Sequence[ClipFacts],
    kind: str,
    value: Callable[[ClipFacts], Hashable],
    text: Callable[[ClipFacts], str],
) -> dict[int, Oddity] | None:
    """Return the clips without the usual value, or None when no value is usual."""
    values = {i: value(clip) for i, clip in enumerate(clips) if clip.seen and value(clip) is not None}
    if len(values) < _LEAST_CLIPS:
        return {}
    (common, number), *_ = Counter(values.values()).most_common(1)
    if number < _MOST * len(values):
        return None
    usual = text(clips[next(i for i, one in values.items() if one == common)])
    share = f"{100 * number // len(values)} % are {usual}"
    rare = [i for i, one in values.items() if one != common]
    return {i: Oddity(kind, f"{text(clips[i])}; {share}") for i in rare}


def _far(
    clips: Sequence[ClipFacts],
    kind: str,
    value: Callable[[ClipFacts], float | None],
    text: Callable[[ClipFacts, float], str],
) -> dict[int, Oddity]:
    """Return the few clips whose value is 4 times the median or a quarter of it."""
    values = {i: one for i, clip in enumerate(clips) if clip.seen and (one := value(clip))}
    if len(values) < _LEAST_CLIPS:
        return {}
    usual = median(values.values())
    rare = [i for i, one in values.items() if not usual / _FACTOR <= one <= usual * _FACTOR]
    if len(rare) > _RARE * len(values):
        return {}
    return {i: Oddity(kind, text(clips[i], usual)) for i in rare}


def _pairs(clips: Sequence[ClipFacts], pairs: Sequence[Pair]) -> list[tuple[int, Oddity]]:
    """Return one oddity for each clip of a pair: the worst that any of its pairs gives."""
    order = list(KINDS)
    worst: dict[int, Oddity] = {}
    for pair in pairs:
        for i, j in ((pair.first, pair.second), (pair.second, pair.first)):
            oddity = _pair(clips[i].segment, clips[j].segment, j, pair)
            if oddity and (i not in worst or order.index(oddity.kind) < order.index(worst[i].kind)):
                worst[i] = oddity
    scene = [i for i, oddity in worst.items() if oddity.kind == "same scene"]
    if len(scene) > 0.25 * len(clips):  # one camera filmed it all: a remark on the data, not on a clip
        worst = {i: oddity for i, oddity in worst.items() if oddity.kind != "same scene"}
    return list(worst.items())


def _pair(one: Segment, other: Segment, place: int, pair: Pair) -> Oddity | None:
    mirrored = " mirrored" if pair.mirrored else ""
    if not pair.equal:
        if group_of(one) == group_of(other):
            return None
        return Oddity("same scene", f"the scene of {named(other)}, of group {other.group or '(none)'}", place)
    share = "" if pair.whole else f"{pair.seconds:.1f} s "
    what = f"{share}nearly equal to {named(other)}{mirrored}"
    if one.label != other.label and pair.whole:
        return Oddity("label conflict", f"{what}, which is {other.label!r}", place)
    if one.split != other.split and one.split and other.split:
        return Oddity("leak", f"{what}, which is in {other.split}", place)
    return Oddity("nearly equal", what, place)
