"""Reads CVAT's XML for video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from kinema.data.manifest import Manifest
from kinema.data.readers.annotations import Annotations, files_of
from kinema.data.readers.manifest_file import holds_manifest
from kinema.data.readers.registry import register_reader
from kinema.data.readers.time_ranges import manifest_of_ranges
from kinema.data.readers.xml_files import looks_like, read_xml
from kinema.errors import DataError, UsageError

_SHAPES = frozenset({"box", "polygon", "polyline", "points", "ellipse", "cuboid", "skeleton", "mask"})
_Run = tuple[int, int, str]  # first frame, the first frame after it, label


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return not holds_manifest(path) and any(map(_is_cvat, files_of(path, [".xml"])))
    return _is_cvat(path)


def _is_cvat(file: Path) -> bool:
    return looks_like(file, ".xml", b"<annotations", b"<meta")


@register_reader("CVAT", "an export 'CVAT for video 1.1' (.xml), or a folder of them", _recognises, rank=8)
def read_cvat(
    path: Path,
    videos: Path | None = None,
    attribute: str | None = None,
    fps: float | None = None,
    keep_missing: bool = False,
) -> Manifest:
    """Read the tracks of CVAT's XML as segments: each stretch in which an object is there, with its label.

    "CVAT for video 1.1", exported from a task, a job or a project
    (https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ and …/docs/other/xml_format/): a `track`
    has a shape for each frame in which something changes, its object being there from a shape with
    `outside="0"` to the next with `outside="1"`, or to the last shape. Tags of frames (`<tag frame=…>`, or as
    "CVAT for images 1.1" writes them, `<image id=…><tag>`) become segments of consecutive frames. `frame` counts
    the frames of the video from 0; they become seconds by the rate of the video, or by `fps` where the video is
    not there. `attribute` takes the labels from an attribute of that name, which may change along a track, in
    place of the label of the track. The video is the task's `source`, or else is called like the task.
    `videos` and `keep_missing` are those of `manifest_of_ranges`; the column `track` tells the track's id.

    Raises `DataError` for what is no such file, for a document type declaration, or when no segment can be
    used; `UsageError` for an attribute that no shape has.
    """
    annotations = Annotations()
    files = [file for file in files_of(path, [".xml"]) if path.is_file() or _is_cvat(file)]
    for file in files:
        _add(file, read_xml(file, "annotations"), attribute, annotations)
    if attribute is not None and not annotations.ranges:
        raise UsageError(f"{path}: no shape and no tag has the attribute '{attribute}'")
    return manifest_of_ranges(annotations, path, videos=videos, fps=fps, keep_missing=keep_missing)


def _add(file: Path, document: Element, attribute: str | None, annotations: Annotations) -> None:
    tasks = {task.findtext("id") or "": task for name in ("task", "job") for task in document.iter(name)}
    steps = {name: _step(file, task) for name, task in tasks.items()}
    only = next(iter(tasks), "") if len(tasks) == 1 else ""
    for track in document.iter("track"):
        task = track.get("task_id", only)
        origin = f"{file.name} track {track.get('id')}"
        if len(tasks) > 1 and task not in tasks:
            raise DataError(f"{file}: {origin} does not tell its task; export each task by itself")
        runs = list(_runs(file, track, origin, attribute, steps.get(task, 1)))
        if not runs and attribute is None:
            why = f"no frame shows '{track.get('label')}'"
            annotations.refuse(origin, why, _names(file, tasks.get(task)), track.get("label"))
        for first, end, label in runs:
            extra = {"track": track.get("id")}
            annotations.add(
                origin, _names(file, tasks.get(task)), first, end, label, frames=True, extra=extra
            )
    if len(tasks) > 1 and document.find(".//tag") is not None:
        annotations.notes.append(f"{file.name}: tags of a project's tasks are passed over; export each task")
        return
    for first, end, label in _tagged(file, document, attribute, steps.get(only, 1)):
        origin = f"{file.name} tags from frame {first}"
        annotations.add(origin, _names(file, tasks.get(only)), first, end, label, frames=True)


def _names(file: Path, task: Element | None) -> tuple[str, ...]:
    """Return what the video of a task may be called."""
    names = [] if task is None else [task.findtext("source") or "", task.findtext("name") or ""]
    # An export is called annotations.xml unless somebody named it after its video.
    last = [] if file.stem == "annotations" else [file.stem]
    return tuple(name for name in (*names, *last) if name.strip()) or (file.parent.name,)


def _step(file: Path, task: Element) -> int:
    """Return of how many frames of the video the task shows one."""
    rule = (task.findtext("frame_filter") or "").strip()
    if not rule:
        return 1
    name, _, value = rule.partition("=")
    if name.strip() != "step" or not value.strip().isdecimal() or int(value) < 1:
        raise DataError(f"{file}: the frame_filter '{rule}' is none that CVAT documents ('step=N')")
    return int(value)


def _runs(file: Path, track: Element, origin: str, attribute: str | None, step: int) -> Iterator[_Run]:
    """Yield the stretches in which a track's object is there with one label."""
    shapes = [shape for shape in track if shape.tag in _SHAPES]
    if track.get("label") is None:
        raise DataError(f"{file}: {origin} has no label; export it from CVAT again")
    shapes.sort(key=lambda shape: _frame(file, shape, origin))
    current: tuple[int, str] | None = None
    last = 0
    for shape in shapes:
        frame = _frame(file, shape, origin)
        # A skeleton has no outside of its own: it is there while one of its points is.
        parts = [part for part in shape if part.tag in _SHAPES] if shape.tag == "skeleton" else [shape]
        away = [part.get("outside") == "1" for part in parts]
        label = None if away and all(away) else _label(shape, track.get("label"), attribute)
        if current is not None and label != current[1]:
            yield current[0], frame, current[1]
            current = None
        if current is None and label is not None:
            current = (frame, label)
        last = frame
    if current is not None:
        yield current[0], last + step, current[1]


def _tagged(file: Path, document: Element, attribute: str | None, step: int) -> Iterator[_Run]:
    """Yield the stretches of consecutive frames that have a tag in common."""
    frames: dict[str, set[int]] = {}
    for holder in (document, *document.iter("image")):
        for tag in holder.findall("tag"):
            origin = f"a tag '{tag.get('label')}'"
            own = holder is document
            frame = _frame(file, tag, origin) if own else _frame(file, holder, origin, "id")
            label = _label(tag, tag.get("label"), attribute)
            if label is not None:
                frames.setdefault(label, set()).add(frame)
    for label, numbers in frames.items():
        first: int | None = None
        for number in sorted(numbers):
            first = number if first is None else first
            if number + step not in numbers:
                yield first, number + step, label
                first = None


def _label(element: Element, own: str | None, attribute: str | None) -> str | None:
    if attribute is None:
        return own
    values = (item.text for item in element.iter("attribute") if item.get("name") == attribute)
    return (next(values, None) or "").strip() or None


def _frame(file: Path, element: Element, origin: str, name: str = "frame") -> int:
    text = element.get(name, "")
    if not text.isdecimal():
        raise DataError(f"{file}: {origin}: {name}='{text}' is no number of a frame")
    return int(text)
