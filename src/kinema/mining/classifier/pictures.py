"""Pictures in class folders, and how they become videos of one frame, which everything else reads."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from kinema.data.columns import split_name
from kinema.data.frames import TABLES
from kinema.data.groups import name_group
from kinema.data.segments import usable_cores
from kinema.data.wording import count, listing, natural_key
from kinema.errors import DataError, KinemaError
from kinema.files import atomic_path
from kinema.mining.classifier.alike import PictureHash, picture_hash
from kinema.video import open_source
from kinema.video.folder_source import IMAGE_SUFFIXES

TABLE = "images.csv"

_FRAMES = "frames.csv"
_FRAME = re.compile(r"(.+)_\d{5,}")  # as `kinema data frames` and S4 call the frames of a video
_DEEPEST = 6
_LEAST_SIDE = 16
_MOST_PIXELS = 100_000_000


@dataclass(frozen=True)
class FoundPicture:
    """A picture: its file, its `name` below the folder that was given, its class; its split, group and web page where known."""

    path: Path
    name: str
    label: str
    split: str | None = None
    group: str | None = None
    page: str = ""


@dataclass
class Pictures:
    """Pictures that were read: `frames[i]` is the folder of one frame that stands for `found[i]`, `hashes[i]` its looks.

    `problems`: a line for each picture that was left out.
    """

    found: list[FoundPicture] = field(default_factory=list)
    frames: list[Path] = field(default_factory=list)
    hashes: list[PictureHash] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def find_pictures(folder: Path, label: str | None = None) -> tuple[list[FoundPicture], list[str]]:
    """Return the pictures of `folder/CLASS/…` or `folder/SPLIT/CLASS/…`, and sentences about what was passed over.

    Frames of one video are one group: pictures in a folder inside a class, `VIDEO_00001.jpg` and on where a class has
    several such videos, and what the `frames.csv` of `kinema data frames` says. The `images.csv` of `kinema mine images`
    says how the class of a folder is called and which page a picture comes from. With `label` all pictures below have it,
    whatever their folders are called.

    Raises `DataError` when there are none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give one with a folder of pictures for each class")
    others: Counter[str] = Counter()
    table = {**_table(folder / _FRAMES), **_table(folder / TABLE)}
    found: list[FoundPicture] = []
    loose = 0
    for path in _below(folder, others):
        name = path.relative_to(folder).as_posix()
        above = name.split("/")[:-1]
        row = table.get(name, {})
        page, source = row.get("page", ""), row.get("group") or row.get("video")
        if label is not None:
            found.append(FoundPicture(path, name, label, None, source or "/".join(above) or None, page))
            continue
        split = split_name(above[0]) if len(above) > 1 else None
        if split is not None:
            above = above[1:]
        if not above:
            loose += 1
            continue
        group = source or (_source("/".join(above)) if len(above) > 1 else None)
        split = split or split_name(row.get("split", ""))
        found.append(FoundPicture(path, name, row.get("label") or above[0], split, group, page))
    found, frames = _frames_together(found)
    notes = []
    if frames:
        notes.append(frames)
    if loose:
        notes.append(
            f"skipped: {count(loose, 'picture')} directly in {folder.name}/, without a folder of a class"
        )
    if others:
        kinds = listing(
            [f"{number:,} {suffix or 'without suffix'}" for suffix, number in others.most_common()], 4
        )
        notes.append(f"skipped: files that are no pictures ({kinds})")
    if not found:
        what = "no pictures in this folder" if label is not None else "no pictures in class folders"
        raise DataError(
            f"{folder}: {what}; expected {'' if label is not None else 'CLASS/'}picture.jpg below it"
        )
    splits = {one.split for one in found}
    if None in splits and len(splits) > 1:
        raise DataError(
            f"{folder}: train, valid, test beside folders of classes; put all classes into them, or none"
        )
    return found, notes


def prepare_pictures(
    found: Sequence[FoundPicture], folder: Path, progress: Callable[[int, int], None] | None = None
) -> Pictures:
    """Make a folder of one frame for each picture, below `folder`, and look at every one of them.

    The frame is a link to the picture, or a copy where links cannot be; a photograph that is to be shown turned is
    written anew, upright. Pictures that cannot be read, are smaller than 16 pixels or larger than 100 million are
    left out and named in `problems`.
    """
    pictures = Pictures()
    with ThreadPoolExecutor(usable_cores()) as pool:
        made = pool.map(lambda one: _prepared(one, folder / one.name), found)
        try:
            for done, (one, result) in enumerate(zip(found, made, strict=True), start=1):
                if isinstance(result, str):
                    pictures.problems.append(result)
                else:
                    pictures.found.append(one)
                    pictures.frames.append(folder / one.name)
                    pictures.hashes.append(result)
                if progress:
                    progress(done, len(found))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return pictures


