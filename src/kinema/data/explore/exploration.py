"""A look at every clip of a data set: what it is made of, what is odd, and one page that shows it."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kinema.data.explore.alike import alike
from kinema.data.explore.facts import ClipFacts, look
from kinema.data.explore.oddities import KINDS, Oddity, find_oddities, worst_first
from kinema.data.explore.page import Page, write_page
from kinema.data.explore.pictures import take_pictures
from kinema.data.explore.remarks import Remark, find_remarks
from kinema.data.manifest import Manifest
from kinema.data.segments import named
from kinema.data.wording import count, listing
from kinema.errors import UsageError

_SHOWN = 400  # clips in contact sheets where nobody says how many: a page of about 10 MB
_MOST_SHOWN = 2000  # more make a page that browsers are slow to open
_ODD_SHOWN = 24  # clips of each kind of oddity


@dataclass(frozen=True)
class Exploration:
    """What a look at the clips of a manifest showed.

    `clips` are the facts of those looked at, in the order of the table, `oddities` what is odd about each,
    worst first, `remarks` what holds for the data as a whole. `shown` are the clips on the contact sheets, by
    place in `clips`; `notes` say what the page leaves out.
    """

    manifest: Manifest
    clips: list[ClipFacts]
    oddities: list[tuple[Oddity, ...]]
    remarks: list[Remark]
    shown: list[int]
    per_class: int
    page: Page
    notes: list[str]

    @property
    def odd(self) -> list[int]:
        """The places in `clips` of those with something odd, worst kind first."""
        order = list(KINDS)
        found = [i for i, oddities in enumerate(self.oddities) if oddities]
        return sorted(found, key=lambda i: order.index(self.oddities[i][0].kind))

    def table(self) -> pd.DataFrame:
        """Return one row a clip: the manifest's columns, then what was seen, `odd` (kinds) and `reason`."""
        rows = []
        for clip, oddities in zip(self.clips, self.oddities, strict=True):
            width, height = clip.size or (None, None)
            rows.append(
                {
                    "frames": clip.frames,
                    "seconds": round(clip.seconds, 3),
                    "width": width,
                    "height": height,
                    "rate": clip.fps,
                    "codec": clip.codec,
                    "container": clip.container,
                    "brightness": round(clip.brightness, 1),
                    "change": round(clip.change, 1),
                    "odd": "; ".join(oddity.kind for oddity in oddities),
                    "reason": "; ".join(oddity.reason for oddity in oddities),
                }
            )
        seen = pd.DataFrame(rows)
        kept = self.manifest.table.iloc[[clip.segment.row for clip in self.clips]].reset_index(drop=True)
        return pd.concat([kept.drop(columns=list(seen.columns), errors="ignore"), seen], axis=1)

    def text(self, most: int = 3) -> str:
        """Return what was found, a line each: counts, remarks, each kind of oddity with its first clips."""
        seconds = sum(clip.seconds for clip in self.clips)
        clips, number = count(len(self.clips), "clip"), len(self.odd)
        lines = [
            f"{clips} looked at, {seconds:,.0f} s in all: {f'{number:,} odd' if number else 'nothing odd'}"
        ]
        lines += [f"  {remark.level}  {remark.text}" for remark in self.remarks]
        kinds = Counter(kind for oddities in self.oddities for kind in {o.kind for o in oddities})
        for kind in (kind for kind in KINDS if kinds[kind]):
            first = [
                f"{named(clip.segment)} ({next(o.reason for o in oddities if o.kind == kind)})"
                for clip, oddities in zip(self.clips, self.oddities, strict=True)
                if any(oddity.kind == kind for oddity in oddities)
            ]
            lines.append(f"  {kind}: {kinds[kind]:,}: {listing(first, most)}")
        return "\n".join([*lines, *self.notes])


