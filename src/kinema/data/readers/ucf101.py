"""Reads UCF101: the videos, and the official lists in `ucfTrainTestlist/`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kinema.data.manifest import Manifest
from kinema.data.readers.lists import Listed, listed_manifest, refuse_fold, videos_of
from kinema.data.readers.registry import register_reader
from kinema.data.readers.text import list_lines
from kinema.errors import DataError

LISTS = "ucfTrainTestlist"
_CLASSES = "classInd.txt"


def _lists(path: Path) -> Path | None:
    if (path / LISTS).is_dir():
        return path / LISTS
    return path if (path / "trainlist01.txt").is_file() or (path / _CLASSES).is_file() else None


def _recognises(path: Path) -> bool:
    return _lists(path) is not None


@register_reader(
    "UCF101", "class folders of v_CLASS_gNN_cNN.avi, and ucfTrainTestlist/", _recognises, rank=30
)
def read_ucf101(path: Path, fold: int = 1, videos: Path | None = None) -> Manifest:
    """Read one of the three official train/test splits (Soomro et al., arXiv 1212.0402); the group is
    CLASS_gNN.

    `path` holds `ucfTrainTestlist/`, or is that folder; the videos are looked for in `videos`, or else in
    `path` and below. Listed files that are absent are counted in the notes. A validation split is not
    official: take it from train with `split_by_group`.

    Raises `DataError`, with file and line, when a list is missing or malformed, names a class that
    `classInd.txt` lacks or a video in both splits, and when no listed file is there.
    """
    refuse_fold("UCF101", fold)
    lists = _lists(path) or path / LISTS
    numbers = _class_numbers(lists / _CLASSES)
    entries = [
        entry
        for split in ("train", "test")
        for entry in _entries(lists / f"{split}list{fold:02d}.txt", split, numbers)
    ]
    return listed_manifest(entries, videos_of(path, lists, videos), f"UCF101, fold {fold}")


def _entries(file: Path, split: str, numbers: dict[str, int]) -> Iterator[Listed]:
    if not file.is_file():
        archive = "UCF101TrainTestSplits-RecognitionTask.zip"
        raise DataError(f"{file}: this official list is missing; it is in {archive}")
    for line, text in list_lines(file):
        match = re.fullmatch(r'"?([^"]+/[^"/]+?\.\w+)"?(?:\s+(\d+))?', text)
        if not match:
            raise DataError(f"{file}: line {line} is not 'CLASS/VIDEO.avi NUMBER': {text!r}")
        name, number = match[1], int(match[2]) if match[2] else None
        folders = name.split("/")[:-1]
        # A class may hold a slash, and a list may write folders above the class.
        labels = ["/".join(folders[n:]) for n in range(len(folders))]
        label = next((label for label in labels if label in numbers), labels[-1])
        if numbers and label not in numbers:
            what = f"the class '{label}' is not in {_CLASSES}"
            raise DataError(f"{file}: line {line}: {what}; add it there or correct the line")
        if numbers and number not in (None, numbers[label]):
            what = f"'{label}' has number {number} here and {numbers[label]} in {_CLASSES}"
            raise DataError(f"{file}: line {line}: {what}; correct one of them")
        yield Listed(f"{label}/{name.rpartition('/')[2]}", label, split, file, line)


def _class_numbers(file: Path) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for line, text in list_lines(file) if file.is_file() else []:
        match = re.fullmatch(r"(\d+)[\s,;]+(.+)", text)
        if not match:
            raise DataError(f"{file}: line {line} is not 'NUMBER CLASS': {text!r}")
        number, label = int(match[1]), match[2].strip('"')
        if label in numbers or number in numbers.values():
            raise DataError(
                f"{file}: line {line}: the class or its number stands in an earlier line: {text!r}"
            )
        numbers[label] = number
    return numbers
