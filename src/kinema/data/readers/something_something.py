"""Reads Something-Something v2: its JSON lists, and videos named by their number."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kinema.data.manifest import Manifest
from kinema.data.readers.lists import Listed, listed_manifest, videos_of
from kinema.data.readers.registry import register_reader
from kinema.data.readers.text import head_of, read_text
from kinema.errors import DataError

_LIST = re.compile(r"(?:something-something-v2-)?(train|validation|val|test)\.json", re.IGNORECASE)
_SPLITS = {"train": "train", "validation": "valid", "val": "valid", "test": "test"}
_FOLDERS = ("", "labels", "annotations")
_CLASSES = ("labels.json", "something-something-v2-labels.json")
_ANSWERS = ("test-answers.csv", "something-something-v2-test-answers.csv")


def _lists(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if _LIST.fullmatch(path.name) and _is_list(path) else []
    for folder in (path / name for name in _FOLDERS):
        found = [file for file in sorted(folder.glob("*.json")) if _LIST.fullmatch(file.name)]
        found = [file for file in found if _is_list(file)]
        if found:
            return found
    return []


def _is_list(path: Path) -> bool:
    start = head_of(path)
    plain = _split(path) == "test"  # its entries have an id alone
    return bool(re.match(r'\s*\[\s*\{[^}]*"id"\s*:', start)) and ('"template"' in start or plain)


def _split(path: Path) -> str:
    match = _LIST.fullmatch(path.name)
    return _SPLITS[match[1].lower()] if match else "train"


def _recognises(path: Path) -> bool:
    return bool(_lists(path))


@register_reader(
    "Something-Something v2", "train.json, validation.json, test.json, and ID.webm", _recognises, rank=33
)
def read_something_something(path: Path, videos: Path | None = None) -> Manifest:
    """Read Something-Something v2 (Goyal et al., ICCV 2017): one JSON list, or a folder with some.

    The class is the entry's template without its brackets ("Holding [something]" → "Holding something"),
    which `labels.json` must know where it is there. The test list has no templates: its classes come from
    `test-answers.csv` (`ID;class`), else there are none. Videos `ID.webm` are looked for in `videos`, or else
    beside the lists and below. Who filmed a video is not published, so each is a group of its own.

    Raises `DataError`, with file and line, for lists that cannot be read so, and when no video is there.
    """
    lists = _lists(path)
    if not lists:
        raise DataError(f"{path}: no train.json, validation.json or test.json with ids and templates")
    folder = lists[0].parent
    files = videos_of(path if path.is_dir() else folder, folder, videos)
    known = _classes(folder)
    answers = _answers(folder, known)
    entries = [entry for file in lists for entry in _entries(file, known, answers)]
    names = ", ".join(file.name for file in lists)
    title = f"Something-Something v2, {names}"
    return listed_manifest(entries, files, title, alone="who filmed it is not published")


def _entries(file: Path, known: set[str] | None, answers: dict[str, str]) -> Iterator[Listed]:
    text, split = read_text(file), _split(file)
    for entry, line in _objects(file, text):
        name, template = (entry.get(key) for key in ("id", "template"))
        if not isinstance(name, str | int) or not str(name).strip():
            raise DataError(f"{file}: line {line}: an entry has no 'id'")
        name = str(name).strip()
        label = answers.get(name)
        if isinstance(template, str) and template.strip():
            label = re.sub(r"[\[\]]", "", template).strip()
        elif split != "test":
            raise DataError(f"{file}: line {line}: the entry {name} has no 'template', which is its class")
        if label is not None and known is not None and label not in known:
            what = f"the class '{label}' is not in labels.json"
            raise DataError(f"{file}: line {line}: {what}; add it there or correct the template")
        yield Listed(f"{name}.webm", label, split, file, line)


def _objects(file: Path, text: str) -> Iterator[tuple[dict[str, Any], int]]:
    """Return the objects of a JSON list and the lines they begin on."""
    decoder = json.JSONDecoder()
    space = re.compile(r"[\s,]*")
    first = text.find("[") + 1
    place, counted, line = first, 0, 1
    while True:
        at = space.match(text, place)
        place = at.end() if at else place
        line += text.count("\n", counted, place)
        counted = place
        if text.startswith("]", place):
            return
        try:
            entry, place = decoder.raw_decode(text, place)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{file}: line {error.lineno} is not JSON ({error.msg}); get the list anew"
            ) from error
        if not isinstance(entry, dict):
            raise DataError(f"{file}: line {line}: an entry is not an object with 'id' and 'template'")
        yield entry, line


def _classes(folder: Path) -> set[str] | None:
    file = next((folder / name for name in _CLASSES if (folder / name).is_file()), None)
    if file is None:
        return None
    try:
        classes = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise DataError(f"{file}: line {error.lineno} is not JSON ({error.msg}); get it anew") from error
    if not isinstance(classes, dict | list):
        raise DataError(f"{file}: not an object of classes and their numbers")
    return {str(name) for name in classes}


def _answers(folder: Path, known: set[str] | None) -> dict[str, str]:
    file = next((folder / name for name in _ANSWERS if (folder / name).is_file()), None)
    answers: dict[str, str] = {}
    if file is None:
        return answers
    reader = csv.reader(io.StringIO(read_text(file), newline=""), delimiter=";", skipinitialspace=True)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != 2:
            raise DataError(f"{file}: line {reader.line_num} is not 'ID;class': {row!r}")
        label = re.sub(r"[\[\]]", "", cells[1])
        if known is not None and label not in known:
            raise DataError(f"{file}: line {reader.line_num}: the class '{label}' is not in labels.json")
        answers[cells[0]] = label
    return answers
