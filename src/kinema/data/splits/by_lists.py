"""Splits that somebody has chosen: videos named one by one, in files or on the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from kinema.data.columns import SPLITS, missing_columns, split_name, text_of
from kinema.data.groups import assign_groups
from kinema.data.leaky import mark
from kinema.data.manifest import Manifest
from kinema.data.readers.tables import TABLE_SUFFIXES, read_table
from kinema.data.readers.text import list_lines
from kinema.data.wording import count, listing
from kinema.errors import DataError, UsageError, closest
from kinema.video.file_source import VIDEO_SUFFIXES

Names = str | os.PathLike[str] | Iterable[str]


def split_by_lists(
    manifest: Manifest, lists: Mapping[str, Names], *, allow_leakage: bool = False
) -> Manifest:
    """Return the manifest split as lists of videos say; videos in no list are train, or left out if train has a list.

    `lists` gives for "train", "valid", "test" a file (a name a line, or a table with a column `video`), names
    separated by commas, or an iterable of names. A name may lack its suffix or its folders, or have others in
    front; a class number after it, as in official lists, is passed over. Times of a video go with it.

    Raises `DataError` when a name fits several videos, a video is in two lists, no name of a list is in the
    data, or the lists divide a group, which `allow_leakage` permits and marks.
    """
    for split in lists:
        if split not in SPLITS:
            raise UsageError(f"unknown split '{split}'; {closest(split, SPLITS)}")
    named = {split: _names(names) for split, names in lists.items()}
    return _split(manifest, named, allow_leakage)


def split_by_table(
    manifest: Manifest, path: str | os.PathLike[str], *, allow_leakage: bool = False
) -> Manifest:
    """Return the manifest split as a table with the columns `video` and `split` says; see `split_by_lists`.

    Videos that the table lacks are left out. Raises `DataError` too for a column that is missing, an unknown
    split, with the line.
    """
    path = Path(path)
    table, lines = read_table(path)
    columns = {str(name).strip().lower(): name for name in table.columns}
    missing = [name for name in ("video", "split") if name not in columns]
    if missing:
        raise missing_columns(str(path), missing, list(table.columns))
    named: dict[str, dict[str, str]] = {split: {} for split in SPLITS}
    videos, words = ([text_of(cell) for cell in table[columns[name]]] for name in ("video", "split"))
    for row, (video, word) in enumerate(zip(videos, words, strict=True)):
        where = f"{path}: line {lines[row]}" if lines is not None else f"{path}: row {row + 1}"
        if video is None or word is None:
            continue
        split = split_name(word)
        if split is None:
            raise DataError(f"{where}: unknown split '{word}'; use train, valid or test")
        named[split].setdefault(video.replace("\\", "/"), where)
    return _split(
        manifest, {split: names for split, names in named.items() if names}, allow_leakage, table=path
    )


def _split(
    manifest: Manifest, named: Mapping[str, Mapping[str, str]], allow_leakage: bool, table: Path | None = None
) -> Manifest:
    if not any(named.values()):
        raise DataError(
            f"{table}: no video has a split" if table else "the lists of videos are empty; name at least one"
        )
    manifest = assign_groups(manifest) if manifest.table["group"].isna().any() else manifest
    videos = _Videos(manifest)
    place: dict[str, tuple[str, str]] = {}
    notes = list(manifest.notes)
    for split, names in named.items():
        absent = []
        for name, where in names.items():
            video = videos.find(name, where)
            if video is None:
                absent.append(name)
                continue
            other, before = place.setdefault(video, (split, where))
            if other != split:
                raise DataError(
                    f"{where}: '{video}' is for {split} here, but for {other} in {before}; remove one"
                )
        if names and len(absent) == len(names):
            where = next(iter(names.values()), "the list")
            known = manifest.table["video"].iloc[0] if len(manifest) else "none"
            what = f"none of the {count(len(names), 'video')} for {split} is in the data ('{absent[0]}')"
            raise DataError(f"{where}: {what}; a video here is '{known}'")
        if absent:
            notes.append(f"{split}: {count(len(absent), 'listed video')} not in the data: {listing(absent)}")
    rest = "train" if table is None and "train" not in named else None
    split_of = [place[name][0] if name in place else rest for name in manifest.table["video"]]
    column = pd.Series(split_of, index=manifest.table.index, dtype=object)
    kept = manifest.table.assign(split=column)[column.notna()].reset_index(drop=True)
    if len(kept) < len(manifest):
        notes.append(f"{count(len(manifest) - len(kept), 'clip')} in no list left out")
    result = manifest.replace(kept, notes)
    parts = ", ".join(f"{name} {count(int((kept['split'] == name).sum()), 'clip')}" for name in result.splits)
    result.notes.append(f"split by lists of videos: {parts}")
    return _consented(result, allow_leakage)


def _consented(manifest: Manifest, allow_leakage: bool) -> Manifest:
    divided = manifest.divided("group")
    if not divided:
        return manifest
    rows = manifest.table[manifest.table["group"] == divided[0]]
    examples = " and ".join(
        f"'{part['video'].iloc[0]}' in {split}" for split, part in rows.groupby("split", sort=False)
    )
    what = f"the lists divide {count(len(divided), 'group')}: '{divided[0]}' has {examples}"
    if not allow_leakage:
        raise DataError(
            f"{manifest.path or manifest.root}: {what}; change the lists, name the groups (--group-pattern, "
            "--group-column), or add --allow-leakage"
        )
    return manifest.replace(mark(manifest.table, "list"), [*manifest.notes, f"{what}; LEAKAGE ALLOWED"])


def _names(names: Names) -> dict[str, str]:
    """Return each name once, with the place where it stands."""
    if not isinstance(names, str | os.PathLike):
        return {name.strip().replace("\\", "/"): "the list" for name in names if name.strip()}
    path = Path(names)
    if path.suffix.lower() in TABLE_SUFFIXES and (path.is_file() or "," not in str(names)):
        table, lines = read_table(path)
        columns = {str(name).strip().lower(): name for name in table.columns}
        if "video" not in columns:
            raise missing_columns(str(path), ["video"], list(table.columns))
        cells = [text_of(cell) for cell in table[columns["video"]]]
        wheres = [f"{path}: line {line}" for line in lines] if lines is not None else [str(path)] * len(cells)
        return {cell.replace("\\", "/"): where for cell, where in zip(cells, wheres, strict=True) if cell}
    if path.is_file() or path.suffix.lower() in (".txt", ".lst", ".list"):
        return {line: f"{path}: line {number}" for number, line in list_lines(path)}
    return {name.strip().replace("\\", "/"): f"'{names}'" for name in str(names).split(",") if name.strip()}


class _Videos:
    """Finds the video that a name means: the names agree in all folders that both give, or in one at least."""

    def __init__(self, manifest: Manifest) -> None:
        self._tails: dict[tuple[str, ...], set[str]] = {}
        for name in manifest.table["video"].unique():
            for parts in {_parts(name), _parts(_stem(name))}:
                for k in range(1, len(parts) + 1):
                    self._tails.setdefault(parts[-k:], set()).add(name)

    def find(self, name: str, where: str) -> str | None:
        """Return the video, None if there is none. Raises `DataError` when several fit."""
        numbered = re.fullmatch(r"(.*\S)\s+\d+", name)
        for form in (name, _stem(name), *((numbered[1], _stem(numbered[1])) if numbered else ())):
            parts = _parts(form)
            for first in range(len(parts)):
                tail = parts[first:]
                found = self._tails.get(tail, set())
                if first and len(tail) == 1:
                    # A bare name says enough only where the data has no folders that could differ.
                    found = {video for video in found if len(_parts(video)) == 1}
                exact = {video for video in found if _parts(video)[-len(tail) :] == tail} or found
                if len(exact) > 1:
                    shown = listing(sorted(exact), 3)
                    raise DataError(f"{where}: '{name}' may be {shown}; write more of its path")
                if exact:
                    return next(iter(exact))
        return None


def _parts(name: str) -> tuple[str, ...]:
    return tuple(
        part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".", "..")
    )


def _stem(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    return str(path.with_suffix("")) if path.suffix.lower() in VIDEO_SUFFIXES else str(path)
