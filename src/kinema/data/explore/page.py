"""explore.html: one file that shows a data set and needs nothing else."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shutil import copyfile
from typing import Any
from urllib.parse import quote

from kinema.data.explore import charts
from kinema.data.explore.facts import ClipFacts
from kinema.data.explore.oddities import KINDS, SERIOUS, Oddity
from kinema.data.explore.pictures import PREVIEW_SECONDS, Pictures, preview_name
from kinema.data.explore.remarks import Remark
from kinema.data.manifest import Manifest
from kinema.data.pages import page_template
from kinema.data.wording import count
from kinema.files import atomic_path, write_text

_BASE64 = 4 / 3
_LOW_RATE = 5.0  # frames a second below which a fraction of one matters
_CARD_BYTES = 1000  # the text of a clip, roughly


@dataclass(frozen=True)
class Page:
    """The page as written: `size` in bytes, how many previews are `inside` it and `beside` it in `folder`."""

    path: Path
    size: int
    inside: int
    beside: int
    folder: Path | None
    notes: tuple[str, ...]


def write_page(
    path: Path,
    manifest: Manifest,
    clips: Sequence[ClipFacts],
    oddities: Sequence[tuple[Oddity, ...]],
    remarks: Sequence[Remark],
    *,
    shown: Sequence[int],
    strange: Mapping[str, Sequence[int]],
    pictures: Mapping[int, Pictures],
    notes: Sequence[str],
    page_bytes: int,
) -> Page:
    """Write the page, and beside it the previews that no longer fit into `page_bytes`.

    `shown` and `strange` (by kind) are places in `clips`. The page comes last, so that what it names is
    there; previews of an earlier page with the same name go.
    """
    cards = [*(i for rows in strange.values() for i in rows), *shown]
    videos, inside, beside = _previews(path, clips, pictures, cards, page_bytes)
    folder = _folder(path) if beside else None
    said = []
    if beside:
        size = sum(source.stat().st_size for _, source in beside) / 1e6
        said.append(
            f"{count(len(beside), 'preview')} ({size:.0f} MB) did not fit into the page of {page_bytes / 1e6:.0f} MB: "
            f"keep the folder {_folder(path).name} beside it"
        )
    html = page_template(
        "explore.html", seconds=_seconds, clock=_clock, count=count, rate=_rate
    ).render(
        title=(manifest.path or manifest.root).name or str(manifest.root),
        manifest=manifest,
        looked=len(clips),
        odd_count=sum(map(bool, oddities)),
        seconds=sum(clip.seconds for clip in clips),
        kinds=_kinds(oddities, strange),
        remarks=remarks,
        notes=[*notes, *said],
        odd=[
            (kind, *KINDS[kind], [_card(i, clips, oddities, pictures) for i in rows], _left(kind, oddities, rows))
            for kind, rows in strange.items()
        ],
        classes=charts.class_rows(manifest, clips, [bool(found) for found in oddities]),
        split_kinds=_split_kinds(manifest),
        histograms=_histograms(clips),
        bars=_bars(manifest, clips),
        sheets=_sheets(manifest, clips, oddities, shown, pictures),
        places={name: i for i, name in enumerate([*manifest.classes, ""])},
        videos=videos,
        preview_seconds=PREVIEW_SECONDS,
        any_preview=bool(videos),
    )  # fmt: skip
    for name, source in beside:
        with atomic_path(_folder(path) / name) as temporary:
            copyfile(source, temporary)
    write_text(path, html)
    _forget_others(_folder(path), {name for name, _ in beside})
    return Page(path, path.stat().st_size, inside, len(beside), folder, tuple(said))


def _previews(
    path: Path, clips: Sequence[ClipFacts], pictures: Mapping[int, Pictures], cards: Sequence[int], limit: int
) -> tuple[list[tuple[int, str, str]], int, list[tuple[str, Path]]]:
    """Return (clip, base64, address) of each preview, how many are inside the page, and the others as (name, file)."""
    left = limit - sum(_BASE64 * len(pictures[i].strip) + _CARD_BYTES for i in cards)
    videos, inside, beside = list[tuple[int, str, str]](), 0, list[tuple[str, Path]]()
    for i in dict.fromkeys(cards):
        preview = pictures[i].preview
        if preview is None:
            continue
        size = _BASE64 * preview.stat().st_size
        if size <= left:
            left -= size
            inside += 1
            videos.append((i, base64.b64encode(preview.read_bytes()).decode(), ""))
        else:
            left = 0.0  # what is first on the page is inside, what is beside is all behind it
            name = preview_name(clips[i].segment)
            beside.append((name, preview))
            videos.append((i, "", quote(f"{_folder(path).name}/{name}")))
    return videos, inside, beside


def _folder(path: Path) -> Path:
    return path.with_name(f"{path.stem}_files")


def _forget_others(folder: Path, kept: set[str]) -> None:
    with suppress(OSError):
        for old in folder.glob("clip-[0-9][0-9][0-9][0-9][0-9][0-9].mp4"):
            if old.name not in kept:
                old.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def _card(
    i: int,
    clips: Sequence[ClipFacts],
    oddities: Sequence[tuple[Oddity, ...]],
    pictures: Mapping[int, Pictures],
) -> dict[str, Any]:
    clip, picture = clips[i], pictures[i]
    segment = clip.segment
    strip = base64.b64encode(picture.strip).decode()
    facts = [_clip_time(segment.start, segment.end), _seconds(clip.seconds) if clip.seen else ""]
    facts.append(f"{clip.size[0]}×{clip.size[1]}" if clip.size else "")
    facts += [_rate(clip.fps) if clip.fps and clip.seen else "", clip.format if clip.seen else ""]
    facts += [
        f"split {segment.split}" if segment.split else "",
        f"group {segment.group}" if segment.group else "",
    ]
    return {
        "id": i,
        "name": PurePosixPath(segment.name.replace("\\", "/")).name or segment.name,
        "path": segment.name,
        "label": segment.label,
        "strip": strip,
        "width": picture.strip_size[0],
        "height": picture.strip_size[1],
        "playable": picture.preview is not None,
        "cut": clip.seconds > PREVIEW_SECONDS + 1,
        "facts": " · ".join(fact for fact in facts if fact),
        "odd": oddities[i],
    }


def _sheets(
    manifest: Manifest,
    clips: Sequence[ClipFacts],
    oddities: Sequence[tuple[Oddity, ...]],
    shown: Sequence[int],
    pictures: Mapping[int, Pictures],
) -> Iterator[tuple[str, int, int, list[dict[str, Any]]]]:
    """Yield (class, clips that the data has, clips shown, cards), odd ones first."""
    severity = {kind: number for number, kind in enumerate(KINDS)}

    def odd_first(i: int) -> int:
        return severity[oddities[i][0].kind] if oddities[i] else len(severity)

    sizes = Counter(manifest.table["label"].where(manifest.table["label"].notna(), ""))
    by_class: dict[str, list[int]] = {}
    for i in shown:
        by_class.setdefault(clips[i].segment.label or "", []).append(i)
    for name in [*manifest.classes, ""]:
        rows = sorted(by_class.get(name, []), key=odd_first)
        if rows:
            yield name, sizes[name], len(rows), [_card(i, clips, oddities, pictures) for i in rows]


def _kinds(
    oddities: Sequence[tuple[Oddity, ...]], strange: Mapping[str, Sequence[int]]
) -> list[tuple[str, int, bool, int | None]]:
    """Return (title, clips, serious, number of the section, None without one) of each kind, worst first."""
    counted = Counter(kind for found in oddities for kind in {oddity.kind for oddity in found})
    sections = {kind: number for number, kind in enumerate(strange)}
    return [
        (KINDS[kind][0], counted[kind], kind in SERIOUS, sections.get(kind))
        for kind in KINDS
        if counted[kind]
    ]


def _left(kind: str, oddities: Sequence[tuple[Oddity, ...]], rows: Sequence[int]) -> int:
    return sum(bool(found) and found[0].kind == kind for found in oddities) - len(rows)


def _histograms(clips: Sequence[ClipFacts]) -> list[charts.Histogram]:
    found = [
        charts.histogram("Lengths", "seconds", [clip.seconds for clip in clips if clip.seen]),
        charts.histogram("Brightness", "of 255", [clip.brightness for clip in clips if clip.seen]),
    ]
    return [one for one in found if one is not None]


def _bars(manifest: Manifest, clips: Sequence[ClipFacts]) -> list[charts.Chart]:
    return [
        charts.splits(manifest),
        charts.groups(manifest),
        charts.counts("Sizes", clips, lambda clip: f"{clip.size[0]}×{clip.size[1]}" if clip.size else ""),
        charts.counts("Frame rates", clips, lambda clip: _usual_rate(clip.fps) if clip.fps else ""),
        charts.counts("Codecs", clips, lambda clip: clip.format),
    ]


def _split_kinds(manifest: Manifest) -> list[str]:
    return [*manifest.splits, *(["none"] if manifest.table["split"].isna().any() and manifest.splits else [])]


def _rate(fps: float) -> str:
    return f"{round(fps, 2):g} fps"


def _usual_rate(fps: float) -> str:
    """Return a rate by which clips are counted: recordings of phones are each at a rate of their own near 15 or 30."""
    exact = (round(fps), 24_000 / 1001, 30_000 / 1001, 60_000 / 1001)
    if fps < _LOW_RATE or any(abs(fps - one) < 0.005 for one in exact):
        return _rate(fps)
    return f"about {round(fps)} fps"


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s" if value < 100 else _clock(value)


def _clock(value: float) -> str:
    """Return seconds as 8 s, 7:05 min or 2:03:09 h."""
    whole = math.floor(value + 0.5)
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02} h"
    return f"{minutes}:{seconds:02} min" if minutes else f"{seconds} s"


def _clip_time(start: float | None, end: float | None) -> str:
    if start is None and end is None:
        return ""
    return f"{start or 0:g} to {'the end' if end is None else f'{end:g} s'}"
