"""Frames against labels, one to one: every difference between a folder of frames and its `labels.csv`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pandas as pd

from kinema.data.frame_names import frame_number
from kinema.data.readers.labels_csv import frame_images, frame_table
from kinema.data.wording import count, listing
from kinema.errors import DataError

COLUMNS = ("problem", "video", "frame", "detail")

_Difference = tuple[str, str, str, str]


def check_frames(
    labels: str | os.PathLike[str], frames: str | os.PathLike[str] | None = None
) -> pd.DataFrame:
    """Return the differences between a table of frame labels and the frames that are there, one a row.

    `labels`: the table `video,frame,label(,split)`, or a folder with `labels.csv`; `frames`: the folder of the
    frame folders, by default that of the table. Columns `problem, video, frame, detail`; no rows when each
    image has one label and each label one image. Problems:

    - missing folder: the table names a video without a folder of images
    - missing frame: a label without an image
    - missing label: an image without a label
    - unlabelled folder: a folder of images that the table does not name
    - duplicate label: a frame that stands in the table twice, with one label
    - two labels: a frame that stands in the table twice, with different labels or splits
    - duplicate frame: two images of the same number
    - gap: numbers that neither an image nor a label has, between others or before the first
    - no number: names without the number that orders frames

    Images are matched by name, or by name without suffix (`v_00001.png` for `v_00001.jpg`). Videos are in the
    order of the table. Nothing is decoded: that is `kinema data check`. Raises `DataError` for a table that
    cannot be read or a folder that is not there; `attrs` holds `labels` and `images`, how many there are.
    """
    table = frame_table(labels)
    path = Path(labels)
    folder = Path(frames) if frames is not None else path if path.is_dir() else path.parent
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the one that holds the folders of frames")
    found: list[_Difference] = []
    images = 0
    named = list(dict.fromkeys(table["video"]))
    for video, mine in table.groupby("video", sort=False):
        there = frame_images(folder / str(video))
        images += len(there)
        found += _compared(str(video), mine, there)
    for item in sorted(folder.iterdir()):
        if item.name.startswith(".") or not item.is_dir() or item.name in named:
            continue
        there = frame_images(item)
        images += len(there)
        if there:
            detail = f"{count(len(there), 'image')}, and the table does not name this video"
            found.append(("unlabelled folder", item.name, "", detail))
    result = pd.DataFrame(found, columns=list(COLUMNS), dtype=object)
    result.attrs |= {"labels": len(table), "images": images}
    return result


def differences_text(differences: pd.DataFrame, most: int = 5) -> str:
    """Return the result of `check_frames` in words: a line, then for each problem its number and the first few."""
    labels, images = differences.attrs.get("labels", 0), differences.attrs.get("images", 0)
    compared = f"{count(labels, 'label')} against {count(images, 'image')}"
    if not len(differences):
        return f"{compared}: each frame has one label, and each label one frame"
    lines = [f"{compared}: {count(len(differences), 'difference')}"]
    for problem, mine in differences.groupby("problem", sort=False):
        places = [
            f"{video}/{frame}" if frame else str(video)
            for video, frame in zip(mine["video"], mine["frame"], strict=True)
        ]
        told = [
            f"{place} ({detail})" if detail else place
            for place, detail in zip(places, mine["detail"], strict=True)
        ]
        lines.append(f"  {len(mine):,} {problem}: {listing(told, most)}")
    return "\n".join(lines)


def _compared(video: str, table: pd.DataFrame, images: Sequence[str]) -> Iterator[_Difference]:
    frames = [Path(frame).name for frame in table["frame"]]
    if not images:
        yield "missing folder", video, "", f"{count(len(frames), 'label')}, and no image"
        return
    by_stem = {Path(name).stem: name for name in images}
    exact = set(images)
    matched: set[str] = set()
    rows: dict[str, list[tuple[str, str | None, int]]] = {}
    for frame, label, split, line in zip(frames, table["label"], table["split"], table["line"], strict=True):
        image = frame if frame in exact else by_stem.get(Path(frame).stem)
        if image is None:
            yield "missing frame", video, frame, f"line {line}, label '{label}'"
        else:
            matched.add(image)
        rows.setdefault(image or frame, []).append((label, split, line))
    for frame, mine in rows.items():
        if len(mine) < 2:
            continue
        lines = f"lines {', '.join(str(line) for _, _, line in mine)}"
        if len({(label, split) for label, split, _ in mine}) == 1:
            yield "duplicate label", video, frame, lines
        else:
            told = " and ".join(
                dict.fromkeys(f"'{label}'" + (f" {split}" if split else "") for label, split, _ in mine)
            )
            yield "two labels", video, frame, f"{lines}: {told}"
    for image in images:
        if image not in matched:
            yield "missing label", video, image, ""
    yield from _numbering(video, [*images, *(frame for frame in rows if frame not in exact)], images)


def _numbering(video: str, names: Sequence[str], images: Sequence[str]) -> Iterator[_Difference]:
    numbers: dict[str, int] = {}
    for name in names:
        try:
            numbers[name] = frame_number(name, video)
        except DataError:
            yield "no number", video, name, "its place among the others is not known"
    twice = {
        number
        for number, times in Counter(numbers[name] for name in images if name in numbers).items()
        if times > 1
    }
    for number in sorted(twice):
        same = [name for name in images if numbers.get(name) == number]
        yield "duplicate frame", video, same[0], f"number {number} is also {listing(same[1:])}"
    ordered = sorted(set(numbers.values()))
    # Numbers begin with 1, or with 0 as some programs write them.
    before = [0, *ordered] if ordered and ordered[0] > 0 else ordered
    for last, following in pairwise(before):
        if following > last + 1:
            gone = following - last - 1
            told = f"number {last + 1}" if gone == 1 else f"numbers {last + 1} to {following - 1} ({gone:,})"
            yield "gap", video, "", told
