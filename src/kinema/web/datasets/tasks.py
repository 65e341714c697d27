"""Long work with data: check, import, split, unpack, pictures, a look at all of it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from typing import Any

from django.http import Http404
from django.urls import reverse
from django.utils import timezone

from kinema.data import Manifest, assign_groups, check, near_duplicates, read_data
from kinema.data.explore import explore
from kinema.data.fetch import Limits, unpack
from kinema.data.likeness import write_leak_page
from kinema.data.readers.tables import write_table
from kinema.data.segments import usable_cores
from kinema.data.splits import SplitSettings, make_splits
from kinema.errors import DataError
from kinema.web.datasets import uploads
from kinema.web.datasets.catalogue import (
    Entry,
    entry,
    keep,
    load,
    refuse_outside,
    refuse_unwritable,
)
from kinema.web.datasets.outcomes import (
    MOST_ABSENT,
    Outcome,
    absent_table,
    keep_outcome,
    leak_page,
)
from kinema.web.datasets.pictures import make_pictures
from kinema.web.datasets.reports import carry, explored_page, keep_report
from kinema.web.datasets.roots import place
from kinema.web.folder import site
from kinema.web.jobs.kinds import Progress, job

_MEMORY = (
    12 * 2**30
)  # bytes of address space: a file of strangers that wants more ends its job and nothing else
_HOURS = 3600.0
_UNPACKED = Limits(total=20 * 10**9, ratio=100.0, files=200_000)


@job("check-data", memory=_MEMORY, seconds=24 * _HOURS)
def check_data(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Decode every clip of a manifest and keep what was found."""
    one, manifest = _manifest(arguments["key"])
    fingerprint = manifest.fingerprint()
    leaks = bool(arguments.get("leaks"))
    whole = 2.0 if leaks else 1.0
    found = check(
        manifest,
        workers=_workers(),
        min_seconds=float(arguments.get("min_seconds", 0.2)),
        min_frames=int(arguments.get("min_frames", 4)),
        progress=lambda done, total: progress(
            done / max(1, total), whole, f"{done:,} of {total:,} clips decoded"
        ),
    )
    alike = ""
    if leaks:
        usable = found.clean() if found.bad else manifest
        stages = _stages(progress, 1.0, whole)
        alike = near_duplicates(usable, workers=_workers(), progress=stages).text()
    keep_report(one, fingerprint, timezone.now().isoformat(timespec="seconds"), found, alike)
    return {
        "url": reverse("datasets:check", args=[one.key]),
        "bad": len(found.bad),
        "warned": len(found.warned),
        "clips": len(found.outcomes),
    }


