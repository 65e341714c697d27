"""Which files of a data set are uploaded, and under which names."""

from __future__ import annotations

import os
from pathlib import Path

from kinema.data.manifest import Manifest
from kinema.data.readers.tables import TABLE_SUFFIXES, write_table
from kinema.data.wording import count, listing
from kinema.errors import DataError, UsageError
from kinema.video.remote import is_address
from kinema.video.stored import INDEX, Address

_OUTSIDE = "outside"


def plan_manifest(manifest: Manifest, scratch: Path) -> dict[str, Path]:
    """Return the files of a manifest by their names in the store: videos, files of frame folders, the manifest.

    The manifest, rewritten to those names, is written to the folder `scratch`. Videos that are in a store already
    keep their addresses and are no files here.

    Raises `DataError` when there are no rows or files are missing.
    """
    if not len(manifest):
        raise DataError(
            f"{manifest.path or manifest.root}: the manifest has no rows; there is nothing to upload"
        )
    names = stored_names(manifest)
    files: dict[str, Path] = {}
    missing = []
    for name, stored in names.items():
        if is_address(name):
            continue
        path = manifest.video_path(name)
        if path.is_dir():
            files |= {f"{stored}/{inner}": item for inner, item in plan_folder(path).items()}
        elif path.is_file():
            files[stored] = path
        else:
            missing.append(name)
    if missing:
        what = f"{count(len(missing), 'video')} of it missing: {listing(missing, 3)}"
        mend = "correct the paths, or leave them out with kinema data check --out"
        raise DataError(f"{manifest.path or manifest.root}: {what}; {mend}")
    table = scratch / manifest_name(manifest)
    write_table(manifest.table.assign(video=manifest.table["video"].map(names)), table)
    files[table.name] = table
    return files


def plan_folder(folder: Path) -> dict[str, Path]:
    """Return the files below a folder by their relative names; hidden ones are left out, links are followed.

    Raises `DataError` when there is none.
    """
    files: dict[str, Path] = {}
    passed: set[str] = set()
    for where, inner, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in passed:
            inner.clear()  # a link leads back
            continue
        passed.add(real)
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            path = Path(where) / name
            if not name.startswith(".") and name != INDEX and path.is_file():
                files[path.relative_to(folder).as_posix()] = path
    if not files:
        raise DataError(f"{folder}: no file in this folder; give a folder of videos or a manifest")
    return dict(sorted(files.items()))


def manifest_name(manifest: Manifest) -> str:
    """Return the name of a manifest in the store: its own, or manifest.csv where it was read from something else."""
    path = manifest.path
    own = path is not None and manifest.source_format == "manifest" and path.suffix.lower() in TABLE_SUFFIXES
    return path.name if own and path is not None else "manifest.csv"


def stored_names(manifest: Manifest) -> dict[str, str]:
    """Return the name below the prefix of each video of a manifest; addresses stay.

    A video in the manifest's folder keeps its relative name. Others have the names that they have below the lowest
    folder that they share, and go to `outside/` where there are videos of both kinds.
    """
    names = [str(name) for name in manifest.table["video"].unique()]
    paths = {name: manifest.video_path(name) for name in names if not is_address(name)}
    inside = {
        n: p.relative_to(manifest.root).as_posix()
        for n, p in paths.items()
        if p.is_relative_to(manifest.root)
    }
    far = {name: path for name, path in paths.items() if name not in inside}
    top = f"{_OUTSIDE}/" if inside else ""
    while top and any(name.startswith(top) for name in inside.values()):
        top = f"{top[:-1]}_/"
    outside = {name: top + below for name, below in _below_shared(far).items()}
    return {name: name for name in names if is_address(name)} | inside | outside


def addressed(manifest: Manifest, url: str) -> Manifest:
    """Return the manifest with the addresses that its videos have after an upload to `url`: to train from the store.

    Raises `UsageError` for frame folders, which are not read from a store.
    """
    folders = [
        n for n in manifest.table["video"].unique() if not is_address(n) and manifest.video_path(n).is_dir()
    ]
    if folders:
        message = "frame folders are not read from a store"
        raise UsageError(
            f"{listing(folders, 3)}: {message}; upload without --out and fetch them where you train"
        )
    address = str(Address.parse(url)).rstrip("/")
    names = {n: s if is_address(n) else f"{address}/{s}" for n, s in stored_names(manifest).items()}
    return manifest.replace(manifest.table.assign(video=manifest.table["video"].map(names)))


def _below_shared(paths: dict[str, Path]) -> dict[str, str]:
    if not paths:
        return {}
    try:
        shared = Path(os.path.commonpath([path.parent for path in paths.values()]))
        return {name: path.relative_to(shared).as_posix() for name, path in paths.items()}
    except ValueError:  # several drives on Windows
        drives = {name: path.drive.strip(":\\/").replace("\\", "/") for name, path in paths.items()}
        return {n: f"{drives[n]}/{p.relative_to(p.anchor).as_posix()}" for n, p in paths.items()}
