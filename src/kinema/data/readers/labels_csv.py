"""Reads S4's layout: a folder of frames for each video, and `labels.csv` with `video,frame,label,split`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from kinema.data.columns import missing_columns, split_name
from kinema.data.groups import assign_groups
from kinema.data.manifest import NOT_THERE, Absent, Manifest
from kinema.data.readers.manifest_file import labels_single_frames
from kinema.data.readers.registry import register_reader
from kinema.data.readers.tables import read_cells
from kinema.data.wording import at_rows, count, listing
from kinema.errors import DataError, UsageError
from kinema.video import natural_order
from kinema.video.folder_source import IMAGE_SUFFIXES


def _file(path: Path) -> Path:
    return path / "labels.csv" if path.is_dir() else path


def _recognises(path: Path) -> bool:
    file = _file(path)
    return file.suffix.lower() == ".csv" and file.is_file() and labels_single_frames(file)


def frame_labels(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the labels of single frames: columns `video, frame, label, split, index`.

    `video` is the name of the frame folder, `frame` the file name as `labels.csv` writes it, `split` is
    train, valid, test or None, `index` the frame's place in its folder, counted from 0 in the natural order
    of the names (which is `Frame.index` of that folder's source). Only frames that exist and have one label,
    in the order of the table's videos and of the frames. `attrs["notes"]` lists what was left out and why.

    Raises `DataError` for missing columns, empty cells, unknown splits, or when no labelled frame exists.
    """
    return _matched(_file(Path(path)))[0]


@register_reader(
    "labels.csv", "frame folders and labels.csv with video,frame,label,split", _recognises, rank=20
)
def read_labels_csv(path: Path, fps: float = 25.0) -> Manifest:
    """Make a segment of each run of consecutive frames with equal label and split, at `fps` frames a second.

    A segment lasts from the time of its first frame to the time of the frame after its last. Columns `fps`
    and `frames` are added; the group is the video.
    """
    if not fps > 0:
        raise UsageError(f"fps must be above 0, not {fps}")
    file = _file(path)
    labels, absent = _matched(file)
    rows = []
    for video, first, last, label, split in _runs(labels):
        rows.append((video, first / fps, (last + 1) / fps, label, split, fps, last - first + 1))
    columns = ["video", "start", "end", "label", "split", "fps", "frames"]
    table = pd.DataFrame(rows, columns=columns)
    videos = table["video"].nunique()
    notes = [
        f"{file.name}: {count(len(labels), 'labelled frame')} of {count(videos, 'video')} became "
        f"{count(len(rows), 'segment')} at {fps:g} frames a second",
        *labels.attrs["notes"],
    ]
    # A frame folder is one recording, unless its name says that a subject recorded several.
    found = Manifest(table.assign(group=None), file.parent, notes=notes, absent=absent, path=file)
    return assign_groups(found)


