"""Reads HMDB51: the videos, and the official lists in `testTrainMulti_7030_splits/`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kinema.data.manifest import Manifest
from kinema.data.readers.lists import Listed, listed_manifest, refuse_fold, videos_of
from kinema.data.readers.registry import register_reader
from kinema.data.readers.text import list_lines
from kinema.data.wording import natural_key
from kinema.errors import DataError

LISTS = "testTrainMulti_7030_splits"
_SPLITS = {"1": "train", "2": "test"}
_NAME = r"(?P<label>.+)_test_split(?P<fold>[123])\.txt"


def _lists(path: Path) -> Path | None:
    if not path.is_dir():
        return None
    folders = [path / LISTS, path, *sorted(path.glob("*split*/")), *sorted(path.glob("*split*/*/"))]
    return next((folder for folder in folders if _files(folder)), None)


def _files(folder: Path, fold: int | None = None) -> list[tuple[str, Path]]:
    found = []
    for file in folder.glob("*_test_split*.txt"):
        match = re.fullmatch(_NAME, file.name)
        if match and not file.name.startswith(".") and fold in (None, int(match["fold"])):
            found.append((match["label"], file))
    return sorted(found, key=lambda item: natural_key(item[0]))


def _recognises(path: Path) -> bool:
    return _lists(path) is not None


@register_reader(
    "HMDB51", "class folders, and testTrainMulti_7030_splits/CLASS_test_splitK.txt", _recognises, rank=31
)
def read_hmdb51(path: Path, fold: int = 1, videos: Path | None = None) -> Manifest:
    """Read one of the three official train/test splits (Kuehne et al., ICCV 2011); the group is the film that
    the file name begins with.

    A line of a list is `VIDEO.avi N`: N is 1 for train, 2 for test and 0 for a video that the fold leaves
    unused, which is left out here too. `path` holds the folder of lists, or is it; the videos are looked for
    in `videos`, or else in `path` and below. Listed files that are absent are counted in the notes. A
    validation split is not official: take it from train with `split_by_group`.

    Raises `DataError`, with file and line, when the lists of the fold are missing or malformed, and when no
    listed file is there.
    """
    refuse_fold("HMDB51", fold)
    lists = _lists(path) or path / LISTS
    files = _files(lists, fold)
    if not files:
        raise DataError(f"{lists}: no CLASS_test_split{fold}.txt; unpack test_train_splits.rar there")
    entries = [entry for label, file in files for entry in _entries(file, label)]
    return listed_manifest(entries, videos_of(path, lists, videos), f"HMDB51, fold {fold}")


def _entries(file: Path, label: str) -> Iterator[Listed]:
    for line, text in list_lines(file):
        match = re.fullmatch(r'"?(?P<name>.+?\.\w+)"?\s+(?P<use>[012])', text)
        if not match:
            what = f"is not 'VIDEO.avi N' with N 0 (unused), 1 (train) or 2 (test): {text!r}"
            raise DataError(f"{file}: line {line} {what}")
        name = match["name"].rpartition("/")[2]
        yield Listed(f"{label}/{name}", label, _SPLITS.get(match["use"]), file, line)
