"""What is to be extracted: stretches of video, each with a name of its own."""

from __future__ import annotations

import itertools
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from kinema.data.clips import rate_of
from kinema.data.frame_names import frame_folders
from kinema.data.frames.settings import FrameSettings
from kinema.data.manifest import Segment
from kinema.data.wording import count, listing
from kinema.video import TIME_TOLERANCE
from kinema.video.file_source import VIDEO_SUFFIXES

Place = tuple[str, str]  # folder below the output folder, and what its image names begin with
_LONGEST = 120  # bytes of a name; file systems allow 255, and a number and a suffix follow
UNLABELLED = "unlabelled"


@dataclass(frozen=True)
class Stretch:
    """Seconds of a video without a gap, that become the images `folder/prefix_00001.jpg` and so on.

    `segments` follow each other without gap or overlap; `key` names video, times and class, and not where the
    data lies.
    """

    video: Path
    name: str
    rate: float | None
    segments: tuple[Segment, ...]
    key: str
    folder: str = ""
    prefix: str = ""

    @property
    def start(self) -> float:
        """Second of the video at which it starts."""
        return self.segments[0].start or 0.0

    @property
    def end(self) -> float | None:
        """Second of the video at which it ends, None for the video's end."""
        return self.segments[-1].end

    def image(self, number: int, suffix: str) -> str:
        """Return the name of the image with that number, counted from 1."""
        return f"{self.prefix}_{number:05d}.{suffix}"


@dataclass
class Plan:
    """The stretches in the order of the manifest, and notes on names that had to be changed."""

    stretches: list[Stretch]
    notes: list[str] = field(default_factory=list)


def plan_stretches(
    segments: Sequence[Segment], settings: FrameSettings, known: Mapping[str, Place] | None = None
) -> Plan:
    """Arrange segments into stretches, and name these.

    With the layout "video", neighbours (each begins where the one before ends) share a stretch, so that the frames
    of a fully labelled video stay in one folder; with `per_video` each segment stands alone, and with the layout
    "class" too. Segments that overlap, or have a gap before them, start a stretch. `known` holds the names that
    earlier runs gave to some keys; they are kept.
    """
    alone = settings.per_video is not None or settings.layout == "class"
    by_video: dict[tuple[Path, float | None], list[Segment]] = {}
    for segment in segments:
        by_video.setdefault((segment.video, rate_of(segment)), []).append(segment)
    chains: list[list[Segment]] = []
    for mine in by_video.values():
        ordered = sorted(
            mine, key=lambda s: (s.start or 0.0, float("inf") if s.end is None else s.end, s.row)
        )
        first = len(chains)
        for segment in ordered:
            if len(chains) > first and not alone and _follows(chains[-1][-1], segment):
                chains[-1].append(segment)
            else:
                chains.append([segment])
    chains.sort(key=lambda chain: chain[0].row)
    seen: Counter[str] = Counter()
    stretches = []
    for chain in chains:
        key = _key(chain, settings)
        seen[key] += 1
        key += f" #{seen[key]}" if seen[key] > 1 else ""
        stretches.append(Stretch(chain[0].video, chain[0].name, rate_of(chain[0]), tuple(chain), key))
    return _named(stretches, settings, known or {})


def safe_name(text: str, otherwise: str = "video") -> str:
    """Return `text` as a file name that every common system takes; letters of any script stay.

    >>> safe_name("  Öl: a/b?.x. "), safe_name("..")
    ('Öl_ a_b_.x', 'video')
    """
    text = unicodedata.normalize("NFC", text)
    text = "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in text)
    while len(text.encode()) > _LONGEST:
        text = text[:-1]
    return text.strip(" .") or otherwise


def _follows(before: Segment, after: Segment) -> bool:
    if before.end is None or after.start is None:
        return False
    return abs(after.start - before.end) <= TIME_TOLERANCE


def _key(chain: Sequence[Segment], settings: FrameSettings) -> str:
    times = [[segment.start, segment.end] for segment in chain]
    label = chain[0].label if settings.layout == "class" else None
    return json.dumps([chain[0].name, rate_of(chain[0]), label, times], ensure_ascii=False)


def _named(stretches: list[Stretch], settings: FrameSettings, known: Mapping[str, Place]) -> Plan:
    by_class = settings.layout == "class"
    folders = _class_folders(stretches) if by_class else {}
    parts = Counter(stretch.video for stretch in stretches)
    several = {video for video, number in parts.items() if number > 1}
    bases = _bases(stretches, by_class)
    taken = {_folded(place) for place in known.values()}
    numbers: Counter[Path] = Counter()
    changed: dict[Path, str] = {}
    named = []
    for stretch in stretches:
        numbers[stretch.video] += 1
        base = bases[stretch.video]
        wanted = f"{base}_s{numbers[stretch.video]:02d}" if stretch.video in several else base
        if stretch.key in known:
            folder, prefix = known[stretch.key]
        else:
            folder, prefix = _free(
                wanted, folders[stretch.segments[0].label or ""] if by_class else None, taken
            )
            taken.add(_folded((folder, prefix)))
        named.append(replace(stretch, folder=folder, prefix=prefix))
        if prefix != wanted or base != _stem(stretch.name):
            changed.setdefault(stretch.video, f"{stretch.name} as {prefix}")
    notes = []
    if changed:
        why = "another has the same, or it holds what file names cannot"
        notes.append(f"names: {count(len(changed), 'video')} renamed ({why}): {listing(changed.values(), 3)}")
    if several:
        total = sum(parts[video] for video in several)
        one = next(stretch.prefix for stretch in named if stretch.video in several)
        videos = count(len(several), "video")
        notes.append(f"names: {total:,} clips are parts of {videos}, with names like {one}")
    return Plan(named, notes)


def _bases(stretches: Iterable[Stretch], by_class: bool) -> dict[Path, str]:
    """Return a name for each video, the one that `kinema data labels` gives it; equal ones get their folders' names."""
    videos: dict[str, dict[str, Path]] = {}
    for stretch in stretches:
        label = stretch.segments[0].label or "" if by_class else ""
        videos.setdefault(label, {}).setdefault(stretch.name, stretch.video)
    bases: dict[Path, str] = {}
    for mine in videos.values():
        for name, folder in frame_folders(mine).items():
            bases.setdefault(mine[name], safe_name(folder))
    return bases


def _class_folders(stretches: Iterable[Stretch]) -> dict[str, str]:
    folders: dict[str, str] = {"": UNLABELLED}
    for label in dict.fromkeys(stretch.segments[0].label or "" for stretch in stretches):
        if label:
            wanted = name = safe_name(label, "class")
            taken = {folder.casefold() for folder in folders.values()}
            for number in itertools.count(2):
                if name.casefold() not in taken:
                    break
                name = f"{wanted}_{number}"
            folders[label] = name
    return folders


def _free(wanted: str, folder: str | None, taken: set[Place]) -> Place:
    name, number = wanted, 1
    while _folded((folder or name, name)) in taken:
        number += 1
        name = f"{wanted}_{number}"
    return folder or name, name


def _folded(place: Place) -> Place:
    # Some file systems do not tell upper from lower case.
    return place[0].casefold(), place[1].casefold()


def _stem(name: str) -> str:
    last = PurePosixPath(name.replace("\\", "/"))
    return last.stem if last.suffix.lower() in VIDEO_SUFFIXES else last.name