def frame_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return a table of labels of single frames as it stands: columns `video, frame, label, split, line`.

    `path` is the table, or a folder with `labels.csv`. `video` and `frame` have forward slashes, `split` is
    train, valid, test or None, `line` the line in the file. Frames are not looked for.

    Raises `DataError` for missing columns, no rows, empty cells or unknown splits.
    """
    file = _file(Path(path))
    table, lines = read_cells(file)
    table.columns = pd.Index([str(name).strip().lower() for name in table.columns])
    missing = [name for name in ("video", "frame", "label") if name not in table.columns]
    if missing:
        raise missing_columns(str(file), missing, list(table.columns))
    if not len(table):
        raise DataError(f"{file}: no frame is labelled; add rows below the column names")
    if "split" not in table.columns:
        table["split"] = ""
    table = table[["video", "frame", "label", "split"]].apply(lambda column: column.str.strip())
    for name in ("video", "frame", "label"):
        empty = (table[name] == "").tolist()
        if any(empty):
            where = at_rows(empty, lines)
            raise DataError(f"{file}: {where}: the cell '{name}' is empty; fill it or remove the row")
    unknown = [word != "" and split_name(word) is None for word in table["split"]]
    if any(unknown):
        words = sorted({repr(word) for word, bad in zip(table["split"], unknown, strict=True) if bad})
        what = f"unknown split {listing(words)}; use train, valid or test"
        raise DataError(f"{file}: {at_rows(unknown, lines)}: {what}")
    table["split"] = pd.Series([split_name(word) for word in table["split"]], dtype=object, index=table.index)
    for name in ("video", "frame"):
        table[name] = table[name].str.replace("\\", "/").str.strip("/")
    return table.assign(line=lines)


def frame_images(folder: Path) -> list[str]:
    """Return the names of the images in a folder, in natural order; none where it is no folder."""
    if not folder.is_dir():
        return []
    images = (item for item in folder.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES)
    return sorted((item.name for item in images if not item.name.startswith(".")), key=natural_order)


def _matched(file: Path) -> tuple[pd.DataFrame, list[Absent]]:
    """Return the labels of frames that are there and have one label, and the others."""
    listed = frame_table(file)
    notes: list[str] = []
    located = _located(listed, file, notes)
    table = _single(located, notes)
    if not len(table):
        raise DataError(f"{file}: none of the labelled frames is there; {listing(notes, 2)}")
    order = {video: i for i, video in enumerate(dict.fromkeys(table["video"]))}
    table = table.sort_values(["video", "index"], key=lambda c: c.map(order) if c.name == "video" else c)
    table = table.drop(columns="line").reset_index(drop=True)
    table.attrs["notes"] = notes
    lost = listed[~listed["line"].isin(located["line"])]
    double = located.merge(table[["video", "index"]], how="left", indicator="kept").query(
        "kept == 'left_only'"
    )
    return table, [*_absent(file, lost, NOT_THERE), *_absent(file, double, "two labels or splits")]


def _absent(file: Path, rows: pd.DataFrame, why: str) -> list[Absent]:
    cells = rows[["line", "video", "frame", "label"]].itertuples(index=False, name=None)
    return [
        Absent(f"{file.name} line {n}", f"{video}/{frame}", label, why) for n, video, frame, label in cells
    ]


def _located(table: pd.DataFrame, file: Path, notes: list[str]) -> pd.DataFrame:
    places: list[int | None] = []
    unlabelled: list[str] = []
    absent: list[str] = []
    lost: list[str] = []
    found: dict[str, dict[str, int]] = {}
    for video in dict.fromkeys(table["video"]):
        names = frame_images(file.parent / video)
        if not names:
            absent.append(video)
        # Then without the suffix, since a table made before the images were converted keeps the old one.
        stems = {Path(name).stem: i for i, name in enumerate(names)}
        found[video] = stems | {name: i for i, name in enumerate(names)}
        labelled = {Path(frame).stem for frame in table.loc[table["video"] == video, "frame"]}
        unlabelled += [f"{video}/{name}" for name in names if Path(name).stem not in labelled]
    for video, frame in zip(table["video"], table["frame"], strict=True):
        name = Path(frame).name
        place = found[video].get(name, found[video].get(Path(name).stem))
        places.append(place)
        if place is None and video not in absent:
            lost.append(f"{video}/{name}")
    if absent:
        notes.append(f"{count(len(absent), 'video')} without a folder of frames: {listing(absent)}")
    if lost:
        notes.append(f"{count(len(lost), 'label')} without a frame, left out: {listing(lost)}")
    if unlabelled:
        notes.append(f"{count(len(unlabelled), 'frame')} without a label, left out: {listing(unlabelled)}")
    extra = [item.name for item in sorted(file.parent.iterdir()) if item.is_dir() and item.name not in found]
    extra = [name for name in extra if not name.startswith(".") and frame_images(file.parent / name)]
    if extra:
        notes.append(
            f"{count(len(extra), 'folder')} of frames that the table does not name: {listing(extra)}"
        )
    located = table.assign(index=pd.Series(places, index=table.index, dtype=object)).dropna(subset=["index"])
    return located.assign(index=located["index"].astype(int))


def _single(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    key = ["video", "index"]
    repeated = table[table.duplicated([*key, "label", "split"])]
    if len(repeated):
        names = [f"{v}/{f}" for v, f in zip(repeated["video"], repeated["frame"], strict=True)]
        notes.append(f"{count(len(names), 'row')} repeated, used once: {listing(names)}")
    table = table.drop_duplicates([*key, "label", "split"])
    conflict = table.duplicated(key, keep=False)
    if conflict.any():
        twice = table[conflict].drop_duplicates(key)
        names = [f"{v}/{f}" for v, f in zip(twice["video"], twice["frame"], strict=True)]
        notes.append(f"{count(len(names), 'frame')} with two labels or splits, left out: {listing(names)}")
    return table[~conflict]


def _runs(labels: pd.DataFrame) -> Iterator[tuple[str, int, int, str, str | None]]:
    current: tuple[str, int, int, str, str | None] | None = None
    columns = ["video", "index", "label", "split"]
    for video, index, label, split in labels[columns].itertuples(index=False, name=None):
        split = split if isinstance(split, str) else None
        if current and (video, label, split) == (current[0], *current[3:]) and index == current[2] + 1:
            current = (video, current[1], index, label, split)
            continue
        if current:
            yield current
        current = (video, index, index, label, split)
    if current:
        yield current
