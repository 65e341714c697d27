"""Reads ELAN annotation files (`.eaf`)."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

from kinema.data.manifest import Manifest
from kinema.data.readers.annotations import Annotations, files_of
from kinema.data.readers.manifest_file import holds_manifest
from kinema.data.readers.registry import register_reader
from kinema.data.readers.time_ranges import manifest_of_ranges
from kinema.data.readers.xml_files import read_xml
from kinema.data.wording import count, listing
from kinema.errors import DataError, UsageError, closest

_ROOT = "ANNOTATION_DOCUMENT"
_Times = tuple[float | None, float | None]  # milliseconds


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return not holds_manifest(path) and bool(files_of(path, [".eaf"]))
    return path.suffix.lower() == ".eaf"


@register_reader("ELAN", "an annotation file .eaf, or a folder of them", _recognises, rank=7)
def read_elan(
    path: Path,
    videos: Path | None = None,
    tier: str | None = None,
    fps: float | None = None,
    keep_missing: bool = False,
) -> Manifest:
    """Read the annotations of one tier, or of all, as labelled segments; the column `tier` tells which.

    EAF 2.x and 3.0 (ELAN 4 to 6), as "EAF Annotation Format 3.0" of The Language Archive describes it
    (https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf): times are milliseconds in
    `TIME_ORDER`; a `REF_ANNOTATION` takes the time of the annotation it refers to, and several that divide one
    (a symbolic subdivision) take equal parts of it, as ELAN draws them. The video is the first media file with
    a video's MIME type, by its relative address, then its absolute one, then by the name of the .eaf file;
    its `TIME_ORIGIN`, milliseconds of the video before the time line begins, is added. `videos`, `fps` and
    `keep_missing` are those of `manifest_of_ranges`.

    Annotations without times or without text are listed in the notes. Raises `DataError` for what is no such
    file, for a document type declaration, for an unknown unit of time, or when no annotation can be used;
    `UsageError` for a tier that no file has.
    """
    annotations = Annotations()
    found: dict[str, int] = {}
    files = files_of(path, [".eaf"])
    for file in files:
        document = read_xml(file, _ROOT)
        for name, number in _add(file, document, tier, annotations).items():
            found[name] = found.get(name, 0) + number
    if tier is not None and tier not in found:
        raise UsageError(f"{path}: no tier '{tier}'; {closest(tier, list(found))}")
    used = [name for name, number in found.items() if number and tier in (None, name)]
    if len(used) > 1:
        what = f"the labels of {count(len(used), 'tier')} stand together ({listing(used)})"
        annotations.notes.append(f"{what}; choose one with tier")
    if path.is_dir():
        annotations.notes.insert(0, f"{count(len(files), 'ELAN file')}")
    return manifest_of_ranges(annotations, path, videos=videos, fps=fps, keep_missing=keep_missing)


def _add(file: Path, document: Element, tier: str | None, annotations: Annotations) -> dict[str, int]:
    """Add a document's annotations and return how many each of its tiers has."""
    header = document.find("HEADER")
    unit = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if unit != "milliseconds":
        raise DataError(f"{file}: its times are in {unit}, not in milliseconds; save it again with ELAN")
    names, origin = _media(file, header, annotations)
    times = _times(document)
    found: dict[str, int] = {}
    for element in document.iter("TIER"):
        name = element.get("TIER_ID", "")
        items = [item for box in element.iter("ANNOTATION") for item in box]
        found[name] = len(items)
        if tier not in (None, name):
            continue
        for item in items:
            label = " ".join((item.findtext("ANNOTATION_VALUE") or "").split())
            place = f"{file.name} annotation {item.get('ANNOTATION_ID')} of '{name}'"
            start, end = times.get(item.get("ANNOTATION_ID", ""), (None, None))
            if start is None or end is None:
                why = "it has no time of its own; align it in ELAN"
                annotations.refuse(place, why, names, label)
                continue
            settings = {"offset": origin, "extra": {"tier": name}}
            annotations.add(place, names, start / 1000, end / 1000, label, **settings)
    return found


def _media(file: Path, header: Element | None, annotations: Annotations) -> tuple[list[str], float]:
    """Return what the video may be called, and the seconds of it before the time line begins."""
    media = [] if header is None else header.findall("MEDIA_DESCRIPTOR")
    films = [item for item in media if item.get("MIME_TYPE", "").lower().startswith("video/")]
    if len(films) > 1:
        others = [item.get("RELATIVE_MEDIA_URL") or item.get("MEDIA_URL") or "" for item in films[1:]]
        annotations.notes.append(
            f"{file.name}: the first of {len(films)} videos is used, not {listing(others)}"
        )
    first = films[0] if films else None
    places = [] if first is None else [first.get("RELATIVE_MEDIA_URL"), first.get("MEDIA_URL")]
    names = [place for place in places if place]
    try:
        origin = 0.0 if first is None else float(first.get("TIME_ORIGIN") or 0) / 1000
    except ValueError as error:
        raise DataError(f"{file}: TIME_ORIGIN of {names[0]} is no number of milliseconds") from error
    return [*names, file.stem], origin


def _times(document: Element) -> dict[str, _Times]:
    """Return start and end of each annotation by its id, in milliseconds; None where a slot has none."""
    slots: dict[str, float] = {}
    for slot in document.iter("TIME_SLOT"):
        value = slot.get("TIME_VALUE")
        if value is not None:
            try:
                slots[slot.get("TIME_SLOT_ID", "")] = float(value)
            except ValueError:
                continue
    times: dict[str, _Times] = {}
    for item in document.iter("ALIGNABLE_ANNOTATION"):
        first, last = item.get("TIME_SLOT_REF1", ""), item.get("TIME_SLOT_REF2", "")
        times[item.get("ANNOTATION_ID", "")] = (slots.get(first), slots.get(last))
    # Several of one tier that refer to one annotation divide it among themselves.
    parts: dict[str, list[list[Element]]] = {}
    for element in document.iter("TIER"):
        parents: dict[str, list[Element]] = {}
        for item in element.iter("REF_ANNOTATION"):
            parents.setdefault(item.get("ANNOTATION_REF", ""), []).append(item)
        for parent, items in parents.items():
            parts.setdefault(parent, []).append(_in_order(items))
    waiting = [parent for parent in parts if parent in times]
    while waiting:
        parent = waiting.pop()
        start, end = times[parent]
        for items in parts.pop(parent, []):
            for place, item in enumerate(items):
                name = item.get("ANNOTATION_ID", "")
                if start is None or end is None:
                    times[name] = (None, None)
                else:
                    share = (end - start) / len(items)
                    times[name] = (start + place * share, start + (place + 1) * share)
                if name in parts:
                    waiting.append(name)
    return times


def _in_order(items: list[Element]) -> list[Element]:
    """Return annotations so that each follows the one that its PREVIOUS_ANNOTATION names."""
    after = {item.get("PREVIOUS_ANNOTATION"): item for item in items}
    chain: list[Element] = []
    item = after.pop(None, None)
    while item is not None:
        chain.append(item)
        item = after.pop(item.get("ANNOTATION_ID"), None)
    return chain if len(chain) == len(items) else items
