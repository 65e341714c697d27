"""Reads folders of videos: class folders, with train, valid, test above or not; flat folders; one video."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from kinema.data.columns import split_name
from kinema.data.groups import assign_groups, name_group
from kinema.data.manifest import Manifest
from kinema.data.readers.registry import readers, register_reader
from kinema.data.wording import count, listing, natural_key
from kinema.errors import DataError
from kinema.video.file_source import VIDEO_SUFFIXES
from kinema.video.folder_source import IMAGE_SUFFIXES

_PACKED = frozenset({".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz"})

_TEXTS = frozenset(
    {".txt", ".json", ".xml", ".eaf", ".md", ".html", ".yaml", ".yml", ".xls", ".xlsx", ".mat"}
)

_Row = tuple[str, str | None, str | None, str | None]  # video, label, split, group


@dataclass
class _Folder:
    """What one folder holds, by kind; names are in natural order."""

    path: Path
    videos: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: int = 0
    folders: list[_Folder] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_frames(self) -> bool:
        return bool(self.images) and not self.videos and not any(f.holds for f in self.folders)

    @property
    def clips(self) -> list[Path]:
        """Videos and frame folders directly inside."""
        return [*(self.path / name for name in self.videos), *(f.path for f in self.folders if f.is_frames)]

    @property
    def holds(self) -> bool:
        return bool(self.videos or self.is_frames or any(f.holds for f in self.folders))


def _is_one(path: Path) -> bool:
    return path.is_file() or _scan(path, depth=2).is_frames


@register_reader("one video", "a video file, or a folder of images", _is_one, rank=80)
def read_video(path: Path) -> Manifest:
    """Read one video as a manifest of one row without a label, for prediction.

    Raises `DataError` for an archive and for text, which is no video and no list that another reader knew.
    """
    if path.suffix.lower() in _PACKED:
        raise DataError(f"{path}: this is a packed archive; unpack it and give the folder")
    if path.suffix.lower() in _TEXTS:
        known = ", ".join(reader.name for reader in readers() if reader.rank < 80)
        raise DataError(
            f"{path}: neither a video nor a list of a known format ({known}); give one or a folder"
        )
    return assign_groups(Manifest({"video": [path.name]}, path.parent, notes=["one video without a label"]))


@register_reader(
    "class folders",
    "a folder of videos for each class, train/valid/test above it or not",
    Path.is_dir,
    rank=90,
)
def read_class_folders(path: Path) -> Manifest:
    """Read videos and frame folders; the class is the name of the folder that holds them.

    `path/CLASS/VIDEO`, `path/SPLIT/CLASS/VIDEO`, both inside one folder more, or with one folder more below
    the class, which then is the group. Videos without any folder become a manifest without labels. Hidden
    files are passed over; other files and folders without videos are named in the notes.

    Raises `DataError` when there is no video, or when train, valid, test hold videos without class folders.
    """
    top = _scan(path, depth=4)
    notes: list[str] = []
    if not top.holds:
        raise DataError(f"{path}: no videos in this folder{_instead(top)}; expected CLASS/VIDEO.mp4 below it")
    root = top
    while not root.clips and (inner := _only(root)) and any(f.folders or f.videos for f in inner.folders):
        notes.append(f"the class folders are in {inner.path.relative_to(path).as_posix()}/")
        root = inner
    holders = [folder for folder in root.folders if folder.holds]
    halves = [folder for folder in holders if split_name(folder.name)]
    rows: list[_Row] = []
    if _all_frames(root, holders):
        rows = [(_relative(clip, path), None, None, None) for clip in root.clips]
        notes.append(f"{count(len(rows), 'video')} without labels: class folders are missing above them")
    elif halves and any(inner.holds and not inner.is_frames for half in halves for inner in half.folders):
        for half in halves:
            rows += _classes(half.folders, path, split_name(half.name))
            _stray(half.clips, f"{half.name}/", notes)
        left_out = [folder.name for folder in holders if folder not in halves]
        if left_out:
            notes.append(
                f"skipped: {listing(left_out)}, not being train, valid or test as the folders beside are"
            )
        _stray(root.clips, "the top folder", notes)
    elif halves and len(halves) == len(holders):
        names = listing([f"{folder.name}/" for folder in halves])
        mend = f"sort them into {halves[0].name}/CLASS/"
        raise DataError(f"{path}: videos without class folders in {names}; {mend}")
    else:
        rows = _classes(holders, path, None)
        _stray([root.path / name for name in root.videos], "the top folder", notes)
    _skipped(top, path, notes)
    columns = ["video", "label", "split", "group"]
    manifest = Manifest(pd.DataFrame(rows, columns=columns, dtype=object), path, notes=notes)
    if manifest.classes:
        manifest.notes.insert(
            0, f"{count(len(rows), 'video')} in {count(len(manifest.classes), 'class folder')}"
        )
    return assign_groups(manifest)


def _classes(folders: list[_Folder], top: Path, split: str | None) -> list[_Row]:
    rows: list[_Row] = []
    for folder in folders:
        rows += [(_relative(clip, top), folder.name, split, None) for clip in folder.clips]
        for inner in (f for f in folder.folders if not f.is_frames):
            for clip in _below(inner):
                name = _relative(clip, top)
                # A name that tells the subject or source is surer than the folder it happens to lie in.
                group = None if name_group(name) else f"{folder.name}/{inner.name}"
                rows.append((name, folder.name, split, group))
    return rows


def _below(folder: _Folder) -> list[Path]:
    return [
        *folder.clips,
        *(clip for inner in folder.folders if not inner.is_frames for clip in _below(inner)),
    ]


def _scan(path: Path, depth: int) -> _Folder:
    found = _Folder(path)
    try:
        entries = sorted(os.scandir(path), key=lambda entry: natural_key(entry.name))
    except OSError as error:
        raise DataError(
            f"{path}: the folder cannot be read: {error.strerror}; check its permissions"
        ) from error
    for entry in entries:
        suffix = Path(entry.name).suffix.lower()
        if entry.name.startswith((".", "__MACOSX")) or entry.name in ("Thumbs.db", "desktop.ini"):
            found.hidden += 1
        elif entry.is_dir():
            if depth:
                found.folders.append(_scan(Path(entry.path), depth - 1))
        elif suffix in VIDEO_SUFFIXES:
            found.videos.append(entry.name)
        elif suffix in IMAGE_SUFFIXES:
            found.images.append(entry.name)
        else:
            found.others.append(entry.name)
    return found


def _only(folder: _Folder) -> _Folder | None:
    holders = [inner for inner in folder.folders if inner.holds and not inner.is_frames]
    return holders[0] if len(holders) == 1 and not split_name(holders[0].name) else None


def _all_frames(root: _Folder, holders: list[_Folder]) -> bool:
    return bool(root.clips) and all(folder.is_frames for folder in holders)


def _stray(clips: list[Path], where: str, notes: list[str]) -> None:
    if clips:
        names = listing([clip.name for clip in clips])
        notes.append(f"skipped: {count(len(clips), 'video')} directly in {where}, without a class: {names}")


def _skipped(top: _Folder, path: Path, notes: list[str]) -> None:
    others: list[str] = []
    images: list[str] = []
    empty: list[str] = []
    hidden = 0
    queue = [top]
    while queue:
        folder = queue.pop(0)
        hidden += folder.hidden
        others += [_relative(folder.path / name, path) for name in folder.others]
        if folder.is_frames and folder is not top:
            continue
        images += [_relative(folder.path / name, path) for name in folder.images]
        empty += [f"{_relative(inner.path, path)}/" for inner in folder.folders if not inner.holds]
        queue += [inner for inner in folder.folders if inner.holds]
    if empty:
        notes.append(f"skipped: {count(len(empty), 'folder')} without videos: {listing(empty)}")
    if others:
        notes.append(f"skipped: {count(len(others), 'file')} of other kinds: {listing(others)}")
    if images:
        notes.append(f"skipped: {count(len(images), 'image')} beside videos: {listing(images)}")
    if hidden:
        notes.append(f"skipped: {count(hidden, 'hidden file')}")


def _instead(top: _Folder) -> str:
    names = [*top.others, *(f"{folder.name}/" for folder in top.folders)]
    if any(Path(name).suffix.lower() in _PACKED for name in top.others):
        return f" (it holds {listing(names, 3)}: unpack it)"
    return f" (it holds {listing(names, 3)})" if names else " (it is empty)"


def _relative(path: Path, top: Path) -> str:
    return path.relative_to(top).as_posix()
