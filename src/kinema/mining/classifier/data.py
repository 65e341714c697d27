"""From folders of pictures to a manifest: near-duplicates in one group, copies across given splits left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kinema.data import Manifest, Segment, assign_groups, read_data
from kinema.data.groups import tied_rows
from kinema.data.wording import count, listing, natural_key
from kinema.errors import DataError, UsageError, closest
from kinema.mining.classifier.alike import PictureHash, near_pairs
from kinema.mining.classifier.negatives import NONE
from kinema.mining.classifier.pictures import FoundPicture, find_pictures, prepare_pictures
from kinema.training import Listener

CANDIDATE = "candidate"
"""The column of rows that may be chosen for "none of these"."""

_COLUMNS = ("video", "start", "end", "label", "split", "group", "fps", "image", CANDIDATE)
_SPLITS = ("test", "valid", "train")  # of copies in two splits, the one in the first of these stays
_MOST_OF_A_PAGE = 20


@dataclass
class _Row:
    """A picture's (or another video's) row; `looks` where it is a picture."""

    video: str
    label: str
    split: str | None
    group: str
    image: str
    candidate: bool
    looks: PictureHash | None = None
    page: str = ""
    start: float = math.nan
    end: float = math.nan
    fps: float = math.nan


def wanted_classes(found: Sequence[FoundPicture], only: Sequence[str] | None, top: Path) -> list[str]:
    """Return the classes to be told apart, in natural order: all, or those of `only`.

    Raises `UsageError` for one that has no folder.
    """
    classes = sorted({one.label for one in found}, key=natural_key)
    for name in only or ():
        if name not in classes:
            raise UsageError(f"{top}: no class '{name}'; {closest(name, classes)}")
    return [name for name in classes if only is None or name in only or name == NONE]


def picture_manifest(
    found: Sequence[FoundPicture],
    wanted: Sequence[str],
    negatives: Path | None,
    folder: Path,
    listener: Listener,
    notes: Sequence[str] = (),
) -> Manifest:
    """Make frames of the pictures below `folder/pictures`, and return the manifest of all of them.

    Rows of classes that are not `wanted`, and of `negatives`, have `candidate` set. Pictures that show the same share a
    group. Left out are candidates that show what a picture of a class shows, and of copies in two given splits those
    that are learned from.

    Raises `DataError` when none can be read.
    """
    said = list(notes)
    rows = _pictures(found, folder / "pictures" / "classes", "looking at the pictures", listener, said)
    for row in rows:
        row.candidate = row.label not in wanted
    if not rows:
        raise DataError(f"none of {count(len(found), 'picture')} can be read; {said[-1]}")
    if negatives is not None:
        rows += _others(negatives, folder / "pictures" / "others", listener, said)
    rows = _grouped(rows, said)
    counts = Counter(row.label for row in rows if not row.candidate)
    shown = listing([f"{name} {counts[name]:,}" for name in sorted(counts, key=natural_key)], 8)
    kinds = count(len(counts), "class", "classes")
    said.insert(0, f"{count(sum(counts.values()), 'picture')} of {kinds}: {shown}")
    table = pd.DataFrame([[getattr(row, name) for name in _COLUMNS] for row in rows], columns=list(_COLUMNS))
    if table["fps"].isna().all():
        table = table.drop(columns="fps")
    return Manifest(table, folder, notes=said, source_format="pictures")


def _pictures(
    found: Sequence[FoundPicture], folder: Path, what: str, listener: Listener, notes: list[str]
) -> list[_Row]:
    listener.stage(what)
    pictures = prepare_pictures(found, folder, listener.items)
    if pictures.problems:
        number = count(len(pictures.problems), "picture")
        notes.append(f"{number} left out; first: {pictures.problems[0]}")
    # Names below the run's folder are written as such, so that the folder can be moved.
    top = folder.parent.parent
    return [
        _Row(
            frame.relative_to(top).as_posix(),
            one.label,
            one.split,
            one.group or one.name,
            str(one.path),
            False,
            looks,
            one.page,
        )
        for one, frame, looks in zip(pictures.found, pictures.frames, pictures.hashes, strict=True)
    ]


def _others(path: Path, folder: Path, listener: Listener, notes: list[str]) -> list[_Row]:
    """Return the rows of a folder of other pictures, or of other videos."""
    try:
        found, more = find_pictures(path, NONE)
    except DataError as error:
        try:
            manifest = assign_groups(read_data(path))
        except DataError:
            raise error from None
        return [_video_row(segment) for segment in manifest.segments()]
    notes += more
    rows = _pictures(found, folder, "looking at the other pictures", listener, notes)
    for row in rows:
        row.candidate, row.group = True, f"others/{row.group}"
    return rows


def _video_row(segment: Segment) -> _Row:
    rate = segment.extra.get("fps")
    return _Row(
        str(segment.video), NONE, None, f"others/{segment.group or segment.name}", str(segment.video), True, None, "",
        math.nan if segment.start is None else segment.start, math.nan if segment.end is None else segment.end,
        float(rate) if isinstance(rate, (int, float)) else math.nan,
    )  # fmt: skip


def _grouped(rows: list[_Row], notes: list[str]) -> list[_Row]:
    """Return the rows without needless copies, near-duplicates in one group."""
    places = [number for number, row in enumerate(rows) if row.looks is not None]
    pairs = [
        (places[one], places[other])
        for one, other in near_pairs([row.looks for row in rows if row.looks is not None])
    ]
    copies: set[int] = set()
    held: set[int] = set()
    for one, other in pairs:
        first, second = rows[one], rows[other]
        if first.candidate != second.candidate:
            copies.add(one if first.candidate else other)
        elif first.split is not None and second.split is not None and first.split != second.split:
            held.add(one if _SPLITS.index(first.split) > _SPLITS.index(second.split) else other)
    gone = copies | held
    kept = [number for number in range(len(rows)) if number not in gone]
    place = {number: at for at, number in enumerate(kept)}
    left = [(place[one], place[other]) for one, other in pairs if one in place and other in place]
    result = [rows[number] for number in kept]
    ties = [*left, *_of_one_page(result)]
    for row, group in zip(result, tied_rows([row.group for row in result], ties), strict=True):
        row.group = group
    if copies:
        notes.append(
            f"{count(len(copies), 'other picture')} left out for showing what a picture of a class shows"
        )
    if held:
        notes.append(f"{count(len(held), 'picture')} left out: copies of pictures that are held out")
    if left:
        tied = len({number for pair in left for number in pair})
        notes.append(
            f"groups: {count(tied, 'picture')} with near-duplicates, kept on one side of every split"
        )
    crossed = [pair for pair in left if result[pair[0]].label != result[pair[1]].label]
    if crossed:
        here, there = (result[number].image for number in crossed[0])
        notes.append(
            f"{count(len(crossed), 'pair')} of near-duplicates in two classes, such as {here} and {there}: "
            "one of the two labels is wrong"
        )
    return result


def _of_one_page(rows: Sequence[_Row]) -> list[tuple[int, int]]:
    """Return pairs of pictures of one web page and one split: series of photographs are much alike without being copies.

    A page with many pictures is a list of results, which says nothing.
    """
    pages: dict[tuple[str, str | None], list[int]] = {}
    for number, row in enumerate(rows):
        if row.page:
            pages.setdefault((row.page, row.split), []).append(number)
    return [
        (numbers[0], number)
        for numbers in pages.values()
        if len(numbers) <= _MOST_OF_A_PAGE
        for number in numbers[1:]
    ]
