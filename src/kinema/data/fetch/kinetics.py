"""Clips of Kinetics-400, 600 and 700: chosen from the official lists, cut out of YouTube's videos, resumable."""

from __future__ import annotations

import os
import queue
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pandas as pd

from kinema.data.fetch.catalogue import find
from kinema.data.fetch.extra import needs_yt_dlp
from kinema.data.fetch.failures import FAILURES, Failure, Fetched, read_failures, write_failures
from kinema.data.fetch.fetching import fetch_lists
from kinema.data.fetch.folder_lock import folder_lock
from kinema.data.fetch.kinetics_lists import Lists, bad_rows, choose, read_lists
from kinema.data.fetch.pacing import Pacing, StoppedError
from kinema.data.fetch.refusals import ClipError, Reason, plain
from kinema.data.manifest import Manifest
from kinema.data.wording import count
from kinema.errors import KinemaError, UsageError

if TYPE_CHECKING:
    from kinema.data.fetch.youtube import Site

Progress = Callable[[int, int, str], None]

ADDRESS_VARIABLE = "KINEMA_KINETICS_ADDRESS"
"""Names a mirror of the videos: an address with "{id}" in it, in place of YouTube's."""

_MOST_CONNECTIONS = 16
_BYTES_A_CLIP = 500_000  # ten seconds at 360 lines, at least
_SAVE_EVERY = 30.0  # seconds
_PARTIAL = ".partial"


def fetch_kinetics(
    name: str,
    out: Path,
    *,
    classes: Sequence[str] | None = None,
    per_class: int | None = None,
    split: str | None = None,
    seed: int = 0,
    connections: int = 4,
    retry_failed: bool = False,
    lists: Path | None = None,
    progress: Progress | None = None,
    address: str | None = None,
    short_side: int = 360,
    pacing: Pacing | None = None,
    rest: float = 1.0,
) -> Fetched:
    """Fetch the chosen clips into `out`/CLASS/ID_000010_000020.mp4, with manifest.csv and a table of failures.

    `lists` is a CSV or a folder of them; None fetches the official ones. `classes`, `per_class`, `split` and
    `seed` choose (see `choose`). What is there and decodes is not fetched again. Videos that are private,
    removed, blocked, restricted or too short are not asked for again unless `retry_failed`. HTTP 429 pauses
    all of the `connections` workers (see `Pacing`). `short_side`: the largest shorter side in pixels.
    `address`: see `ADDRESS_VARIABLE`. `rest`: the first back-off after a network fault, in seconds.
    `progress(done, total, text)` is called from the calling thread.

    The manifest lists every clip of the lists that lies in `out`, and is written after an interruption too.
    Raises `UsageError` and `DataError` for choices and lists that make no sense, `KinemaError` when the site
    keeps refusing or the disk is full.
    """
    if not 1 <= connections <= _MOST_CONNECTIONS:
        raise UsageError(f"connections must be from 1 to {_MOST_CONNECTIONS}, not {connections}")
    if short_side < 16:
        raise UsageError(f"the shorter side must be 16 pixels or more, not {short_side}")
    say = progress or (lambda done, total, text: None)
    if (data_set := find(name)).how != "clips":
        raise UsageError(
            f"{data_set.name} does not consist of clips of YouTube; leave out --classes, --per-class"
        )
    site = _site(out, pacing or Pacing(connections), address, short_side, rest)
    known = read_lists(lists or fetch_lists(data_set.name, out, connections=connections))
    chosen = choose(known, classes=classes, per_class=per_class, split=split, seed=seed)
    with folder_lock(out):
        work = _Work(site, out, known, chosen, retry_failed)
        work.refuse(bad_rows(known, classes, split))
        try:
            work.run(connections, say)
        finally:
            fetched = work.save()
    if site.pacing.gave_up:
        raise site.pacing.gave_up
    return fetched


@dataclass(frozen=True, slots=True)
class _Outcome:
    path: str
    state: str  # done, present, failed or stopped
    failure: Failure | None = None