def explore(
    manifest: Manifest,
    out: str | os.PathLike[str],
    *,
    per_class: int | None = None,
    previews: bool = True,
    most: int | None = None,
    page_bytes: int = 25_000_000,
    min_seconds: float = 0.2,
    min_frames: int = 4,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Exploration:
    """Look at every clip and write `out`, one HTML file that needs no other and no network.

    Shown are at most `per_class` clips of each class, evenly chosen (default: all of up to 400 clips, else
    400 in all), and first of all the odd ones. `previews` are small H.264 videos that a click plays; those
    that no longer fit into `page_bytes` are written beside the page, into `NAME_files/`. `most`: look at no
    more clips than that, evenly chosen from each class. A clip shorter than `min_seconds` or `min_frames` is
    too short. `workers` videos are read at a time (default: one a usable core); `progress(stage, done,
    total)` is called in the stages "looking", "comparing" and "pictures".

    Files that are missing or broken are listed, never fatal. Raises `UsageError` for settings that make no
    sense, `KinemaError` when the page cannot be written.
    """
    path = Path(out)
    for name, value in (("per_class", per_class), ("most", most), ("workers", workers)):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}")
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{path}: the page is written as .html; give it a name that ends in .html")
    if path.is_dir():
        raise UsageError(f"{path}: a folder has this name; name a file, such as {path / 'explore.html'}")
    segments = manifest.segments()
    if most is not None and most < len(segments):
        rows = _evenly([segment.label for segment in segments], -(-most // max(1, _classes(manifest))))
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)]
        segments = [segments[i] for i in rows]
    clips = look(segments, workers=workers, progress=progress and (lambda d, t: progress("looking", d, t)))
    pairs, problems = alike(
        manifest, clips, workers=workers, progress=progress and (lambda d, t: progress("comparing", d, t))
    )
    oddities = find_oddities(clips, pairs, min_seconds=min_seconds, min_frames=min_frames)
    per_class, notes = _per_class(per_class, _classes(manifest), len(clips))
    shown = _evenly([clip.segment.label for clip in clips], per_class)
    strange = _strange(oddities)
    wanted = sorted({*shown, *(i for rows in strange.values() for i in rows)})
    if len(shown) < len(clips):
        notes.append(
            f"the contact sheets show {len(shown):,} of {len(clips):,} clips, at most {per_class} of each class "
            "(--per-class)"
        )
    scenes = any(oddity.kind == "same scene" for found in oddities for oddity in found)
    remarks = find_remarks(manifest, clips, pairs, problems, many_scenes=not scenes)
    with tempfile.TemporaryDirectory(prefix="kinema-explore-") as folder:
        pictures = take_pictures(
            [clips[i] for i in wanted],
            Path(folder),
            previews=previews,
            workers=workers,
            progress=progress and (lambda d, t: progress("pictures", d, t)),
        )
        # A picture that nobody looked at may be damaged: only the preview meets it.
        for i, picture in zip(wanted, pictures, strict=True):
            if picture.problem:
                oddities[i] = worst_first([*oddities[i], Oddity("damaged", picture.problem)])
        strange = {kind: [i for i in rows if i in set(wanted)] for kind, rows in _strange(oddities).items()}
        page = write_page(
            path,
            manifest,
            clips,
            oddities,
            remarks,
            shown=shown,
            strange=strange,
            pictures=dict(zip(wanted, pictures, strict=True)),
            notes=notes,
            page_bytes=page_bytes,
        )
    return Exploration(manifest, clips, oddities, remarks, shown, per_class, page, [*notes, *page.notes])


def _classes(manifest: Manifest) -> int:
    return len(manifest.classes) + bool(manifest.table["label"].isna().any())


def _per_class(asked: int | None, classes: int, clips: int) -> tuple[int, list[str]]:
    classes = max(1, classes)
    if asked is None:
        return (max(1, clips), []) if clips <= _SHOWN else (max(1, _SHOWN // classes), [])
    fits = max(1, _MOST_SHOWN // classes)
    if asked <= fits or clips <= _MOST_SHOWN:
        return asked, []
    note = f"--per-class {asked:,} would make a page that no browser opens with ease: {fits:,} are shown"
    return fits, [note]


def _evenly(labels: Sequence[str | None], most: int) -> list[int]:
    """Return places in order, at most so many of each label, spread over all of it."""
    by_label: dict[str | None, list[int]] = {}
    for i, label in enumerate(labels):
        by_label.setdefault(label, []).append(i)
    chosen = []
    for rows in by_label.values():
        number = min(most, len(rows))
        chosen += [rows[i] for i in np.linspace(0, len(rows) - 1, number).round().astype(int)]
    return sorted(chosen)


def _strange(oddities: Sequence[tuple[Oddity, ...]]) -> dict[str, list[int]]:
    """Return the odd clips that are shown, each under its worst kind, beside the clip that it is like."""

    def beside(i: int) -> tuple[int, int]:
        other = oddities[i][0].other
        return (i if other is None else min(i, other), i)

    kinds: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for i in sorted((i for i, found in enumerate(oddities) if found), key=beside):
        kinds[oddities[i][0].kind].append(i)
    return {kind: rows[:_ODD_SHOWN] for kind, rows in kinds.items() if rows}
