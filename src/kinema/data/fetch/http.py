"""Downloads over HTTP that survive the network: they go on where they broke, check what came, and can wait.

A file is whole and verified at its place, or it is not there; what came so far lies beside it as `NAME.part`.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from kinema.data.fetch.answers import FinalError, PassingError, refusal, said_of
from kinema.data.fetch.connection import Connection, UntrustedError
from kinema.data.fetch.hosts import Hosts
from kinema.data.fetch.partial import PartFile, Said, checksum_of
from kinema.errors import KinemaError

if TYPE_CHECKING:
    import httpx

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where known


class DownloadError(KinemaError):
    """A file that could not be had: its `url`, the `reason`, the number of `tries`."""

    def __init__(self, url: str, reason: str, tries: int) -> None:
        super().__init__(f"{url}: {reason} ({tries} {'try' if tries == 1 else 'tries'})")
        self.url, self.reason, self.tries = url, reason, tries


class StoppedError(Exception):
    """`Downloader.stop` was called; what came so far stays beside the target."""


@dataclass(slots=True)
class _Job:
    url: str
    part: PartFile
    size: int | None
    checksum: str | None
    progress: Progress | None
    tries: int = 0
    barren: int = 0  # tries in a row that came no further
    furthest: int = 0
    wrong: int = 0  # times that whole but wrong bytes came
    verify: bool = True


class Downloader:
    """Fetches files, from any number of threads, with one ceiling of parallel requests for each host.

    `tries` bounds the tries in a row that bring nothing: a file of many gigabytes may break more often than that.
    Between them it waits what Retry-After says, or `first_wait` seconds, doubled each time up to `longest_wait`,
    with jitter; a server that asks for more than `patience` seconds is a failure. `say` is told of long waits.
    `clock`, `sleep` and `now` are for tests.

    >>> with Downloader() as downloader:  # doctest: +SKIP
    ...     downloader.fetch("https://example.org/clips.zip", Path("clips.zip"), checksum="sha256:…")

    Raises `UsageError` when the download extra is not installed.
    """

    def __init__(
        self,
        *,
        connections: int = 4,
        tries: int = 6,
        timeout: float = 30.0,
        first_wait: float = 1.0,
        longest_wait: float = 60.0,
        patience: float = 900.0,
        say: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.connections = connections
        self._connection = Connection(timeout, connections)
        self._tries, self._patience = tries, patience
        self._first_wait, self._longest_wait = first_wait, longest_wait
        self._say, self._now = say, now
        self._sleep = sleep or self._nap
        self._stopped = threading.Event()
        self._hosts = Hosts(connections, clock, self._sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def stop(self) -> None:
        """End all downloads at their next byte; they raise `StoppedError`."""
        self._stopped.set()

    def fetch(
        self,
        url: str,
        target: Path,
        *,
        size: int | None = None,
        checksum: str | None = None,
        progress: Progress | None = None,
    ) -> Path:
        """Download a file to its place and return that; `size` in bytes and `checksum` ("sha256:…") are checked.

        What an earlier call left is continued with a Range request, if the server still has the same file; wrong
        bytes are removed and asked for once more. Raises `DownloadError` with the reason, `StoppedError`.
        """
        import tenacity

        target.parent.mkdir(parents=True, exist_ok=True)
        job = _Job(url, PartFile(target), size, checksum, progress)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(PassingError),
            wait=lambda state: self._pause(job, state),
            stop=lambda state: job.barren >= self._tries or job.wrong >= 2 or job.tries >= 50 * self._tries,
            before_sleep=lambda state: self._tell(job, state),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            retrying(self._attempt, job)
        except (PassingError, FinalError) as error:
            raise DownloadError(url, str(error), job.tries) from error
        return job.part.into_place()

    def _attempt(self, job: _Job) -> None:
        """Ask once for what is missing, and check the whole."""
        job.tries += 1
        job.furthest = max(job.furthest, job.part.bytes)
        try:
            if not self._whole(job):
                with (
                    self._hosts.turn(job.url),
                    self._connection.get(job.url, self._headers(job), verify=job.verify) as response,
                ):
                    self._receive(response, job)
            self._check(job)
        except PassingError:
            job.barren = 0 if job.part.bytes > job.furthest else job.barren + 1
            raise
        except UntrustedError as error:
            if not (job.verify and (job.checksum or "").startswith("sha256:")):
                raise
            # UCF101 lies on a server whose certificate chain is incomplete. The published SHA-256 proves the bytes
            # better than the certificate would, so only a file that has one is taken.
            job.verify = False
            self._say(f"{job.url}: certificate not trusted; its published SHA-256 will be checked instead")
            raise PassingError("the certificate of the server is not trusted", 0.0) from error
        except OSError as error:
            raise FinalError(f"cannot be written: {error.strerror or error}") from error

    def _whole(self, job: _Job) -> bool:
        said = job.part.said()
        return said is not None and said.url == job.url and 0 < job.part.bytes == said.total

    def _headers(self, job: _Job) -> dict[str, str]:
        """Ask for the rest, if it can be told whether the file is still the same."""
        headers = {"Accept-Encoding": "identity"}
        have, said = job.part.bytes, job.part.said()
        if not have:
            return headers
        same = said is not None and said.url == job.url
        known = same and said is not None and (said.etag or said.modified)
        if (known or (same and job.checksum)) and not (job.size and have >= job.size):
            headers["Range"] = f"bytes={have}-"
            if said is not None and said.if_range:
                headers["If-Range"] = said.if_range
        else:
            job.part.discard()
        return headers

    def _receive(self, response: httpx.Response, job: _Job) -> None:
        if response.status_code == 416:
            job.part.discard()
            raise PassingError("the server has fewer bytes than it had announced")
        self._look_at(response, job)
        said, start = said_of(response, job.url)
        if job.size is not None and said.total is not None and said.total != job.size:
            self._wrong(job, f"the server announces {said.total:,} bytes, {job.size:,} are published")
        if start:
            before = job.part.said()
            if start != job.part.bytes or before is None or before.contradicts(said):
                job.part.discard()
                raise PassingError("the file has changed on the server since the download began")
        else:
            job.part.begin(said)
        self._room(job, said)
        received = start
        # Unbuffered: what has come is on the disk even if the process is killed.
        with job.part.path.open("ab", buffering=0) as handle:
            for chunk in response.iter_raw():
                if self._stopped.is_set():
                    raise StoppedError(job.url)
                rest = memoryview(chunk)
                while rest:
                    rest = rest[handle.write(rest) :]
                received += len(chunk)
                if job.progress:
                    job.progress(received, said.total or job.size)
                if job.size is not None and received > job.size:
                    self._wrong(job, f"more than the published {job.size:,} bytes came")
        if said.total is not None and received != said.total:
            raise PassingError(f"cut after {received:,} of {said.total:,} bytes")

    def _look_at(self, response: httpx.Response, job: _Job) -> None:
        """Turn away, before the body comes, what cannot be the file."""
        error = refusal(response, job.part.target.name, self._now(), self._patience)
        if error is None:
            return
        if isinstance(error, PassingError) and error.wait:
            self._hosts.pause(job.url, error.wait)
        raise error

    def _room(self, job: _Job, said: Said) -> None:
        missing = (said.total or 0) - job.part.bytes
        free = shutil.disk_usage(job.part.target.parent).free
        if missing > free:
            raise FinalError(f"{missing:,} bytes are missing and the disk has {free:,} left; free some")

    def _check(self, job: _Job) -> None:
        have = job.part.bytes
        if job.size is not None and have != job.size:
            self._wrong(job, f"{have:,} bytes came, {job.size:,} are published")
        if job.checksum:
            found = checksum_of(job.part.path, job.checksum)
            if found != job.checksum:
                self._wrong(job, f"wrong checksum: {found}, published is {job.checksum}")

    def _wrong(self, job: _Job, reason: str) -> None:
        job.part.discard()
        job.wrong += 1
        raise PassingError(reason)

    def _pause(self, job: _Job, state: Any) -> float:
        """Return the seconds until the next try."""
        error = state.outcome.exception()
        asked = error.wait if isinstance(error, PassingError) else None
        if asked == 0.0:
            return 0.0
        doubled = self._first_wait * 2 ** min(max(job.barren - 1, 0), 30)
        wait = asked if asked is not None else min(self._longest_wait, doubled)
        return wait + random.uniform(0, self._first_wait)

    def _tell(self, job: _Job, state: Any) -> None:
        if state.next_action.sleep >= 5:
            error = state.outcome.exception()
            self._say(f"{job.part.target.name}: {error}; next try in {state.next_action.sleep:.0f} s")

    def _nap(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise StoppedError
