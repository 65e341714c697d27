"""Reads Kinetics-400, 600 and 700: the published CSV lists, and videos named by their YouTube id."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kinema.data.manifest import NOT_THERE, Absent, Manifest
from kinema.data.readers.kinetics_list import (
    ID_LENGTH,
    KineticsList,
    clip_name,
    is_kinetics_list,
    read_kinetics_list,
)
from kinema.data.readers.lists import VideoFiles, absent_note, none_there, slug, unlisted_note
from kinema.data.readers.manifest_file import holds_manifest
from kinema.data.readers.registry import register_reader
from kinema.data.wording import count, listing
from kinema.errors import DataError
from kinema.video import open_source

_CLIP = re.compile(
    rf"([\w-]{{{ID_LENGTH}}})_(\d{{1,6}})_(\d{{1,6}})"
)  # ID_000010_000020, with the zeros or without
_PROBES = 200  # so many ID.mp4 are opened to learn whether they are clips or whole videos


def _lists(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if is_kinetics_list(path) else []
    if holds_manifest(path):
        return []
    for folder in (path, path / "annotations", path / "lists"):
        found = sorted(file for file in folder.glob("*.csv") if is_kinetics_list(file))
        if found:
            return found
    return []


def _recognises(path: Path) -> bool:
    return bool(_lists(path))


# Asked before the reader of manifests, which reads a CSV whole to see what it is.
@register_reader(
    "Kinetics", "CSV with label,youtube_id,time_start,time_end,split, and ID.mp4", _recognises, rank=5
)
def read_kinetics(path: Path, videos: Path | None = None) -> Manifest:
    """Read Kinetics-400, 600 or 700 (Kay et al., arXiv 1705.06950): one published CSV, or a folder with some.

    Videos are looked for in `videos`, or else beside the lists and below, in class folders or not: as
    `ID_000010_000020.mp4` (start and end, padded or not), which is the clip, or as `ID.mp4`, which is either
    the clip or the whole YouTube video; its duration tells, and a whole video gets the listed times. The
    group is the YouTube id. Listed videos that are absent, and rows that are no clips, are counted in the
    notes and listed in `Manifest.absent`.

    Raises `DataError` for what `read_kinetics_list` refuses, and when no listed video is there.
    """
    lists = _lists(path)
    if not lists:
        raise DataError(f"{path}: no CSV with the columns youtube_id,time_start,time_end; give the list")
    read = [read_kinetics_list(file) for file in lists]
    bad = [one for part in read for one in _bad_rows(part)]
    notes = [note for part in read for note in part.notes]
    if bad:
        told = listing([f"{one.place}: {one.why}" for one in bad])
        notes.insert(
            0, f"left out: {count(len(bad), 'row that is no clip', 'rows that are no clips')}: {told}"
        )
    tables = [part.clips.assign(place=f"{part.file.name} line ") for part in read]
    table = pd.concat(tables, ignore_index=True)
    if not len(table):
        raise DataError(f"{path}: no row is a clip; {notes[0]}")
    files = VideoFiles(videos or (path.parent if path.is_file() else path))
    found = _found(table, files)
    there = found >= 0
    if not there.any():
        fetch = f"kinema data fetch kinetics400 --lists {shlex.quote(str(path))}"
        mend = f"give their folder with --videos, or download what this list names: {fetch}"
        raise none_there(str(path), len(table), files, mend)
    names = listing([file.name for file in lists])
    clips = _clips(table[there].reset_index(drop=True), files, found[there], notes)
    said = [f"Kinetics, {names}: {count(len(clips), 'clip')} of the {len(table):,} listed ones are there"]
    absent = _absent(table[~there])
    if absent:
        said.append(absent_note(absent, set(clips["label"])))
    used = {files.paths[place] for place in set(found[there].tolist())}
    said += [*notes, "groups: the YouTube video", *unlisted_note(files, used)]
    return Manifest(clips, files.root, notes=said, absent=[*absent, *bad])


def _found(table: pd.DataFrame, files: VideoFiles) -> NDArray[np.int64]:
    """Return for each row the place of its video in `files.paths`, -1 where it is absent."""
    places: dict[str, list[int]] = {}
    ids: set[str] = set()
    for place, path in enumerate(files.paths):
        stem = _stem(path)
        clip = _CLIP.fullmatch(stem)
        ids.add(clip[1] if clip else stem)
        places.setdefault(_key(clip[1], clip[2], clip[3]) if clip else stem, []).append(place)
    found = np.full(len(table), -1, dtype=np.int64)
    columns = (table[name].tolist() for name in ("youtube_id", "time_start", "time_end", "label"))
    for row, (name, start, end, label) in enumerate(zip(*columns, strict=True)):
        at = (places.get(_key(name, start, end)) or places.get(name)) if name in ids else None
        if at:
            found[row] = at[0] if len(at) == 1 else _of_class(at, label, files.paths)
    return found


def _bad_rows(part: KineticsList) -> list[Absent]:
    rows = part.bad[["line", "clip", "label", "why"]].itertuples(index=False, name=None)
    return [Absent(f"{part.file.name} line {line}", clip, label, why) for line, clip, label, why in rows]


def _absent(table: pd.DataFrame) -> list[Absent]:
    rows = table[["place", "line", "youtube_id", "time_start", "time_end", "label"]]
    return [
        Absent(f"{place}{line}", clip_name(name, start, end), label, NOT_THERE)
        for place, line, name, start, end, label in rows.itertuples(index=False, name=None)
    ]


def _key(name: str, start: str | float, end: str | float) -> str:
    return f"{name} {int(start)} {int(end)}"


def _of_class(places: list[int], label: str | None, paths: list[str]) -> int:
    # The same clip may lie in several class folders.
    wanted = slug(label or "")
    return next((n for n in places if slug(PurePosixPath(paths[n]).parent.name) == wanted), places[0])


def _clips(
    table: pd.DataFrame, files: VideoFiles, found: NDArray[np.int64], notes: list[str]
) -> pd.DataFrame:
    paths = [files.paths[place] for place in found.tolist()]
    start, end = np.full(len(table), np.nan), np.full(len(table), np.nan)
    keep = np.ones(len(table), dtype=bool)
    bare = np.flatnonzero([len(_stem(path)) == ID_LENGTH for path in paths])
    if len(bare):
        rows = table.iloc[bare].assign(row=bare, path=[paths[n] for n in bare.tolist()])
        rows["seconds"] = _seconds(rows, files.root, notes)
        whole = rows[rows["seconds"].notna()]
        start[whole["row"]] = whole["time_start"]
        end[whole["row"]] = whole[["time_end", "seconds"]].min(axis=1)
        late = whole[whole["time_start"] >= whole["seconds"]]
        cut = rows[rows["seconds"].isna()]
        several = cut[cut["path"].duplicated(keep=False)]
        for left, why in (
            (late, "beginning past the end of the video"),
            (several, "several to one cut clip"),
        ):
            keep[left["row"]] = False
            if len(left):
                notes.append(
                    f"left out, {why}: {count(len(left), 'row')} of {listing(left['path'].unique())}"
                )
    columns = {"video": np.array(paths, dtype=object), "start": start, "end": end}
    columns |= {name: table[name].to_numpy(object) for name in ("label", "split")}
    columns["group"] = table["youtube_id"].to_numpy(object)
    if "is_cc" in table:
        columns["is_cc"] = table["is_cc"].to_numpy(object)
    return pd.DataFrame(columns)[keep].reset_index(drop=True)


def _seconds(rows: pd.DataFrame, root: Path, notes: list[str]) -> pd.Series:
    """Return for each row the duration of its file ID.mp4 if that is the whole YouTube video, NaN if a clip."""
    lengths = rows.assign(length=rows["time_end"] - rows["time_start"])
    files = lengths.groupby("path", sort=False).agg(start=("time_start", "min"), length=("length", "min"))

    def probed(places: Iterable[int]) -> dict[str, float]:
        some = files.iloc[list(places)]
        return {
            path: _whole_seconds(root / path, start, length)
            for path, start, length in some.itertuples(name=None)
        }

    sample = np.unique(np.linspace(0, len(files) - 1, _PROBES).astype(int))
    known = probed(sample.tolist())
    kinds = {bool(np.isnan(value)) for value in known.values()}
    if len(known) < len(files) and len(kinds) > 1:
        known = probed(range(len(files)))
    # Where the sample is of one kind, so is the rest; how long its videos are nobody looked.
    rest = np.nan if True in kinds else np.inf
    seconds = rows["path"].map(lambda path: known.get(path, rest)).astype(float)
    cut = rows["path"][seconds.isna()].nunique()
    looked = f" ({len(known)} of them were opened)" if len(known) < len(files) else ""
    if cut < len(files):
        notes.append(
            f"ID.mp4 is the whole video, cut at the listed times: {count(len(files) - cut, 'file')}{looked}"
        )
    if cut:
        notes.append(
            f"ID.mp4 is too short for the listed times, so cut already: {count(cut, 'file')}{looked}"
        )
    return seconds


def _whole_seconds(path: Path, start: float, length: float) -> float:
    try:
        with open_source(path) as source:
            seconds = source.duration
    except DataError:  # `check` says what is wrong with it
        return np.nan
    cut = seconds is None or seconds <= start + 1 or seconds <= length + 2
    return np.nan if cut or seconds is None else seconds


def _stem(path: str) -> str:
    return path[path.rfind("/") + 1 : path.rfind(".")]
