"""Reads tables of time ranges: S4's `video,time_start,time_end,label`, and those of GMDCSA24."""

from __future__ import annotations

from pathlib import Path

from kinema.data.columns import missing_columns
from kinema.data.manifest import Manifest
from kinema.data.readers import gmdcsa24
from kinema.data.readers.annotations import Annotations, files_of
from kinema.data.readers.manifest_file import holds_manifest
from kinema.data.readers.registry import register_reader
from kinema.data.readers.tables import read_cells
from kinema.data.readers.text import header_of
from kinema.data.readers.time_ranges import manifest_of_ranges
from kinema.data.wording import count, listing
from kinema.errors import DataError

_COLUMNS = ("video", "time_start", "time_end", "label")
_SUFFIXES = (".csv", ".tsv")


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return not holds_manifest(path) and any(_layout(file) for file in files_of(path, _SUFFIXES))
    return path.suffix.lower() in _SUFFIXES and _layout(path) is not None


@register_reader(
    "timestamps", "a table with video,time_start,time_end,label, or a folder of them", _recognises, rank=6
)
def read_timestamps(
    path: Path, videos: Path | None = None, fps: float | None = None, keep_missing: bool = False
) -> Manifest:
    """Read S4's table of time ranges, or every such table directly in a folder, as a manifest.

    Columns `video, time_start, time_end, label`, and any others, which are kept (`split` and `group` as the
    manifest's). Times are HH:MM:SS, MM:SS or seconds, with fractions; a video may have any number of ranges,
    and ranges with different labels may overlap. Videos are named with or without suffix and folder. Tables
    of GMDCSA24 are read too (`gmdcsa24`). `videos`, `fps` and `keep_missing` are those of
    `manifest_of_ranges`, which also says what is left out and listed.

    Raises `DataError` when a column is missing, or when no row can be used.
    """
    annotations = Annotations()
    files = files_of(path, _SUFFIXES)
    read, others = 0, []
    for file in files:
        layout = _layout(file)
        if layout == "gmdcsa24":
            gmdcsa24.add_gmdcsa24(file, annotations)
        elif layout == "s4" or path.is_file():
            _add(file, annotations)
        else:
            others.append(file.name)
            continue
        read += 1
    if not read:
        raise DataError(f"{path}: no table with {','.join(_COLUMNS)} is in this folder")
    if path.is_dir():
        annotations.notes.insert(0, f"{count(read, 'table')} of time ranges")
    if others:
        annotations.notes.append(
            f"skipped: {count(len(others), 'table')} of other columns: {listing(others)}"
        )
    return manifest_of_ranges(annotations, path, videos=videos, fps=fps, keep_missing=keep_missing)


def _layout(file: Path) -> str | None:
    names = set(header_of(file))
    if names.issuperset(gmdcsa24.COLUMNS):
        return "gmdcsa24"
    return "s4" if names.issuperset(_COLUMNS) and "frame" not in names else None


def _add(file: Path, annotations: Annotations) -> None:
    table, lines = read_cells(file)
    table.columns = [str(name).strip().lower() for name in table.columns]
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise missing_columns(str(file), missing, list(table.columns))
    kept = [name for name in table.columns if name not in _COLUMNS and name != "origin"]
    for cells, line in zip(table.to_dict("records"), lines, strict=True):
        start, end = cells["time_start"], cells["time_end"]
        extra = {name: cells[name].strip() or None for name in kept}
        annotations.add(f"{file.name} line {line}", [cells["video"]], start, end, cells["label"], extra=extra)