def _frames_together(found: Sequence[FoundPicture]) -> tuple[list[FoundPicture], str]:
    """Return the pictures with those in one group that are frames of one video by their names, and a sentence of it.

    A class whose pictures all have one name before the number is a numbered collection, not the frames of one video.
    """
    videos: dict[tuple[str, PurePosixPath], dict[str, list[int]]] = defaultdict(dict)
    for number, one in enumerate(found):
        name = PurePosixPath(one.name)
        if one.group is None and (match := _FRAME.fullmatch(name.stem)):
            videos[one.label, name.parent].setdefault(match[1], []).append(number)
    result = list(found)
    together = 0
    sources: set[str] = set()
    for (label, _), frames in videos.items():
        if len(frames) == 1 or all(len(numbers) == 1 for numbers in frames.values()):
            continue
        for video, numbers in frames.items():
            group = _source(f"{label}/{video}")
            sources.add(group)
            together += len(numbers)
            for number in numbers:
                result[number] = replace(found[number], group=group)
    if not together:
        return result, ""
    return (
        result,
        f"groups: {count(together, 'frame')} of {count(len(sources), 'source')} by their names, VIDEO_00001",
    )


def _source(name: str) -> str:
    """Return the group that the name of a video or of its folder of frames tells, or the name itself."""
    hit = name_group(f"{name}.jpg")
    return hit[0] if hit else name


def _table(path: Path) -> dict[str, dict[str, str]]:
    """Return what a table of images says of each, by its path in the folder; nothing where there is no such table."""
    if not path.is_file():
        return {}
    from kinema.data.readers.tables import read_cells

    cells, _ = read_cells(path)
    wanted = ("path", "label", "page", "split", "group", "video")
    names = [name for name in wanted if name in cells.columns]
    if "path" not in names:
        return {}
    rows = [dict(zip(names, values, strict=True)) for values in cells[names].to_numpy().tolist()]
    return {row["path"]: row for row in rows}


def _below(folder: Path, others: Counter[str], depth: int = _DEEPEST) -> list[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
    except OSError as error:
        raise DataError(
            f"{folder}: the folder cannot be read: {error.strerror}; check its permissions"
        ) from error
    found: list[Path] = []
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith(".") or entry.name in ("Thumbs.db", "desktop.ini", "__MACOSX"):
            continue
        if entry.is_dir():
            if depth:
                found += _below(path, others, depth - 1)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            found.append(path)
        elif path.name not in (TABLE, "left-out.csv", *TABLES):
            others[path.suffix.lower()] += 1
    return found


def _prepared(one: FoundPicture, frame: Path) -> PictureHash | str:
    """Return the looks of a picture once its frame is there, or why it is left out."""
    turned = 1
    try:
        width, height, turned = _header(one.path)
        if width * height > _MOST_PIXELS:
            return f"{one.path}: {width}x{height} pixels; left out, make it smaller"
        target = frame / f"picture{one.path.suffix.lower()}"
        if turned == 1:
            _link(one.path, target)
        else:
            _write_upright(one.path, target, turned)
        with open_source(frame) as source:
            if min(source.size) < _LEAST_SIDE:
                raise DataError(f"{one.path}: only {source.size[0]}x{source.size[1]} pixels; left out")
            return picture_hash(next(iter(source.frames())).image)
    except (DataError, OSError) as error:
        shutil.rmtree(frame, ignore_errors=True)
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        reason = reason.replace(str(frame / f"picture{one.path.suffix.lower()}"), str(one.path))
        return reason if reason.startswith(str(one.path)) else f"{one.path}: {reason}"


def _header(path: Path) -> tuple[int, int, int]:
    """Return width, height (0 where the header cannot be read: decoding says why) and the EXIF orientation, 1 to 8."""
    from PIL import Image

    # Nothing is decoded here; whatever Pillow refuses, the reader of frames may know or explain.
    with suppress(Exception), Image.open(path) as image:
        orientation = image.getexif().get(0x0112, 1)
        return image.width, image.height, orientation if orientation in range(1, 9) else 1
    return 0, 0, 1


def _link(path: Path, target: Path) -> None:
    """Put the picture under another name, at no cost where the file system can."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a full disk is no fault of the picture's
        raise KinemaError(f"{target.parent}: cannot be written: {error.strerror}") from error
    if target.exists() and target.samefile(path):
        return
    target.unlink(missing_ok=True)
    source = path.resolve()
    for link in (os.link, os.symlink):
        with suppress(OSError):
            link(source, target)
            return
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _write_upright(path: Path, target: Path, orientation: int) -> None:
    import cv2

    data = np.frombuffer(path.read_bytes(), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise DataError(f"{path}: the image is damaged or no image; replace or remove it")
    upright = _upright(np.asarray(image, np.uint8), orientation)
    parameters = [cv2.IMWRITE_JPEG_QUALITY, 95] if target.suffix in (".jpg", ".jpeg") else []
    done, encoded = cv2.imencode(target.suffix, upright, parameters)
    if not done:
        raise KinemaError(f"{path}: cannot be written upright; turn it and remove its orientation mark")
    target.unlink(missing_ok=True)  # a link would lead to the picture itself
    with atomic_path(target) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return the picture as the EXIF orientation (TIFF 6.0, tag 274) says that it is shown."""
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    across = orientation in (2, 3, 6, 7)
    down = orientation in (3, 4, 7, 8)
    return np.ascontiguousarray(image[:: -1 if down else 1, :: -1 if across else 1])
