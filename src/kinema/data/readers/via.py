"""Reads projects and CSV exports of the VGG Image Annotator's video annotator (VIA 3)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinema.data.manifest import Manifest
from kinema.data.readers.annotations import Annotations, files_of
from kinema.data.readers.manifest_file import holds_manifest
from kinema.data.readers.registry import register_reader
from kinema.data.readers.text import head_of, lines_of, read_text
from kinema.data.readers.time_ranges import manifest_of_ranges
from kinema.data.wording import count, listing
from kinema.errors import DataError, UsageError, closest

_CHECKBOX = 2  # _VIA_ATTRIBUTE_TYPE: TEXT 1, CHECKBOX 2, RADIO 3, SELECT 4, IMAGE 5
_VIDEO = 4  # _VIA_FILE_TYPE: IMAGE 2, VIDEO 4, AUDIO 8


@dataclass(frozen=True)
class _Entry:
    """One metadata entry: `z` are 0, 1 or 2 times in seconds, `av` attribute ids and their values."""

    origin: str
    names: tuple[str, ...]
    z: list[Any]
    xy: list[Any]
    av: dict[str, Any]


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return not holds_manifest(path) and any(map(_is_via, files_of(path, [".json", ".csv"])))
    return _is_via(path)


def _is_via(file: Path) -> bool:
    suffix = file.suffix.lower()
    if suffix not in (".json", ".csv") or not file.is_file():
        return False
    head = head_of(file)
    if suffix == ".csv":
        return head.startswith("#") and "CSV_HEADER" in head
    return all(f'"{part}"' in head for part in ("project", "attribute", "config"))


@register_reader(
    "VIA",
    "a project .json or an exported .csv of the VIA 3 video annotator, or a folder of them",
    _recognises,
    rank=5,
)
def read_via(
    path: Path,
    videos: Path | None = None,
    attribute: str | None = None,
    fps: float | None = None,
    keep_missing: bool = False,
) -> Manifest:
    """Read the temporal segments of VIA 3 as labelled segments; the column `attribute` tells what was labelled.

    VIA 3.0.x, data format 3.1.x (https://gitlab.com/vgg/via, `via-3.x.y/src/js`; the demo project shows every
    part): a project's `metadata` with two times in `z` and no `xy` is a temporal segment, with neither it
    labels the whole file; `av` holds the values, which for radio buttons, selections and check boxes are ids
    of the attribute's `options` (several, separated by commas, for check boxes: one segment each). Also both
    CSV exports: all annotations, and temporal segments only. `attribute` names the attribute to read, None
    all. `videos`, `fps` and `keep_missing` are those of `manifest_of_ranges`.

    Times of single frames and regions are counted in the notes. Raises `DataError` for what is no such file or
    when no segment can be used, `UsageError` for an attribute that does not exist.
    """
    annotations = Annotations()
    files = [file for file in files_of(path, [".json", ".csv"]) if path.is_file() or _is_via(file)]
    used: dict[str, int] = {}
    known: list[str] = []
    passed = 0
    for file in files:
        attributes, entries = _export(file) if file.suffix.lower() == ".csv" else _project(file)
        known += [_name(key, attributes) for key in attributes]
        for entry in entries:
            if entry.xy or len(entry.z) == 1:
                passed += 1
                continue
            start, end = entry.z if len(entry.z) == 2 else (None, None)
            labels = [
                (_name(key, attributes), label)
                for key, value in entry.av.items()
                if attribute in (None, key, _name(key, attributes))
                for label in _labels(value, attributes.get(key, {}))
            ]
            for name, label in labels:
                used[name] = used.get(name, 0) + 1
                annotations.add(entry.origin, entry.names, start, end, label, extra={"attribute": name})
            if not labels and entry.z:
                annotations.refuse(entry.origin, "the segment has no label", entry.names)
    if attribute is not None and not used:
        raise UsageError(f"{path}: no segment has the attribute '{attribute}'; {closest(attribute, known)}")
    if len(used) > 1:
        what = f"the labels of {count(len(used), 'attribute')} stand together ({listing(used)})"
        annotations.notes.append(f"{what}; choose one with attribute")
    if passed:
        annotations.notes.append(f"skipped: {count(passed, 'annotation')} of single frames or regions")
    return manifest_of_ranges(annotations, path, videos=videos, fps=fps, keep_missing=keep_missing)


def _project(file: Path) -> tuple[dict[str, dict[str, Any]], Iterator[_Entry]]:
    try:
        project = json.loads(read_text(file, "project"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not JSON that can be read ({error})") from error
    parts = ("attribute", "file", "metadata", "view")
    missing = (
        parts if not isinstance(project, dict) else [p for p in parts if not isinstance(project.get(p), dict)]
    )
    if missing:
        raise DataError(f"{file}: no VIA 3 project: it lacks {listing(missing)}; save it in VIA 3 again")
    return project["attribute"], _entries(file, project)


def _entries(file: Path, project: dict[str, Any]) -> Iterator[_Entry]:
    for key, entry in project["metadata"].items():
        origin = f"{file.name} {key}"
        try:
            view = project["view"][str(entry["vid"])]
            items = [project["file"][str(number)] for number in view["fid_list"]]
            film = next((item for item in items if item.get("type") == _VIDEO), items[0])
            names = tuple(str(film[name]) for name in ("fname", "src") if film.get(name))
            yield _Entry(origin, names, list(entry["z"]), list(entry["xy"]), dict(entry["av"]))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise DataError(f"{file}: metadata '{key}' is not as VIA 3 writes it ({error!r})") from error


def _export(file: Path) -> tuple[dict[str, dict[str, Any]], Iterator[_Entry]]:
    text = read_text(file, "table")
    columns: list[str] = []
    attributes: dict[str, dict[str, Any]] = {}
    for line in (line for line in lines_of(text) if line.startswith("#")):
        name, _, value = line.lstrip("# ").partition("=")
        if name.strip() == "CSV_HEADER":
            columns = [cell.strip() for cell in value.split(",") if cell.strip()]
        elif name.strip() in ("ATTRIBUTE", "ATTRIBUTES"):
            attributes = _object(value, file, "its line # ATTRIBUTE")
    wanted = {"file_list", "metadata"}
    times = ({"temporal_coordinates"}, {"temporal_segment_start", "temporal_segment_end"})
    if not (wanted <= set(columns) and any(set(columns) >= group for group in times)):
        raise DataError(
            f"{file}: its CSV_HEADER names {listing(columns) or 'nothing'}; export it from VIA 3 again"
        )
    # Older versions tell only the names of the attributes.
    full = {
        key: value if isinstance(value, dict) else {"aname": str(value)} for key, value in attributes.items()
    }
    return full, _exported(file, text, columns)


def _exported(file: Path, text: str, columns: list[str]) -> Iterator[_Entry]:
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    for row in reader:
        if not any(cell.strip() for cell in row) or row[0].startswith("#"):
            continue
        cells = dict(zip(columns, row, strict=False))
        origin = f"{file.name} line {reader.line_num}"
        if len(row) < len(columns):
            raise DataError(
                f"{file}: line {reader.line_num} has {len(row)} cells where CSV_HEADER has {len(columns)}"
            )
        names = tuple(str(name) for name in _list(cells["file_list"], file, origin))
        if "temporal_coordinates" in cells:
            z = _list(cells["temporal_coordinates"], file, origin)
        else:
            z = [cells["temporal_segment_start"], cells["temporal_segment_end"]]
        xy = _list(cells.get("spatial_coordinates") or "[]", file, origin)
        yield _Entry(origin, names, z, xy, _object(cells["metadata"], file, origin))


def _list(text: str, file: Path, origin: str) -> list[Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DataError(f"{file}: {origin}: {text[:40]!r} is no list as VIA writes it") from error
    return value if isinstance(value, list) else [value]


def _object(text: str, file: Path, origin: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DataError(f"{file}: {origin}: {text[:40]!r} is no object as VIA writes it") from error
    return value if isinstance(value, dict) else {}


def _name(key: str, attributes: dict[str, dict[str, Any]]) -> str:
    return str(attributes.get(key, {}).get("aname") or key)


def _labels(value: Any, attribute: dict[str, Any]) -> list[str]:
    """Return the labels that a value stands for: its options' texts, or the text itself."""
    text = "" if value in (None, "_DEFAULT") else str(value).strip()
    options = attribute.get("options") or {}
    chosen = re.split(r"\s*,\s*", text) if attribute.get("type") == _CHECKBOX else [text]
    return [str(options.get(part, part)) for part in chosen if part]
