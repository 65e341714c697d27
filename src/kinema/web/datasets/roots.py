"""The folders of this machine that data may be read from, and the way through them: by keys, never by a path of a request."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.http import Http404

from kinema.video.file_source import VIDEO_SUFFIXES
from kinema.web.folder import site

DATA = "KINEMA_DATA"
"""The environment variable that names the folders, separated as PATH is (`kinema serve --data`)."""
_LISTS = frozenset(
    {".csv", ".tsv", ".parquet", ".pq", ".json", ".eaf", ".xml"}
)  # suffixes of files that a reader may know
_DEEPEST = 12


@dataclass(frozen=True)
class Place:
    """A folder or list below one of the roots. `keys` leads to it in addresses, `trail` holds (name, keys) from the root."""

    path: Path
    keys: str
    trail: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """Its name, for people."""
        return self.trail[-1][0]


@dataclass
class Inside:
    """What lies directly in a folder: folders and lists with their keys, and how many videos and other files."""

    folders: list[Place] = field(default_factory=list)
    lists: list[Place] = field(default_factory=list)
    videos: int = 0
    others: int = 0


def roots() -> list[Path]:
    """Return the folders that exist, links followed, each once."""
    given = [Path(part) for part in os.environ.get(DATA, "").split(os.pathsep) if part.strip()]
    return list(dict.fromkeys(path.resolve() for path in given if path.is_dir()))


def root_places() -> list[Place]:
    """Return the roots as places."""
    return [Place(path, key := _key(str(path)), ((shown(path.name) or str(path), key),)) for path in roots()]


def place(keys: str) -> Place:
    """Return the place that keys lead to: each is looked for among what is there. Raises `Http404`."""
    first, *rest = [part for part in keys.split("/") if part] or [""]
    here = next((root for root in root_places() if root.keys == first), None)
    if here is None or len(rest) > _DEEPEST:
        raise Http404("no such folder")
    for key in rest:
        found = next((child for child in _children(here) if child.keys.rsplit("/", 1)[1] == key), None)
        if found is None:
            raise Http404("no such folder")
        here = found
    return here


def inside(here: Place) -> Inside:
    """Return what is in a folder, names in natural order. Raises `Http404` where it cannot be read."""
    from kinema.data.wording import natural_key

    found = Inside()
    for child in _children(here):
        suffix = child.path.suffix.lower()
        if child.path.is_dir():
            found.folders.append(child)
        elif suffix in VIDEO_SUFFIXES:
            found.videos += 1
        elif suffix in _LISTS:
            found.lists.append(child)
        else:
            found.others += 1
    for places in (found.folders, found.lists):
        places.sort(key=lambda one: natural_key(one.name))
    return found


def below_a_root(path: Path) -> bool:
    """Return whether a path, links followed, lies below one of the roots."""
    resolved = path.resolve()
    return any(resolved.is_relative_to(root) for root in roots())


def shown(name: str) -> str:
    """Return a file's name as text that can be written, whatever bytes it is made of."""
    return os.fsencode(name).decode("utf-8", "replace")


def _children(here: Place) -> Iterator[Place]:
    """Yield what is in a folder; hidden names and links that lead out of the roots are left out."""
    try:
        entries = list(os.scandir(here.path))
    except OSError as error:
        raise Http404("this folder cannot be read") from error
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith((".", "__MACOSX")) or (entry.is_symlink() and not below_a_root(path)):
            continue
        if entry.is_dir() and path.resolve() == site().root.resolve():  # the site itself is no data
            continue
        keys = f"{here.keys}/{_key(entry.name)}"
        yield Place(path, keys, (*here.trail, (shown(entry.name), keys)))


def _key(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