@job("import-data", memory=_MEMORY, seconds=6 * _HOURS)
def import_data(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Read a folder or list in any known layout and write it as a manifest of the site."""
    where = _find(place, arguments["keys"])
    options = dict(arguments.get("options") or {})
    if arguments.get("videos"):
        options["videos"] = _find(place, arguments["videos"]).path
    progress(0, 0, "reading")
    manifest = read_data(where.path, format=arguments.get("format") or None, **options)
    manifest = _grouped(manifest, arguments.get("groups") or {})
    progress.check()
    refuse_unwritable(manifest)
    refuse_outside(manifest)
    return _write(manifest, arguments, kind="import", origin=where.name)


@job("unpack-data", memory=_MEMORY, seconds=2 * _HOURS)
def unpack_data(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Unpack an archive that was sent, and read what is in it as a manifest of the site."""
    token = arguments["token"]
    folder = site().place("uploaded") / token
    try:
        upload = uploads.find(arguments["upload"])
    except Http404 as error:
        upload = None  # forgotten by an attempt that was killed after its last step
        if not folder.exists():
            raise DataError(str(error)) from error
    if upload is not None and not folder.exists():
        work = site().place("uploaded", f".{token}")
        shutil.rmtree(work, ignore_errors=True)  # of an attempt that was killed
        try:
            unpack(
                upload.path,
                folder,
                limits=_UNPACKED,
                work=work,
                progress=lambda done, total: progress(done, total or 0, f"{done / 1e6:,.0f} MB unpacked"),
            )
        except DataError as error:
            uploads.forget(upload)
            raise type(error)(str(error).replace(str(upload.path), upload.name)) from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
    progress(0, 0, "reading")
    try:
        manifest = read_data(folder)
        refuse_unwritable(manifest)
        refuse_outside(manifest, only=folder)
    except DataError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if upload is not None:
            uploads.forget(upload)
        raise type(error)(str(error).replace(str(folder), "the archive")) from error
    made = _write(manifest, arguments, kind="unpack", origin=str(arguments.get("name") or "an archive"))
    if upload is not None:
        uploads.forget(upload)
    return made


@job("split-data", memory=_MEMORY, seconds=24 * _HOURS)
def split_data(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Split a manifest and write the result as new ones."""
    one, manifest = _manifest(arguments["key"])
    given = dict(arguments["settings"])
    if other := given.pop("like", None):
        given["table"] = _find(entry, other).path
    given["lists"] = {name: [str(video) for video in names] for name, names in given.get("lists", {}).items()}
    progress(0, 0, "splitting")
    made = make_splits(
        manifest, SplitSettings(**given), workers=_workers(), progress=_stages(progress, 0.0, 1.0)
    )
    token, title = arguments["token"], arguments["title"]
    outcome = Outcome("split", title, source=one.key, settings=arguments["settings"])
    if made.likeness is not None:
        outcome.alike = made.likeness.text()
        if made.likeness.pairs:
            progress(0, 0, "pictures of what is alike")
            write_leak_page(leak_page(token), made.likeness, made.manifests[0])
            outcome.pictures = True
    if made.refused:
        outcome.refused = "the same footage is in two splits: the test would ask for what was learnt"
    else:
        several = len(made.manifests) > 1
        for number, part in enumerate(made.manifests, start=1):
            name = f"{title}, fold {number} of {len(made.manifests)}" if several else title
            tail = f"{token}-{number:03}" if several else token
            written = keep(part, name, tail, made="split", source=one.key, by=arguments.get("by", ""))
            outcome.made.append(written.key)
            carry(load(one), load(written))
        # The first note says how many rows the file has that was read.
        outcome.notes = [note for note in made.manifests[0].notes if not note.startswith(one.path.name)]
    keep_outcome(token, outcome)
    return {"url": reverse("datasets:outcome", args=[token])}


@job("pictures-data", memory=_MEMORY, seconds=1 * _HOURS, short=True)
def pictures_data(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Make the pictures of some rows of a manifest."""
    loaded = load(_find(entry, arguments["key"]))
    rows = [row for row in arguments["rows"] if 0 <= row < len(loaded.segments)]
    made = make_pictures(
        loaded, rows, lambda done, total: progress(done, total, f"{done:,} of {total:,} pictures"), _workers()
    )
    return {"made": made}


@job("explore-data", memory=_MEMORY, seconds=24 * _HOURS)
def explore_data(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Look at every clip and write the page that shows what is odd, as `kinema data explore` does."""
    one, manifest = _manifest(arguments["key"])
    found = explore(
        manifest,
        explored_page(one),
        previews=False,
        workers=_workers(),
        progress=_stages(progress, 0.0, 1.0),
    )
    return {
        "url": reverse("datasets:explore", args=[one.key]),
        "odd": len(found.odd),
        "clips": len(found.clips),
    }


def _find(find: Callable[[str], Any], key: str) -> Any:
    """Return what pages find by a key. Raises `DataError` where it has gone since the job was queued."""
    try:
        return find(key)
    except Http404 as error:
        raise DataError(str(error)) from error


def _manifest(key: str) -> tuple[Entry, Manifest]:
    one = _find(entry, key)
    manifest = load(one).manifest
    refuse_outside(manifest, one)
    return one, manifest


def _write(manifest: Manifest, arguments: dict[str, Any], *, kind: str, origin: str) -> dict[str, Any]:
    token, title = arguments["token"], arguments["title"]
    absent = manifest.absent.fillna("").astype(str)
    if len(absent):
        write_table(absent, absent_table(token))
    made = keep(manifest, title, token, made=kind, source=origin, by=arguments.get("by", ""))
    notes = [f"read as {manifest.source_format}", *manifest.notes]
    keep_outcome(
        token,
        Outcome(
            kind,
            title,
            made=[made.key],
            notes=notes,
            absent=absent.head(MOST_ABSENT).to_numpy().tolist(),
            absent_total=len(absent),
        ),
    )
    return {"url": reverse("datasets:outcome", args=[token])}


def _grouped(manifest: Manifest, groups: dict[str, Any]) -> Manifest:
    if not groups:
        return manifest
    # What the reader guessed is not what the user now says.
    notes = [note for note in manifest.notes if not note.startswith("groups:")]
    return assign_groups(manifest.replace(manifest.table, notes), **groups)


def _stages(progress: Progress, before: float, whole: float) -> Callable[[str, int, int], None]:
    """Return what the library tells its stages to: each fills the bar anew, from `before` of `whole` on."""
    lock = threading.Lock()

    def tell(stage: str, done: int, total: int) -> None:
        with lock:
            progress(
                before + (whole - before) * done / max(1, total), whole, f"{stage}: {done:,} of {total:,}"
            )

    return tell


def _workers() -> int:
    return min(8, usable_cores())
