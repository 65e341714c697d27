"""The whole job for one data set: room on the disk, downloads side by side, unpacking, and what failed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kinema.data.fetch.archives import UNPACKING, DamagedArchiveError, Limits, unpack
from kinema.data.fetch.catalogue import DataSet, Location, RemoteFile, find
from kinema.data.fetch.describing import gigabytes
from kinema.data.fetch.failures import FAILURES, Failure, Fetched, read_failures, write_failures
from kinema.data.fetch.folder_lock import folder_lock
from kinema.data.fetch.http import Downloader, DownloadError
from kinema.data.fetch.partial import PartFile, checksum_of
from kinema.data.fetch.record import Record
from kinema.data.fetch.side_by_side import side_by_side
from kinema.errors import KinemaError

Progress = Callable[[int, int, str], None]  # bytes so far, bytes in all (0: unknown), name of the file


def fetch_data_set(
    data_set: DataSet | str,
    out: Path,
    *,
    connections: int = 4,
    retry_failed: bool = False,
    keep_archives: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda text: None,
    downloader: Downloader | None = None,
) -> Fetched:
    """Download the files of a data set into a folder, check and unpack them.

    What is in place is not asked for again; what an interrupted run left is continued. An archive that somebody
    put into the folder is taken as it is, after the same checks. Files that fail are listed with the reason in
    `fetch-failures.csv`; with `retry_failed` only those are tried. `keep_archives` leaves the archives.
    `progress(bytes, total, name)` is called from several threads, `say(line)` with what takes long or fails.

    Raises `KinemaError` for a data set that is had by hand, naming the page, and when the disk is too small or
    another run works in the folder.
    """
    data_set = find(data_set) if isinstance(data_set, str) else data_set
    if not data_set.files:
        raise KinemaError(
            f"{data_set.name} must be downloaded by hand ({data_set.terms}): visit {data_set.page}, "
            f"then `kinema data import FOLDER --out manifest.csv`"
        )
    with folder_lock(out):
        for left in out.glob(f"{UNPACKING}*"):  # of a killed run
            shutil.rmtree(left, ignore_errors=True)
        record = Record(out)
        failures = read_failures(out / FAILURES)
        present = [file for file in data_set.files if record.has(file.name)]
        wanted = [file for file in data_set.files if not record.has(file.name)]
        if retry_failed:
            wanted = [file for file in wanted if file.name in failures]
        _room(data_set, wanted, out, keep_archives)
        for file in present:
            failures.pop(file.name, None)
        job = _Job(out, record, failures, keep_archives, limits or Limits(), progress, say)
        with nullcontext(downloader) if downloader else Downloader(connections=connections, say=say) as own:
            done = job.run(wanted, own)
        table = write_failures(out / FAILURES, failures.values())
        return Fetched(done, len(present), len(failures), out, table)


def fetch_lists(name: str, out: Path, *, connections: int = 4) -> Path:
    """Download and unpack the official lists of a Kinetics data set below `out`/lists; return their folder.

    Lists that are there are not asked for again. Raises `KinemaError` with the reason when they cannot be had.
    """
    data_set, folder = find(name), out / "lists"
    fetched = fetch_data_set(data_set, folder, connections=connections)
    if fetched.failures:
        reason = next(iter(read_failures(fetched.failures).values()))
        raise KinemaError(f"{reason.url}: {reason.reason}; or give the lists with --lists FOLDER")
    made = Record(folder).made(data_set.files[0].name)
    return made[0] if len(made) == 1 and made[0].is_dir() else folder


@dataclass
class _Job:
    out: Path
    record: Record
    failures: dict[str, Failure]
    keep_archives: bool
    limits: Limits
    progress: Progress | None
    say: Callable[[str], None]

    def run(self, wanted: list[RemoteFile], downloader: Downloader) -> int:
        """Download side by side, unpack as they come; return how many files are in place now."""
        done = 0
        downloads = side_by_side(
            partial(self._download, downloader=downloader), wanted, downloader.connections, downloader.stop
        )
        with closing(downloads) as ended:
            for one in ended:
                try:
                    self._put(one.item, one.get())
                except KinemaError as error:
                    self._failed(one.item, one.result, error)
                else:
                    done += 1
                    self.failures.pop(one.item.name, None)
        return done

    def _download(self, file: RemoteFile, downloader: Downloader) -> Location:
        """Have the file, from the first location that gives it; return that."""
        target = self.out / file.name
        if target.is_file():
            return self._there(file, target)
        reasons: list[DownloadError] = []
        for place in file.locations:
            try:
                downloader.fetch(
                    place.url,
                    target,
                    size=place.size,
                    checksum=place.checksum,
                    progress=self._progress_of(file),
                )
                return place
            except DownloadError as error:
                reasons.append(error)
        both = "; then ".join(str(error) for error in reasons[:-1])
        last = reasons[-1]
        reason = f"{last.reason} (before: {both})" if both else last.reason
        raise DownloadError(last.url, reason, sum(error.tries for error in reasons))

    def _there(self, file: RemoteFile, target: Path) -> Location:
        """Take a file that somebody put there, if it is one that is published."""
        for place in file.locations:
            size_fits = place.size in (None, target.stat().st_size)
            if size_fits and (not place.checksum or checksum_of(target, place.checksum) == place.checksum):
                return Location(str(target), place.size, place.checksum)
        raise KinemaError(
            f"{target}: not the file that is published (size or checksum); delete it and run again"
        )

    def _put(self, file: RemoteFile, location: Location) -> None:
        """Unpack and note that the file is in place."""
        target = self.out / file.name
        size = target.stat().st_size
        made = [file.name]
        if file.archive:
            try:
                paths = unpack(
                    target,
                    self.out / file.into,
                    limits=self.limits,
                    nested=file.nested,
                    work=self.out,
                    progress=self._progress_of(file, "unpacking "),
                )
            except DamagedArchiveError:
                if location.url.startswith("http"):
                    target.unlink(missing_ok=True)  # or the next run would take it for whole
                raise
            made = [path.relative_to(self.out).as_posix() for path in paths]
        self.record.add(file.name, location.url, size, location.checksum, made)
        if file.archive and not self.keep_archives:
            target.unlink()

    def _failed(self, file: RemoteFile, came_from: Location | None, error: KinemaError) -> None:
        if isinstance(error, DownloadError):
            failure = Failure.now(file.name, error.url, error.reason, error.tries)
        else:
            failure = Failure.now(file.name, (came_from or file.locations[0]).url, str(error), 1)
        self.failures[file.name] = failure
        write_failures(self.out / FAILURES, self.failures.values())
        self.say(f"{file.name}: {failure.reason}")

    def _progress_of(self, file: RemoteFile, what: str = "") -> Callable[[int, int | None], None] | None:
        progress = self.progress
        if progress is None:
            return None
        return lambda count, total: progress(count, total or 0, f"{what}{file.name}")


def _room(data_set: DataSet, wanted: Iterable[RemoteFile], out: Path, keep: bool) -> None:
    """Say before the first byte that the disk is too small. Sizes nobody publishes count as nothing."""
    missing = unpacked = 0
    whole = sum(file.bytes or 0 for file in data_set.files) or 1
    for file in wanted:
        there = (out / file.name).stat().st_size if (out / file.name).is_file() else 0
        missing += max(0, (file.bytes or 0) - max(there, PartFile(out / file.name).bytes))
        unpacked += round(data_set.unpacked * (file.bytes or whole) / whole) if file.archive else 0
    free = shutil.disk_usage(out).free
    if missing + unpacked > free:
        raise KinemaError(
            f"{out}: {data_set.name} needs about {gigabytes(missing + unpacked)} ({gigabytes(missing)} to download, "
            f"{gigabytes(unpacked)} unpacked) and the disk has {gigabytes(free)} free; free some or give --out"
        )
