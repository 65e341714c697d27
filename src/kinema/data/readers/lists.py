"""What the official lists of data sets share: the listed videos, there or absent."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import pandas as pd

from kinema.data.columns import split_name
from kinema.data.groups import assign_groups
from kinema.data.manifest import NOT_THERE, Absent, Manifest
from kinema.data.wording import count, listing
from kinema.errors import DataError, UsageError
from kinema.video.file_source import VIDEO_SUFFIXES

_NAMED = 5  # so many absent files are named in a note


@dataclass(frozen=True, slots=True)
class Listed:
    """A video that an official list names: `CLASS/VIDEO.avi` or `VIDEO.avi`, and where the list does so.

    `split` is None for a video that the list names and leaves unused.
    """

    name: str
    label: str | None
    split: str | None
    file: Path
    line: int


class VideoFiles:
    """The videos below a folder, listed once, so that looking one up asks the disk nothing.

    `paths` start from `root`, with slashes, in the order of their names; hidden files are passed over.
    """

    def __init__(self, root: Path, depth: int = 4) -> None:
        """List the videos in `root` and `depth` folders below it. Raises `DataError` if it is no folder."""
        if not root.is_dir():
            raise DataError(f"{root}: no such folder of videos; check --videos")
        self.root = root
        self.paths: list[str] = []
        _list(str(root), "", depth, self.paths)
        self.paths.sort()
        self._by_stem: dict[str, list[str]] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def of_stem(self, stem: str) -> list[str]:
        """Return the videos of that file name, its suffix aside."""
        if self._by_stem is None:
            self._by_stem = {}
            for path in self.paths:
                self._by_stem.setdefault(_stem(path), []).append(path)
        return self._by_stem.get(_composed(stem), [])

    def match(self, names: Sequence[str]) -> list[str | None]:
        """Return the file of each listed name, None where it is absent.

        The folders of a name count: `A/x.avi` and `B/x.avi` are two videos. They may differ in what file
        systems do not allow or people change (`Sit/Stand` is found in `Sit_Stand`), the suffix may be another
        (videos that were encoded again), and where the videos lie in one folder without classes, a file
        stands for a name that only one class has.
        """
        pairs = [(_folder(name), _stem(name)) for name in names]
        classes = {slug(folder) for folder, _ in pairs}
        classes_of = Counter(stem for _, stem in set(pairs))
        return [
            self._find(folder, stem, PurePosixPath(name).suffix, classes, classes_of[stem] == 1)
            for name, (folder, stem) in zip(names, pairs, strict=True)
        ]

    def _find(self, folder: str, stem: str, suffix: str, classes: Container[str], one: bool) -> str | None:
        files = sorted(self.of_stem(stem), key=lambda path: not path.endswith(suffix))
        if not folder or not files:
            return files[0] if files else None
        for path in files:
            if f"/{_folder(path)}".endswith(f"/{folder}"):
                return path
        wanted = slug(folder)
        for path in files:
            parts = PurePosixPath(path).parts[:-1]
            if any(slug("/".join(parts[-n:])) == wanted for n in range(1, len(parts) + 1)):
                return path
        loose = (path for path in files if slug(PurePosixPath(path).parent.name) not in classes)
        return next(loose, None) if one else None


def videos_of(path: Path, lists: Path, videos: Path | None) -> VideoFiles:
    """Return the videos in `videos`, or else in `path`, or beside it where it is the folder of lists itself."""
    files = VideoFiles(videos or path)
    return files if len(files) or videos or lists != path else VideoFiles(path.absolute().parent)


def some_videos(path: Path, folders: int = 100, entries: int = 100) -> list[str]:
    """Return names of videos in a folder and in the first folders inside, few enough to look at any tree.

    None where the folders inside are train, valid, test: that sorting then is what counts.
    """
    names, inner = _some(path, "", 10 * entries)
    for name in inner[:folders]:
        if split_name(name):
            return []
        names += _some(path / name, f"{name}/", entries)[0]
    return names


def listed_manifest(
    listed: Iterable[Listed], files: VideoFiles, title: str, *, alone: str | None = None
) -> Manifest:
    """Return the listed videos that are there as a manifest, with groups, and lists the others in `absent`, with a note.

    `title` begins the notes. Groups are found from the names, unless `alone` says why there are none: then
    each video is a group of its own. Videos without a split are ones that the lists name and leave unused: they are
    left out. Raises `DataError` when no listed video is there, and for a video in two splits or classes.
    """
    entries, notes = once(listed)
    found = files.match([entry.name for entry in entries])
    pairs = [(path, entry) for path, entry in zip(found, entries, strict=True) if entry.split]
    rows = [(path, entry.label, entry.split) for path, entry in pairs if path]
    absent = [
        Absent(f"{entry.file.name} line {entry.line}", entry.name, entry.label, NOT_THERE)
        for path, entry in pairs
        if not path
    ]
    if not rows:
        raise none_there(str(files.root), len(pairs), files)
    said = [f"{title}: {count(len(rows), 'video')} of the {len(pairs):,} listed ones are there"]
    if absent:
        said.append(absent_note(absent, {label for _, label, _ in rows}))
    if len(entries) > len(pairs):
        unused = count(len(entries) - len(pairs), "listed video")
        said.append(f"left out: {unused} that the lists mark as unused")
    said += [*notes, *unlisted_note(files, set(found))]
    table = pd.DataFrame(rows, columns=["video", "label", "split"], dtype=object)
    if alone is None:
        return assign_groups(Manifest(table, files.root, notes=said, absent=absent))
    table["group"] = [_stem(path) for path, _, _ in rows]
    said.append(f"groups: each video its own, since {alone}")
    return Manifest(table, files.root, notes=said, absent=absent)


def once(listed: Iterable[Listed]) -> tuple[list[Listed], list[str]]:
    """Return each listed video once, and notes. Raises `DataError` for one in two splits or classes."""
    seen: dict[str, Listed] = {}
    repeated: list[str] = []
    for entry in listed:
        first = seen.setdefault(entry.name, entry)
        if first is entry:
            continue
        if (first.label, first.split) != (entry.label, entry.split):
            before = f"{first.file.name} line {first.line}"
            what = f"is '{first.label}' of {first.split} in {before}"
            raise DataError(f"{entry.file}: line {entry.line}: '{entry.name}' {what}; remove one of the two")
        repeated.append(entry.name)
    notes = [f"listed twice, used once: {listing(repeated)}"] if repeated else []
    return list(seen.values()), notes


def none_there(where: str, total: int, files: VideoFiles, mend: str | None = None) -> DataError:
    """Return the error for a list of which not one video is there."""
    mend = mend or "unpack them there, or give their folder with --videos"
    folder = "this folder" if where == str(files.root) else str(files.root)
    place = f"among the {count(len(files), 'video')} in {folder}" if len(files) else f"in {folder}"
    none = "" if len(files) else ", which holds no video"
    return DataError(f"{where}: none of the {total:,} listed videos is {place}{none}; {mend}")


def absent_note(absent: Sequence[Absent], present: Container[str | None]) -> str:
    """Return how many listed videos are absent, of which classes, and the first; `present` are classes with some."""
    note = f"absent: {count(len(absent), 'listed video')}"
    counts = Counter(one.label for one in absent if one.label is not None)
    gone = {label: 0 for label in counts if label not in present}
    partly = [f"{label} ({number:,})" for label, number in counts.items() if label in present]
    if gone:
        note += f"; all of {count(len(gone), 'class', 'classes')} ({listing(gone, 3)})"
    if partly:
        note += f"; some of {listing(partly, 8)}"
    # A class of which all is absent is named already.
    names = [one.path for one in sorted(absent, key=lambda one: one.label in gone)]
    return f"{note}: {listing(names, _NAMED)}"


def unlisted_note(files: VideoFiles, used: Container[str | None]) -> list[str]:
    """Return a note on the videos that no list names, if there are any."""
    others = [path for path in files.paths if path not in used]
    return [f"skipped: {count(len(others), 'video')} that no list names: {listing(others)}"] if others else []


def refuse_fold(name: str, fold: int) -> None:
    """Raise `UsageError` for a fold that is not one of three."""
    if fold not in (1, 2, 3):
        raise UsageError(f"{name} has folds 1, 2 and 3, not {fold}")


def slug(name: str) -> str:
    """Return a name as folders write it: letters and digits in lower case, one underscore for all else.

    >>> slug("Sit/Stand up"), slug("massaging person's head")
    ('sit_stand_up', 'massaging_person_s_head')
    """
    return re.sub(r"[\W_]+", "_", _composed(name).casefold()).strip("_")


def _list(folder: str, prefix: str, depth: int, found: list[str]) -> None:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read: {error.strerror}") from error
    for entry in entries:
        name = entry.name
        if name.startswith("."):
            continue
        if name[name.rfind(".") :].lower() in VIDEO_SUFFIXES and entry.is_file():
            found.append(prefix + name)
        elif depth and entry.is_dir():
            _list(entry.path, f"{prefix}{name}/", depth - 1, found)


def _some(folder: Path, prefix: str, most: int) -> tuple[list[str], list[str]]:
    videos: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, most):
                if entry.name.startswith("."):
                    continue
                if Path(entry.name).suffix.lower() in VIDEO_SUFFIXES:
                    videos.append(prefix + entry.name)
                elif entry.is_dir():
                    folders.append(entry.name)
    except OSError:
        return [], []
    return videos, sorted(folders)


def _folder(path: str) -> str:
    return _composed(path.rpartition("/")[0]).removeprefix("./")


def _stem(path: str) -> str:
    return _composed(PurePosixPath(path).stem)


def _composed(text: str) -> str:
    # macOS writes "ö" into file names as two characters, lists hold it as one.
    return text if text.isascii() else unicodedata.normalize("NFC", text)
