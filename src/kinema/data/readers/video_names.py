"""Finds the videos that a list names, wherever they lie below a few folders and however the names are written."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from kinema.data.wording import listing, natural_key
from kinema.errors import DataError
from kinema.video.file_source import VIDEO_SUFFIXES
from kinema.video.folder_source import IMAGE_SUFFIXES
from kinema.video.remote import copy_path, is_address


class VideoFinder:
    """Videos and frame folders below some folders, found by name.

    A name may have its suffix or not, folders before it or not, separators of Windows, be an address
    (`file:///…`), and differ in case or in how its accents are encoded. `roots` are (folder, depth) pairs in
    the order in which they are searched; the next one is only read for names that the ones before lack.

    A name with folders is also found by its file name alone, in another folder, unless the folder that it names is
    there and lacks it (`fall/07.mp4` is not `adl/07.mp4` where there are other falls), or `listed`, all of the names that
    will be asked for, has another of that file name: then the folder must agree. `moved` holds the names that were
    found so.
    """

    def __init__(self, roots: Iterable[tuple[Path, int]], listed: Iterable[str] = ()) -> None:
        self._roots = [(root.absolute(), depth) for root, depth in roots]
        self._indices: list[dict[str, list[Path]]] = []
        self._somewhere: list[list[Path]] = []  # one video of each folder
        plain = {_folded(plain_name(name)) for name in listed}
        stems = Counter(_stem(name.rsplit("/", 1)[-1]) for name in plain)
        self._shared = {stem for stem, times in stems.items() if times > 1}
        self.moved: list[str] = []

    @property
    def folders(self) -> list[Path]:
        """The folders that are searched."""
        return [root for root, _ in self._roots]

    def find(self, *names: str) -> Path | None:
        """Return the absolute path of the video that the first findable one of `names` means, or None.

        A video in an object store (s3://bucket/v.mp4) is taken to be there; the path is that of its copy.

        Raises `DataError` (without a file in front) when a name means several videos.
        """
        for name in names:
            if is_address(name.strip()):
                return copy_path(name.strip())
            plain = plain_name(name)
            if not plain:
                continue
            if Path(plain).is_absolute() and _is_video(Path(plain)):
                return Path(plain)
            for place, (root, _) in enumerate(self._roots):
                here = Path(os.path.normpath(root / plain))
                if not Path(plain).is_absolute() and here.is_file():
                    return here
                found = self._indexed(place, plain)
                if found or (not Path(plain).is_absolute() and _is_video(here)):
                    return found or here
        return None

    def _indexed(self, place: int, name: str) -> Path | None:
        while len(self._indices) <= place:
            self._indices.append(_index(*self._roots[len(self._indices)]))
            paths = {path.parent: path for found in self._indices[-1].values() for path in found}
            self._somewhere.append(list(paths.values()))
        index = self._indices[place]
        parts = _folded(name).split("/")
        found = index.get(parts[-1]) or index.get(_stem(parts[-1])) or index.get(f"/{_stem(parts[-1])}") or []
        # Of several, those whose folders agree with the name's own for the longest way.
        best = max((_agreement(path, parts) for path in found), default=0)
        if best < len(parts) - 1 and _stem(parts[-1]) in self._shared:
            return None
        if best < max((_agreement(path, parts) for path in self._somewhere[place]), default=0):
            return None  # the folder is there, and the video is not in it
        found = [path for path in found if _agreement(path, parts) == best]
        # Frames that were taken of a video lie beside it under its name; the video has all of them.
        files = [path for path in found if path.suffix.lower() in VIDEO_SUFFIXES]
        found = files or found
        same_case = [path for path in found if _stem(path.name) == _stem(Path(name).name)]
        found = same_case if len(same_case) == 1 else found
        if len(found) > 1:
            root = self._roots[place][0]
            names = listing([path.relative_to(root).as_posix() for path in found], 3)
            raise DataError(f"'{name}' may be {names}; write the folder too")
        if found and best < len(parts) - 1:
            self.moved.append(name)
        return found[0] if found else None


def plain_name(name: str) -> str:
    """Return a name with forward slashes, without quotes, spaces around it, `./` and the scheme of an address.

    >>> plain_name(" .\\\\clips\\\\a b.mp4 "), plain_name("file:///C:/clips/a%20b.mp4")
    ('clips/a b.mp4', 'C:/clips/a b.mp4')
    """
    name = name.strip().strip("'\"").strip()
    scheme, colon, rest = name.partition("://")
    if colon and scheme.isalnum():
        rest = unquote(rest.split("?")[0].split("#")[0])
        # file:///C:/clips has its drive behind the third slash, file:///home/clips its root.
        name = rest[1:] if rest[2:3] == ":" else rest
    elif name.startswith("file:"):
        name = unquote(name.removeprefix("file:"))
    name = name.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name.rstrip("/")


def holds_videos(folder: Path, depth: int) -> bool:
    """Return whether a video or a folder of images lies in a folder, or up to `depth` folders deeper."""
    return next(_videos(folder, depth), None) is not None


def _index(root: Path, depth: int) -> dict[str, list[Path]]:
    """Return the videos below a folder by folded name and by folded stem."""
    index: dict[str, list[Path]] = {}
    for path in sorted(_videos(root, depth), key=lambda path: natural_key(path.as_posix())):
        name = _folded(path.name)
        # Frames of videos of one name lie in FOLDER_NAME (`frame_names`), and tables of them say so.
        frames = f"/{_folded(path.parent.name)}_{_stem(name)}"
        for key in {name, _stem(name), frames}:
            index.setdefault(key, []).append(path)
    return index


def _videos(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError:
        return
    for entry in entries:
        path = Path(entry.path)
        if path.suffix.lower() in VIDEO_SUFFIXES:
            yield path
        elif depth and entry.is_dir():
            if _holds_images(path):
                yield path
            else:
                yield from _videos(path, depth - 1)


def _holds_images(folder: Path) -> bool:
    try:
        return any(Path(entry.name).suffix.lower() in IMAGE_SUFFIXES for entry in os.scandir(folder))
    except OSError:
        return False


def _is_video(path: Path) -> bool:
    try:
        return path.is_file() or (path.is_dir() and _holds_images(path))
    except (OSError, ValueError):
        return False


def _agreement(path: Path, parts: list[str]) -> int:
    own = _folded(path.as_posix()).split("/")[:-1]
    wanted = parts[:-1]
    same = 0
    while same < min(len(own), len(wanted)) and own[-1 - same] == wanted[-1 - same]:
        same += 1
    return same


def _stem(name: str) -> str:
    path = Path(name)
    return path.stem if path.suffix.lower() in VIDEO_SUFFIXES else name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
