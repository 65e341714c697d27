"""Uploads on disk: begun, gone on with at an offset, finished once, thrown away.

The bytes that lie in `upload.part` are the truth: a piece is appended as it comes, and where the server is killed in the
middle of one, what was written is still the beginning of the file. The database is told when a file is whole, in one
transaction with the job that checks it; so no upload is lost there, and none is checked twice.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from filelock import FileLock, Timeout

from kinema.web.folder import site
from kinema.web.jobs import queue
from kinema.web.recognizers import recognizers
from kinema.web.videos.limits import Refused, check_size, lifetime
from kinema.web.videos.models import ORIGINAL, Video

_PART = "upload.part"
_PIECE = 1 << 20


def begin(name: str, size: int, owner: Any, *, key: str = "", wanted: str = "") -> Video:
    """Begin an upload of `size` bytes, or return the one that this user began with the same `key`.

    Raises `Refused` for a size that is not taken, and for a recognizer (`wanted`, its key) that is not there.
    """
    shown = shown_name(name)
    known = owner if owner is not None and owner.is_authenticated else None
    if key and (found := _begun(known, key)):
        if found.size != size:
            raise Refused(400, f"{shown}: another file was begun with this key; take a new one")
        if found.state == Video.State.UPLOADING:  # whoever took its folder away: it begins anew
            found.folder.mkdir(parents=True, exist_ok=True)
        if found.wanted != wanted:  # what was chosen last holds
            _check_wanted(shown, wanted)
            Video.objects.filter(pk=found.pk, state=Video.State.UPLOADING).update(wanted=wanted[:200])
        return found
    _check_wanted(shown, wanted)
    expire()
    check_size(shown, size, _promised())
    values = {"name": shown, "size": size, "owner": known, "key": key[:64], "wanted": wanted[:200]}
    try:
        with transaction.atomic():
            video = Video.objects.create(expires=timezone.now() + lifetime(), **values)
            shutil.rmtree(video.folder, ignore_errors=True)  # of a database before this one
            video.folder.mkdir(parents=True)
    except OSError as error:
        raise Refused(507, f"{shown}: cannot be written ({error.strerror or error})") from error
    except IntegrityError:  # the same client, twice at the same time
        found = _begun(known, key)
        if found is None:
            raise
        return found
    return video


def offset_of(video: Video) -> int:
    """Return how many bytes of an upload are here."""
    if video.state != Video.State.UPLOADING:
        return int(video.size)
    with suppress(OSError):
        return _part(video).stat().st_size
    with suppress(OSError):
        return _stored(video).stat().st_size
    return 0


def append(video: Video, offset: int, length: int | None, stream: IO[bytes]) -> int:
    """Append what `stream` holds at `offset`, and return the new offset; a whole upload is handed to its check.

    `length`: bytes that the stream says it has. Raises `Refused`: 409 for another offset than the file's, 413 for more than
    was announced, 423 while another request writes, 410 where the upload is gone.
    """
    if video.state != Video.State.UPLOADING:
        raise Refused(409, f"{video.name}: it is here already, all {video.size} bytes of it")
    if not video.folder.is_dir():
        raise Refused(410, f"{video.name}: this upload is gone; begin it again")
    if length is not None and offset + length > video.size:
        raise Refused(413, f"{video.name}: more than the {video.size} bytes that were announced")
    try:
        with FileLock(str(video.folder / "upload.lock"), timeout=0):
            here = offset_of(video)
            if offset != here:
                raise Refused(409, f"{video.name}: byte {here} is next, not {offset}")
            if here < video.size:
                here = _write(video, here, stream)
    except Timeout as error:
        raise Refused(423, f"{video.name}: another request is writing; try again") from error
    except OSError as error:
        raise Refused(507, f"{video.name}: cannot be written ({error.strerror or error})") from error
    if here == video.size:
        complete(video)
    else:
        Video.objects.filter(pk=video.pk).update(expires=timezone.now() + lifetime())
    return here


def complete(video: Video) -> None:
    """Give a whole upload its name and queue its check; whoever comes second changes nothing."""
    if video.state != Video.State.UPLOADING or offset_of(video) != video.size:
        return
    with suppress(FileNotFoundError):  # named already, before a kill
        _part(video).replace(_stored(video))
    with transaction.atomic():
        mine = Video.objects.filter(pk=video.pk, state=Video.State.UPLOADING).update(
            state=Video.State.CHECKING, file=str(_stored(video).relative_to(site().root)), expires=None
        )
        if mine:
            job = queue.add("video-check", f"Check {video.name}", {"video": video.pk}, video.owner)
            Video.objects.filter(pk=video.pk).update(job=job)
    (video.folder / "upload.lock").unlink(missing_ok=True)
    try:
        video.refresh_from_db()
    except Video.DoesNotExist:
        shutil.rmtree(video.folder, ignore_errors=True)
        raise Refused(410, f"{video.name}: this upload was given up; begin it again") from None


def receive(file: Any, owner: Any, *, wanted: str = "") -> Video:
    """Take a file that came in one request (a Django `UploadedFile`). Raises `Refused`."""
    video = begin(file.name or "video", int(file.size or 0), owner, wanted=wanted)
    part = _part(video)
    try:
        if hasattr(file, "temporary_file_path"):
            shutil.move(file.temporary_file_path(), part)
        else:
            with part.open("wb") as out:
                for piece in file.chunks():
                    out.write(piece)
    except OSError as error:
        discard(video)
        raise Refused(507, f"{video.name}: cannot be written ({error.strerror or error})") from error
    complete(video)
    return video


def discard(video: Video) -> None:
    """Throw an unfinished upload away."""
    Video.objects.filter(pk=video.pk, state=Video.State.UPLOADING).delete()
    if not Video.objects.filter(pk=video.pk).exists():
        shutil.rmtree(video.folder, ignore_errors=True)


def expire() -> int:
    """Throw away uploads that nobody went on with, finish those that only lack their last step; return how many went."""
    gone = 0
    for video in Video.objects.filter(state=Video.State.UPLOADING):
        if offset_of(video) == video.size:
            complete(video)
        elif video.expires and video.expires < timezone.now():
            discard(video)
            gone += 1
    return gone


def shown_name(name: str) -> str:
    """Return a user's name of a file as it is shown: without folders and without what cannot be printed."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    text = "".join(letter if letter.isprintable() else " " for letter in last)
    return " ".join(text.split())[:200] or "video"