class _Work:
    """One run over the chosen clips, and what came of each."""

    def __init__(self, site: Site, out: Path, lists: Lists, chosen: pd.DataFrame, retry_failed: bool) -> None:
        self._site = site
        self._out = out
        self._lists = lists
        self._failures_path = out / FAILURES
        self._before = read_failures(self._failures_path)
        self._failures = dict(self._before)
        self._counts = {"done": 0, "present": 0, "failed": 0, "stopped": 0}
        self._broken: set[str] = set()
        self._total = len(chosen)
        gone = set() if retry_failed else {n for n, f in self._before.items() if _permanent(f)}
        self._there = set(self._present())
        given_up = chosen["path"].isin(gone - self._there)
        self._counts["failed"] += int(given_up.sum())
        self._todo = chosen[~given_up]

    def refuse(self, bad: pd.DataFrame) -> None:
        """Record rows of the lists that are no clips."""
        for place, why in bad[["place", "why"]].itertuples(index=False, name=None):
            self._failures[place] = Failure.now(place, "", f"unreadable row: {why}", 0)
            self._counts["failed"] += 1
        self._total += len(bad)

    def run(self, connections: int, say: Progress) -> None:
        """Fetch what is missing, `connections` at a time, until done, stopped or interrupted."""
        self._refuse_full_disk()
        pacing, ended = self._site.pacing, queue.SimpleQueue[Future[_Outcome]]()
        saved = monotonic()
        say(self._known, self._total, "")
        with ThreadPoolExecutor(connections, "fetch") as pool:
            try:
                columns = ["path", "youtube_id", "start", "end"]
                rows = self._todo[columns].itertuples(index=False, name=None)
                for row in islice(rows, 2 * connections):
                    pool.submit(self._one, *row).add_done_callback(ended.put)
                left = len(self._todo)
                while left and not pacing.stopped:
                    with suppress(queue.Empty):
                        outcome = ended.get(timeout=0.5).result()
                        left -= 1
                        self._note(outcome)
                        for row in islice(rows, 1):
                            pool.submit(self._one, *row).add_done_callback(ended.put)
                        said = outcome.failure.reason if outcome.failure else outcome.state
                        say(self._known, self._total, f"{outcome.path}: {said}")
                    if seconds := pacing.waiting:
                        say(self._known, self._total, f"the site asks for a pause: {seconds:.0f} s")
                    if monotonic() - saved > _SAVE_EVERY:
                        write_failures(self._failures_path, self._failures.values())
                        saved = monotonic()
            finally:
                # Nothing is begun any more; what is being fetched ends at its next request.
                pacing.stop()
                pool.shutdown(cancel_futures=True)
                while not ended.empty():
                    future = ended.get()
                    if not future.cancelled() and future.exception() is None:
                        self._note(future.result())

    def save(self) -> Fetched:
        """Write the table of failures and the manifest of what lies in the folder."""
        partial = self._out / _PARTIAL
        with suppress(OSError):
            partial.rmdir()
        there = {path for path in self._present() if path not in self._broken}
        for path in there & set(self._failures):
            del self._failures[path]
        failures = write_failures(self._failures_path, self._failures.values())
        clips = self._lists.clips[self._lists.clips["path"].isin(there)]
        manifest = None
        if len(clips):
            table = {
                "video": clips["path"],
                "label": clips["label"],
                "split": clips["split"],
                "group": clips["youtube_id"],
            }
            manifest = Manifest(pd.DataFrame(table), self._out).write(self._out / "manifest.csv")
        done, present, failed = (self._counts[state] for state in ("done", "present", "failed"))
        return Fetched(done, present, failed, self._out, failures, manifest)

    @property
    def _known(self) -> int:
        return self._counts["done"] + self._counts["present"] + self._counts["failed"]

    def _one(self, path: str, youtube_id: str, start: float, end: float) -> _Outcome:
        from kinema.data.fetch.cutting import decodes

        target, url = self._out / path, self._site.url(youtube_id)
        try:
            if target.is_file():
                if decodes(target):
                    return _Outcome(path, "present")
                self._broken.add(path)
            with self._site.pacing.turn():
                self._site.fetch(youtube_id, start, end, target)
            self._broken.discard(path)
            self._site.pacing.answered()
            return _Outcome(path, "done")
        except StoppedError:
            return _Outcome(path, "stopped")
        except ClipError as error:
            if error.reason is not Reason.RATE:
                self._site.pacing.answered()
            reason, tries = str(error), error.tries
        except KinemaError:
            raise
        except Exception as error:  # an extractor that fails on one video must not end the run
            reason, tries = f"{Reason.OTHER}: {type(error).__name__}: {plain(error)}", 1
        tries += self._before[path].tries if path in self._before else 0
        return _Outcome(path, "failed", Failure.now(path, url, reason, tries))

    def _note(self, outcome: _Outcome) -> None:
        self._counts[outcome.state] += 1
        if outcome.failure:
            self._failures[outcome.path] = outcome.failure

    def _present(self) -> list[str]:
        folders = {path.partition("/")[0] for path in self._lists.clips["path"]}
        found = []
        for folder in folders:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._out / folder) as entries:
                found += [f"{folder}/{e.name}" for e in entries if e.is_file() and not e.name.startswith(".")]
        return found

    def _refuse_full_disk(self) -> None:
        missing = int((~self._todo["path"].isin(self._there)).sum())
        free = shutil.disk_usage(self._out).free
        if missing * _BYTES_A_CLIP > free:
            raise KinemaError(
                f"{self._out}: {count(missing, 'clip')} need about {missing * _BYTES_A_CLIP / 1e9:.1f} GB and "
                f"{free / 1e9:.1f} GB are free; choose fewer with --classes and --per-class"
            )


def _permanent(failure: Failure) -> bool:
    reason = Reason.of_text(failure.reason)
    return reason is not None and reason.permanent


def _site(out: Path, pacing: Pacing, address: str | None, short_side: int, rest: float) -> Site:
    with needs_yt_dlp("Kinetics is fetched"):
        from kinema.data.fetch.youtube import YOUTUBE, Site
    address = address or os.environ.get(ADDRESS_VARIABLE) or YOUTUBE
    if "{id}" not in address:
        raise UsageError(f"{address}: the address of a mirror needs {{id}} in the place of a video's name")
    return Site(pacing, out / _PARTIAL, address=address, short_side=short_side, rest=rest)
