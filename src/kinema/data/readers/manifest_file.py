"""Reads manifest files, and folders that hold one."""

from __future__ import annotations

from pathlib import Path

from kinema.data.groups import assign_groups
from kinema.data.manifest import Manifest
from kinema.data.readers.registry import register_reader
from kinema.data.readers.tables import TABLE_SUFFIXES, count, read_cells

_NAMES = ("manifest.csv", "manifest.parquet")


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return any((path / name).is_file() for name in _NAMES)
    if path.suffix.lower() not in TABLE_SUFFIXES:
        return False
    return path.suffix.lower() != ".csv" or not labels_single_frames(path)


def labels_single_frames(path: Path) -> bool:
    """Return whether a CSV file labels frames as S4 does; one named labels.csv does unless it has times."""
    names = {str(name).strip().lower() for name in read_cells(path)[0].columns}
    if {"start", "end"} & names:
        return False
    return path.name.lower() == "labels.csv" or {"video", "frame", "label"} <= names


@register_reader(
    "manifest", "a table with the columns video,start,end,label,split,group", _recognises, rank=10
)
def read_manifest(path: Path) -> Manifest:
    """Read a manifest file; empty groups are found from the names."""
    file = next(path / name for name in _NAMES if (path / name).is_file()) if path.is_dir() else path
    manifest = Manifest.read(file)
    manifest.notes.append(f"{file.name}: {count(len(manifest), 'row')}")
    return assign_groups(manifest)
