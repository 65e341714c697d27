"""Reads UCF101: the videos, and the official lists in `ucfTrainTestlist/`."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from kinema.data.groups import assign_groups
from kinema.data.manifest import Manifest
from kinema.data.readers.registry import register_reader
from kinema.data.readers.tables import count, listing
from kinema.errors import DataError, UsageError

LISTS = "ucfTrainTestlist"
_HOMES = ("", "videos", "UCF-101", "UCF101")


def _recognises(path: Path) -> bool:
    return (path / LISTS).is_dir()


@register_reader(
    "UCF101", "class folders of v_CLASS_gNN_cNN.avi, and ucfTrainTestlist/", _recognises, rank=30
)
def read_ucf101(path: Path, fold: int = 1) -> Manifest:
    """Read one of the three official train/test splits (Soomro et al., arXiv 1212.0402); the group is
    CLASS_gNN.

    Listed files that are absent are counted in the notes. A validation split is not official: take it from
    train with `split_by_group`. Raises `DataError` when a list is missing or malformed or no listed file is
    there.
    """
    if fold not in (1, 2, 3):
        raise UsageError(f"UCF101 has folds 1, 2 and 3, not {fold}")
    numbers = _class_numbers(path / LISTS / "classInd.txt")
    rows: list[tuple[str, str, str]] = []
    absent: dict[str, int] = {}
    listed: set[str] = set()
    total = 0
    homes = [path / home for home in _HOMES if (path / home).is_dir()]
    for split in ("train", "test"):
        for line, name, number in _entries(path / LISTS / f"{split}list{fold:02d}.txt"):
            label = name.split("/")[0]
            if numbers and (label not in numbers or number not in (None, numbers[label])):
                raise DataError(f"{line}: '{label}' with number {number} is not what classInd.txt says")
            total += 1
            listed.add(name)
            home = next((home for home in homes if (home / name).is_file()), None)
            if home is None:
                absent[label] = absent.get(label, 0) + 1
            else:
                rows.append(((home / name).relative_to(path).as_posix(), label, split))
    if not rows:
        places = listing([f"{home}/" for home in homes[:3]])
        raise DataError(f"{path}: none of the {total:,} listed videos is in {places}; unpack UCF101 there")
    notes = [f"fold {fold}: {count(len(rows), 'video')} of the {total:,} listed ones are there"]
    present = {label for _, label, _ in rows}
    gone = [label for label in absent if label not in present]
    if absent:
        partly = [f"{label} ({number})" for label, number in absent.items() if label in present]
        notes.append(f"absent: {count(sum(absent.values()), 'listed video')}")
        if gone:
            notes[-1] += f"; all of {count(len(gone), 'class', 'classes')} ({listing(gone, 3)})"
        if partly:
            notes[-1] += f"; some of {listing(partly, 8)}"
    unlisted = _unlisted(homes, listed)
    if unlisted:
        notes.append(
            f"skipped: {count(len(unlisted), 'video')} in no list of fold {fold}: {listing(unlisted)}"
        )
    table = pd.DataFrame(rows, columns=["video", "label", "split"])
    return assign_groups(Manifest(table, path, notes=notes))


def _entries(file: Path) -> list[tuple[str, str, int | None]]:
    entries = []
    for number, line in enumerate(_lines(file), start=1):
        match = re.fullmatch(r"([^/]+/.+?\.\w+)(?:\s+(\d+))?", line.strip())
        if line.strip() and not match:
            raise DataError(f"{file}: line {number} is not 'CLASS/VIDEO.avi NUMBER': {line!r}")
        if match:
            entries.append((f"{file}: line {number}", match[1], int(match[2]) if match[2] else None))
    return entries


def _class_numbers(file: Path) -> dict[str, int]:
    if not file.is_file():
        return {}
    pairs = [line.split() for line in _lines(file) if line.strip()]
    return {pair[1]: int(pair[0]) for pair in pairs if len(pair) == 2 and pair[0].isdecimal()}


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        archive = "UCF101TrainTestSplits-RecognitionTask.zip"
        raise DataError(f"{file}: this official list is missing; it is in {archive}")
    return file.read_text(encoding="utf-8-sig", errors="replace").splitlines()


def _unlisted(homes: list[Path], listed: set[str]) -> list[str]:
    videos = (video for home in homes for video in home.glob("*/*.avi") if not video.name.startswith("."))
    return sorted({f"{video.parent.name}/{video.name}" for video in videos} - listed)
