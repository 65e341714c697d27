"""`read_data`: one call for a data set in any layout that a registered reader recognises."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinema.data.manifest import Manifest
from kinema.errors import DataError, UsageError, closest


@dataclass(frozen=True)
class Reader:
    """A layout of data sets: how it is recognised and how it becomes a manifest."""

    name: str
    layout: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Manifest]
    rank: int

    @property
    def options(self) -> list[str]:
        """Names of the settings that `read` takes besides the path."""
        return [name for name in inspect.signature(self.read).parameters if name != "path"]


_READERS: dict[str, Reader] = {}


def register_reader(
    name: str, layout: str, recognises: Callable[[Path], bool], rank: int = 50
) -> Callable[[Callable[..., Manifest]], Callable[..., Manifest]]:
    """Register the decorated `read(path, **options) -> Manifest`.

    Readers are asked in the order of their rank: layouts with a mark of their own before plain folders (90).
    """

    def register(read: Callable[..., Manifest]) -> Callable[..., Manifest]:
        _READERS[name] = Reader(name, layout, recognises, read, rank)
        return read

    return register


def readers() -> list[Reader]:
    """Return all readers in the order in which they are asked."""
    _load()
    return sorted(_READERS.values(), key=lambda reader: reader.rank)


def read_data(path: str | os.PathLike[str], *, format: str | None = None, **options: Any) -> Manifest:
    """Read a data set in any known layout as a manifest; `manifest.notes` says what was found, skipped and
    why.

    Known: a manifest file (or a folder that holds `manifest.csv` or `manifest.parquet`); UCF101 and HMDB51
    with their lists (option `fold`), KTH, Kinetics and Something-Something v2 with theirs, UT-Interaction;
    tables of time ranges, ELAN, VIA and CVAT files; S4's `labels.csv` with frame folders (option `fps`); a
    folder of class folders with or without train, valid, test above, a folder of unlabelled videos, one video
    or frame folder. Option `videos` names the folder of the videos where a list lies elsewhere. `format`
    names a reader (see `readers`) in place of recognition.

    Raises `DataError` when there is nothing to read, `UsageError` for an unknown format or option.
    """
    _load()
    path = Path(path)
    try:
        found = path.exists()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not found:
        near = _neighbour(path)
        raise DataError(f"{path}: no such file or folder; {near or 'check the path'}")
    if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
        raise DataError(f"{path}: the folder cannot be read; check its permissions")
    if format is not None and format not in _READERS:
        raise UsageError(f"unknown data format '{format}'; {closest(format, list(_READERS))}")
    reader = _READERS[format] if format is not None else next(r for r in readers() if r.recognises(path))
    for name in options:
        if name not in reader.options:
            known = ", ".join(reader.options) or "no options"
            raise UsageError(f"{path}: read as {reader.name}, which has no option '{name}' (it has {known})")
    if options.get("videos") is not None:
        options["videos"] = Path(options["videos"])
    manifest = reader.read(path, **options)
    manifest.source_format = reader.name
    return manifest


def _load() -> None:
    from kinema.data.readers import (  # noqa: F401
        class_folders,
        cvat,
        elan,
        hmdb51,
        kinetics,
        kth,
        labels_csv,
        manifest_file,
        something_something,
        timestamps,
        ucf101,
        ut_interaction,
        via,
    )


def _neighbour(path: Path) -> str:
    from difflib import get_close_matches

    if not path.parent.is_dir():
        return ""
    near = get_close_matches(path.name, [item.name for item in path.parent.iterdir()], n=1, cutoff=0.6)
    return f"did you mean '{path.parent / near[0]}'?" if near else ""
