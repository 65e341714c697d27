"""The manifests that the site knows: those made here, those of runs, those in the folders that data may be read from."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.http import Http404

from kinema.data import Manifest, Segment, read_data
from kinema.data.readers.tables import TABLE_SUFFIXES
from kinema.data.wording import count
from kinema.errors import DataError, KinemaError
from kinema.files import write_json
from kinema.video.file_source import VIDEO_SUFFIXES
from kinema.video.remote import is_address
from kinema.web.datasets.roots import below_a_root, roots, shown
from kinema.web.folder import site

_RUN = "data.csv"
_KEPT = 200_000  # rows of manifests in memory


class Entry(NamedTuple):
    """A manifest on disk: `key` names it in addresses and forms, and says nothing of where it lies."""

    key: str
    title: str
    path: Path


@dataclass(frozen=True)
class Loaded:
    """A manifest that was read, with what pages ask of it again and again."""

    entry: Entry
    manifest: Manifest
    fingerprint: str
    haystack: list[str] = field(repr=False)

    @cached_property
    def segments(self) -> list[Segment]:
        """Its rows."""
        return self.manifest.segments()


def manifests() -> list[Entry]:
    """Return what there is now: made here (the newest first), of runs, in the folders of data."""
    return [*made_here(), *of_runs(), *in_folders()]


def made_here() -> list[Entry]:
    """Return the manifests that pages of this site made, the newest first."""
    files = [path for path in site().place("manifests").iterdir() if _is_table(path)]
    files.sort(key=lambda path: (-_changed(path), path.name))
    return [Entry(_key(path), str(record(path).get("title") or shown(path.stem)), path) for path in files]


def of_runs() -> list[Entry]:
    """Return the data that runs were trained on."""
    given = Path(settings.KINEMA_RUN) if settings.KINEMA_RUN else None
    folders = [given] if given else []
    for home in (*settings.KINEMA_RUNS, site().place("runs")):
        if home.is_dir():
            folders += sorted(path for path in home.iterdir() if path.is_dir())
    files = dict.fromkeys(path.resolve() for folder in folders if (path := folder / _RUN).is_file())
    return [Entry(_key(path), f"data of the run {shown(path.parent.name)}", path) for path in files]


def in_folders() -> list[Entry]:
    """Return the manifest files of the folders of data: `manifest.csv` or `.parquet` in one, or in a folder of it."""
    found = []
    for root in roots():
        for pattern in ("manifest.csv", "manifest.parquet", "*/manifest.csv", "*/manifest.parquet"):
            for path in sorted(root.glob(pattern)):
                if path.resolve().is_relative_to(root):
                    found.append(Entry(_key(path), shown(path.parent.name), path))
    return found


def entry(key: str) -> Entry:
    """Return the manifest of that key. Raises `Http404`."""
    for one in manifests():
        if one.key == key:
            return one
    raise Http404(f"no manifest {key!r}: it may have been removed")


def entry_of(path: Path) -> Entry:
    """Return the entry of a manifest that was made here."""
    return Entry(_key(path), str(record(path).get("title") or shown(path.stem)), path)


def is_made_here(one: Entry) -> bool:
    """Return whether a manifest belongs to the site, so that it may be removed here."""
    return one.path.parent == site().place("manifests")


_loaded: OrderedDict[Path, tuple[tuple[int, int], Loaded]] = OrderedDict()
_lock = threading.Lock()


def load(one: Entry) -> Loaded:
    """Return the manifest, from memory where the file has not changed. Raises `DataError`."""
    try:
        stat = one.path.stat()
    except OSError as error:
        raise DataError(f"{one.title}: its file cannot be read ({error.strerror})") from error
    stamp = (stat.st_mtime_ns, stat.st_size)
    with _lock:
        known = _loaded.get(one.path)
        if known and known[0] == stamp:
            _loaded.move_to_end(one.path)
            return known[1]
    manifest = read_data(one.path)
    table = manifest.table
    texts = zip(*(table[name].fillna("").astype(str) for name in ("video", "label", "group")), strict=True)
    found = Loaded(one, manifest, manifest.fingerprint(), ["\n".join(row).casefold() for row in texts])
    with _lock:
        _loaded[one.path] = (stamp, found)
        while len(_loaded) > 1 and sum(len(known.manifest) for _, known in _loaded.values()) > _KEPT:
            _loaded.popitem(last=False)
    return found


def record(path: Path) -> dict[str, Any]:
    """Return what is written beside a manifest that was made here: title, how, from what, notes; empty where nothing is."""
    try:
        found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(manifest: Manifest, title: str, token: str, **known: Any) -> Entry:
    """Write a manifest into the site under a name that no other has, and return its entry; again with a token: the same file.

    `known` is written beside it, with the title and the manifest's notes.
    """
    path = site().place("manifests") / f"{slug(title)}-{token}.csv"
    write_json(path.with_suffix(".json"), {"title": title, **known, "notes": manifest.notes})
    manifest.write(path)
    return entry_of(path)


def remove(one: Entry) -> int:
    """Remove a manifest that was made here, and the archives that were sent here and that no other manifest needs.

    Returns how many these were. Raises `DataError` for a manifest of elsewhere.
    """
    if not is_made_here(one):
        raise DataError(f"{one.title}: only manifests that were made here can be removed here")
    sent = _sent(one) or set()
    one.path.unlink(missing_ok=True)
    one.path.with_suffix(".json").unlink(missing_ok=True)
    if sent:
        for other in (*made_here(), *of_runs()):
            needed = _sent(other)
            sent = set() if needed is None else sent - needed
    for folder in sent:
        shutil.rmtree(folder, ignore_errors=True)
    return len(sent)


def _sent(one: Entry) -> set[Path] | None:
    """The folders of archives that were sent here in which videos of a manifest lie; None where nobody knows."""
    home = site().place("uploaded").resolve()
    try:
        manifest = load(one).manifest
    except KinemaError:
        return None
    paths = (manifest.video_path(name) for name in manifest.table["video"].unique() if not is_address(name))
    return {home / path.relative_to(home).parts[0] for path in paths if path.is_relative_to(home)}


def shown_video(one: Entry, segment: Segment) -> Path | None:
    """Return the video file (or frame folder) of a segment where the site may show it, links followed; else None.

    A manifest may name any path. Shown is what lies below the folders of data or in the site's own folders, and what a
    run was trained on that the owner of the machine gave; and only what is a video by its name.
    """
    if is_address(segment.name):
        return None
    try:
        path = segment.video.resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None
    if not path.is_dir() and path.suffix.lower() not in VIDEO_SUFFIXES:
        return None
    return path if may_read(path) or _is_given(one) or path in _given_videos() else None


def may_read(path: Path) -> bool:
    """Return whether a path, links followed, lies below the folders of data or in a folder of the site."""
    resolved = path.resolve()
    home = site().root.resolve()
    own = resolved.is_relative_to(home) and len(resolved.relative_to(home).parts) > 1
    return own or below_a_root(resolved)


def refuse_outside(manifest: Manifest, one: Entry | None = None, *, only: Path | None = None) -> None:
    """Raise `DataError` where a manifest names a video that the site may not read; with `only`, outside of that folder."""
    if one is not None and _is_given(one):
        return
    bad = []
    for name in manifest.table["video"].unique():
        if is_address(name):
            allowed = only is None
        else:
            path = manifest.video_path(name).resolve()
            allowed = (
                path.is_relative_to(only.resolve()) if only else may_read(path) or path in _given_videos()
            )
        if not allowed:
            bad.append(name)
    if bad:
        where = "the archive" if only else "the folders that this site may read"
        raise DataError(f"{count(len(bad), 'video')} outside of {where}, which is refused: {bad[0]!r}")


def refuse_unwritable(manifest: Manifest) -> None:
    """Raise `DataError` for names that are no text: a table cannot hold them."""
    for name in manifest.table["video"].unique():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{shown(name)!r}: a file name that is not UTF-8; rename it") from error


def slug(text: str) -> str:
    """Return a text as it can stand in addresses and file names.

    >>> slug("Falls & daily life (é)")
    'Falls-daily-life'
    """
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:60] or "data"


def _is_given(one: Entry) -> bool:
    """Whether a manifest is that of a run which the owner of the machine gave: it was trained on outside of the site."""
    if one.path.name != _RUN:
        return False
    homes = [path.resolve() for path in settings.KINEMA_RUNS]
    run = one.path.parent.resolve()
    return run.parent in homes or (bool(settings.KINEMA_RUN) and run == Path(settings.KINEMA_RUN).resolve())


_given: tuple[tuple[tuple[str, int], ...], frozenset[Path]] = ((), frozenset())


def _given_videos() -> frozenset[Path]:
    """The videos of the runs that the owner of the machine gave; kept until one of these changes."""
    global _given
    entries = [one for one in of_runs() if _is_given(one)]
    stamp = tuple((str(one.path), one.path.stat().st_mtime_ns) for one in entries)
    if stamp != _given[0]:
        found = set()
        for one in entries:
            try:
                manifest = load(one).manifest
            except KinemaError:
                continue
            found |= {manifest.video_path(name).resolve() for name in manifest.table["video"].unique()}
        _given = (stamp, frozenset(found))
    return _given[1]


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # removed a moment ago
        return 0.0


def _is_table(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in TABLE_SUFFIXES and not path.name.startswith(".")


def _key(path: Path) -> str:
    name = path.parent.name if path.stem in ("data", "manifest") else path.stem
    return (
        f"{slug(name)}-{hashlib.sha256(str(path.resolve()).encode(errors='surrogateescape')).hexdigest()[:8]}"
    )
