"""Reads manifest files, and folders that hold one."""

from __future__ import annotations

from pathlib import Path

from kinema.data.groups import assign_groups
from kinema.data.manifest import Manifest
from kinema.data.readers.registry import register_reader
from kinema.data.readers.tables import TABLE_SUFFIXES
from kinema.data.readers.text import header_of
from kinema.data.wording import count

_NAMES = ("manifest.csv", "manifest.parquet")


def holds_manifest(folder: Path) -> bool:
    """Return whether a folder holds `manifest.csv` or `manifest.parquet`."""
    return any((folder / name).is_file() for name in _NAMES)


def labels_single_frames(path: Path) -> bool:
    """Return whether a CSV file labels frames as S4 does; one named labels.csv does unless it has times."""
    names = set(header_of(path))
    if not names or {"start", "end"} & names or {"time_start", "time_end"} <= names:
        return False
    return path.name.lower() == "labels.csv" or {"video", "frame", "label"} <= names


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return holds_manifest(path)
    if path.suffix.lower() not in TABLE_SUFFIXES:
        return False
    return path.suffix.lower() != ".csv" or not labels_single_frames(path)


@register_reader(
    "manifest", "a table with the columns video,start,end,label,split,group", _recognises, rank=10
)
def read_manifest(path: Path) -> Manifest:
    """Read a manifest file; empty groups are found from the names."""
    file = next(path / name for name in _NAMES if (path / name).is_file()) if path.is_dir() else path
    manifest = Manifest.read(file)
    manifest.notes.append(f"{file.name}: {count(len(manifest), 'row')}")
    return assign_groups(manifest)
