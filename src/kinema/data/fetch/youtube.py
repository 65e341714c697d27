"""Clips of YouTube (or of a mirror of it) through yt-dlp as a library: only the wanted seconds are fetched."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av.error
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)
from yt_dlp import YoutubeDL
from yt_dlp.networking.common import Request, Response
from yt_dlp.networking.exceptions import HTTPError, IncompleteRead, TransportError
from yt_dlp.utils import YoutubeDLError

from kinema.data.fetch.cutting import SHORTFALL, UnseekableError, copy_seconds, write_clip
from kinema.data.fetch.hosts import retry_after
from kinema.data.fetch.pacing import Pacing, StoppedError
from kinema.data.fetch.ranges import NoRangesError, RangedFile
from kinema.data.fetch.refusals import ClipError, Reason, causes, plain, reason_of, reason_of_text
from kinema.errors import DataError, KinemaError
from kinema.files import cache_folder

YOUTUBE = "https://www.youtube.com/watch?v={id}"

_TRIES = {Reason.RATE: 6, Reason.NETWORK: 4, Reason.REFUSED: 2, Reason.DAMAGED: 2}
_BLOCK_TRIES = 3
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG)
_ROUNDED = 1.0  # seconds by which a site's statement of a duration may be off


class Site:
    """Where the clips come from. One for all workers; each of their threads has its own yt-dlp.

    `address` holds "{id}" in the place of a video's name. Formats of at most `short_side` pixels on their
    shorter side are preferred, and clips are shrunk to it. Unfinished downloads wait in `partial`. `rest` is
    the first back-off after a network fault, in seconds; it doubles from try to try.
    """

    def __init__(
        self,
        pacing: Pacing,
        partial: Path,
        *,
        address: str = YOUTUBE,
        short_side: int = 360,
        timeout: float = 30.0,
        rest: float = 1.0,
    ) -> None:
        self.pacing = pacing
        self.address = address
        self.short_side = short_side
        self._partial = partial
        self._timeout = timeout
        self._rest = rest
        self._own = threading.local()

    def url(self, name: str) -> str:
        """Return the address of a video."""
        return self.address.replace("{id}", name)

    def fetch(self, name: str, start: float, end: float, target: Path) -> None:
        """Put [start, end) seconds of the video `name` into `target`, trying again where that makes sense.

        Raises `ClipError` when the clip cannot be had, `StoppedError`, and `KinemaError` when the disk is full.
        """

        def again(state: RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            if not isinstance(error, ClipError):
                return False
            error.tries = state.attempt_number
            return state.attempt_number < _TRIES.get(error.reason, 1)

        def rest(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            limited = isinstance(error, ClipError) and error.reason is Reason.RATE
            return 0.0 if limited else backoff(state)  # a limit has closed the gate: that is the wait

        backoff = wait_exponential_jitter(initial=self._rest, max=60, jitter=self._rest)
        tries = Retrying(retry=again, wait=rest, sleep=self.pacing.pause, reraise=True)
        tries(self._fetch_once, name, start, end, target)

    def _fetch_once(self, name: str, start: float, end: float, target: Path) -> None:
        client = self._client()
        client.begin()
        asked = self.pacing.wait()
        try:
            self._cut(client, name, start, end, target)
        except (ClipError, StoppedError):
            raise
        except DataError as error:
            raise ClipError(Reason.DAMAGED, plain(error)) from error
        except (YoutubeDLError, av.error.FFmpegError, OSError) as error:
            for cause in causes(error):
                if isinstance(cause, OSError) and cause.errno in _OF_THE_DISK:
                    why = os.strerror(cause.errno)
                    raise KinemaError(
                        f"{target}: cannot be written: {why}; mend that and run again"
                    ) from error
            raise self._explained(client, error, asked) from error

    def _explained(self, client: Client, error: Exception, asked: float) -> ClipError:
        reason, said = reason_of(error), plain(error)
        if client.limited and not reason.permanent:
            return ClipError(Reason.RATE, client.limited)
        if reason in (Reason.OTHER, Reason.REFUSED) and client.warnings:
            # yt-dlp reports the cause as a warning where it had other ways to try.
            reason = next((r for r in map(reason_of_text, client.warnings) if r is not Reason.OTHER), reason)
            said = f"{said} ({plain(client.warnings[0])})"
        if reason is Reason.RATE:
            self.pacing.refused(asked, None, f"{self._host} says: {said}")
        return ClipError(reason, said)

    def _cut(self, client: Client, name: str, start: float, end: float, target: Path) -> None:
        info = client.extract_info(self.url(name), download=False)
        if isinstance(info, dict) and info.get("entries"):
            info = next(iter(info["entries"]))
        if not isinstance(info, dict) or not info.get("url"):
            raise ClipError(Reason.FORMAT, "no video at this address")
        if info.get("is_live"):
            raise ClipError(Reason.FORMAT, "a live stream, which has no fixed seconds")
        length = info.get("duration")
        if length is not None and length + _ROUNDED + SHORTFALL < end:
            detail = f"the video ends at {length:g} s; the clip was to end at {end:g} s"
            raise ClipError(Reason.SHORT, detail)
        self._partial.mkdir(parents=True, exist_ok=True)
        if info.get("protocol") in ("http", "https"):
            try:
                self._cut_there(client, info, start, end, target)
                return
            except (NoRangesError, UnseekableError):
                pass
        self._cut_here(client, info, start, end, target)

    def _cut_there(
        self, client: Client, info: dict[str, Any], start: float, end: float, target: Path
    ) -> None:
        def ask(first: int, last: int) -> tuple[bytes, int]:
            tries = Retrying(
                retry=retry_if_exception_type(TransportError),
                stop=stop_after_attempt(_BLOCK_TRIES),
                wait=wait_exponential_jitter(initial=self._rest, max=10, jitter=self._rest),
                sleep=self.pacing.pause,
                reraise=True,
            )
            return tries(client.read_range, info["url"], info.get("http_headers") or {}, first, last)

        with tempfile.TemporaryDirectory(prefix="piece-", dir=self._partial) as folder:
            piece = copy_seconds(RangedFile(ask), Path(folder), start, end)
            write_clip(piece.path, target, start, end, short_side=self.short_side, offset=piece.offset)

    def _cut_here(self, client: Client, info: dict[str, Any], start: float, end: float, target: Path) -> None:
        # A folder with a name that lasts, so that a later run goes on with what yt-dlp has left there.
        folder = self._partial / re.sub(r"[^\w.-]", "_", f"{target.parent.name}_{target.stem}")
        folder.mkdir(exist_ok=True)
        kind = re.sub(r"[^\w.-]", "_", f"{info.get('format_id') or 'video'}.{info.get('ext') or 'mp4'}")
        whole = folder / kind
        if not whole.exists():
            succeeded, _ = client.dl(str(whole), info)
            if not succeeded or not whole.exists():
                raise ClipError(Reason.NETWORK, "the download did not finish")
        try:
            write_clip(whole, target, start, end, short_side=self.short_side)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _client(self) -> Client:
        client: Client | None = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = Client(self.pacing, self._options(), self._host)
        return client

    @property
    def _host(self) -> str:
        return urlsplit(self.address).netloc or self.address

    def _options(self) -> dict[str, Any]:
        return {
            "quiet": True,
            "noprogress": True,
            "color": "never",
            "format": "bv*/b",
            # A plain file can be read in parts; streams of fragments have to be fetched whole.
            "format_sort": ["proto", f"res:{self.short_side}", "vcodec:h264", "+size"],
            "noplaylist": True,
            "playlist_items": "1",
            "socket_timeout": self._timeout,
            "retries": 2,
            "extractor_retries": 1,
            "fragment_retries": 3,
            "skip_unavailable_fragments": False,
            "hls_prefer_native": True,
            "fixup": "never",
            "updatetime": False,
            "cachedir": str(cache_folder() / "yt-dlp"),
        }


class Client(YoutubeDL):
    """yt-dlp whose every request waits at the shared gate, and which notes each "too many requests".

    yt-dlp turns that answer into a warning and goes on where it knows another way; `limited` tells it apart
    from the failure that follows.
    """

    def __init__(self, pacing: Pacing, options: dict[str, Any], host: str) -> None:
        self._pacing = pacing
        self._host = host
        self.limited: str | None = None
        self.warnings: list[str] = []
        hooks: list[Callable[[dict[str, Any]], None]] = [lambda _: pacing.check()]
        super().__init__({**options, "logger": _Silent(self.warnings), "progress_hooks": hooks})

    def begin(self) -> None:
        """Forget what was noted for the video before."""
        self.limited = None
        self.warnings.clear()

    def urlopen(self, req: Any) -> Response:
        asked = self._pacing.wait()
        try:
            return super().urlopen(req)
        except HTTPError as error:
            after = retry_after(error.response.headers.get("Retry-After"), time.time())
            if error.status == 429 or (error.status == 503 and after is not None):
                said = f"HTTP {error.status} {error.reason or ''}".rstrip()
                self.limited = said + (f", Retry-After {after:g} s" if after is not None else "")
                self._pacing.refused(asked, after, f"{self._host} answers {said}")
            raise

    def read_range(self, url: str, headers: dict[str, str], first: int, last: int) -> tuple[bytes, int]:
        """Return the bytes from `first` to `last`, or to the end of the file, and the file's size.

        Raises `NoRangesError` when the server sends the whole file instead.
        """
        wanted = {**headers, "Range": f"bytes={first}-{last}", "Accept-Encoding": "identity"}
        with closing(self.urlopen(Request(url, headers=wanted))) as response:
            stated = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range") or "")
            if response.status != 206 or stated is None or int(stated[1]) != first:
                raise NoRangesError
            size = int(stated[3])
            expected = min(last, size - 1) - first + 1
            data = bytearray()
            while len(data) < expected and (more := response.read(expected - len(data))):
                data += more
        if len(data) < expected:
            raise IncompleteRead(partial=len(data), expected=expected)
        return bytes(data), size


class _Silent:
    """A logger for yt-dlp that prints nothing and keeps the warnings of one video."""

    def __init__(self, warnings: list[str]) -> None:
        self._warnings = warnings

    def debug(self, message: str) -> None:
        if "age-restricted" in message:  # said on the screen only, before the attempt to get around it fails
            self._warnings.append(message)

    info = debug

    def error(self, message: str) -> None:
        """The error itself is raised."""

    def warning(self, message: str) -> None:
        self._warnings.append(message)