def _check_wanted(shown: str, wanted: str) -> None:
    if wanted and wanted not in {choice.key for choice in recognizers()}:
        raise Refused(400, f"{shown}: no recognizer {wanted!r}; it may have been removed, choose another")


def _begun(owner: Any, key: str) -> Video | None:
    who = Q(owner=owner) if owner is not None else Q(owner=None)
    return Video.objects.filter(who, key=key[:64]).first()


def _promised() -> int:
    """Bytes that uploads under way will still bring."""
    return sum(video.size - offset_of(video) for video in Video.objects.filter(state=Video.State.UPLOADING))


def _write(video: Video, here: int, stream: IO[bytes]) -> int:
    with _part(video).open("ab") as out:
        while piece := stream.read(_PIECE):
            if here + len(piece) > video.size:
                raise Refused(413, f"{video.name}: more than the {video.size} bytes that were announced")
            out.write(piece)
            here += len(piece)
    return here


def _part(video: Video) -> Path:
    return video.folder / _PART


def _stored(video: Video) -> Path:
    """Where the whole file lies: a name of ours, with the suffix of a known kind of video or none."""
    from kinema.video.file_source import VIDEO_SUFFIXES

    suffix = Path(video.name).suffix.lower()
    return video.folder / f"{ORIGINAL}{suffix if suffix in VIDEO_SUFFIXES else '.video'}"
