"""Image files that cannot be read: found, listed, removed, and struck from the tables beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from kinema.data.columns import number_of
from kinema.data.readers.tables import read_cells, write_table
from kinema.data.wording import count
from kinema.errors import DataError
from kinema.video import natural_order
from kinema.video.folder_source import IMAGE_SUFFIXES

_BATCH = 64


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be read whole: its path, and "is empty", "is cut short" and the like."""

    path: Path
    reason: str


def image_fault(path: str | os.PathLike[str]) -> str | None:
    """Return what is wrong with an image file, None when it decodes whole.

    JPEG has no check sums: a file whose bytes were changed in the middle but that still decodes is not found out.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        return f"cannot be opened: {error.strerror}"
    if not data:
        return "is empty"
    # libjpeg fills what is missing with grey and calls that a success. The end mark must follow the last scan: the
    # small preview in a camera's file has an end mark of its own.
    if data.startswith(b"\xff\xd8") and data.rfind(b"\xff\xd9") < max(2, data.rfind(b"\xff\xda")):
        return "is cut short"
    if cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) is None:
        return "is damaged or no image"
    return None


def check_images(
    folder: str | os.PathLike[str],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[int, list[BadImage]]:
    """Decode every image below `folder`; return how many there are, and the bad ones in natural order.

    Hidden files and folders are passed over. `progress(done, total)` is called now and then. Raises `DataError` when
    there is no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give a folder of images, or of folders of them")
    images = list(_images(folder))
    if not images:
        raise DataError(f"{folder}: no images in this folder or below it")
    bad: list[BadImage] = []
    done = 0
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        try:
            rest = iter(images)
            while batch := list(islice(rest, _BATCH)):
                faults = pool.map(image_fault, batch)
                bad += [BadImage(path, fault) for path, fault in zip(batch, faults, strict=True) if fault]
                done += len(batch)
                if progress is not None:
                    progress(done, len(images))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return len(images), bad


def remove_images(folder: str | os.PathLike[str], bad: Iterable[BadImage]) -> list[str]:
    """Delete bad images and strike them from `frames.csv`, `labels.csv` and `manifest.csv` in `folder`.

    Times in a manifest count images at the rate of the folder, so those behind a removed image move. Returns notes
    on what was changed.
    """
    folder, bad = Path(folder), list(bad)
    gone = {image.path.relative_to(folder).as_posix() for image in bad}
    notes = []
    for name, strike in (
        ("frames.csv", _strike_frames),
        ("labels.csv", _strike_labels),
        ("manifest.csv", _move),
    ):
        file = folder / name
        if not gone or not file.is_file():
            continue
        table, _ = read_cells(file)
        left = strike(table, folder, gone)
        if left is not None:
            write_table(left, file)
            notes.append(f"{name}: {count(len(left), 'row')}, before {len(table):,}")
    for image in bad:
        image.path.unlink(missing_ok=True)
    return notes


def _images(folder: Path) -> Iterator[Path]:
    inner = []
    names = []
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            inner.append(entry.name)
        elif Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
            names.append(entry.name)
    for name in sorted(names, key=natural_order):
        yield folder / name
    for name in sorted(inner, key=natural_order):
        yield from _images(folder / name)


def _strike_frames(table: pd.DataFrame, folder: Path, gone: set[str]) -> pd.DataFrame | None:
    if "path" not in table.columns:
        return None
    keep = ~table["path"].isin(gone)
    return None if keep.all() else table[keep]


def _strike_labels(table: pd.DataFrame, folder: Path, gone: set[str]) -> pd.DataFrame | None:
    if not {"video", "frame"} <= set(table.columns):
        return None
    keep = [
        f"{v.strip()}/{f.strip()}" not in gone for v, f in zip(table["video"], table["frame"], strict=True)
    ]
    return None if all(keep) else table[keep]


def _move(table: pd.DataFrame, folder: Path, gone: set[str]) -> pd.DataFrame | None:
    if not {"video", "start", "end", "fps"} <= set(table.columns):
        return None
    places = {name: _places(folder / name, name, gone) for name in set(table["video"])}
    rows, changed = [], False
    for row in table.to_dict("records"):
        removed, rate = places[row["video"]], number_of(row["fps"])
        total, start, end = removed[0], number_of(row["start"]), number_of(row["end"])
        if not removed[1] or not isinstance(rate, float) or not rate > 0:
            rows.append(row)
            continue
        changed = True
        first = 0 if not isinstance(start, float) or start != start else round(start * rate)
        last = total if not isinstance(end, float) or end != end else round(end * rate)
        before = sum(place < first for place in removed[1])
        within = sum(first <= place < last for place in removed[1])
        if last - first - within < 1:
            continue
        if row["start"].strip():
            row["start"] = (first - before) / rate
        if row["end"].strip():
            row["end"] = (last - before - within) / rate
        if row.get("frames", "").strip():
            row["frames"] = str(last - first - within)
        rows.append(row)
    return pd.DataFrame(rows, columns=table.columns) if changed else None


def _places(folder: Path, name: str, gone: set[str]) -> tuple[int, Sequence[int]]:
    """Return how many images a folder has, and the places of those that go."""
    if not folder.is_dir() or not any(path.startswith(f"{name}/") for path in gone):
        return 0, []
    names = [entry.name for entry in os.scandir(folder)]
    names = [n for n in names if not n.startswith(".") and Path(n).suffix.lower() in IMAGE_SUFFIXES]
    names.sort(key=natural_order)
    return len(names), [place for place, image in enumerate(names) if f"{name}/{image}" in gone]
