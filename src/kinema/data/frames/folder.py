"""The folder that frames go to: what earlier runs finished there, and how a stretch's images get in."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from filelock import FileLock, Timeout

from kinema.data.frames.plan import Place, Stretch
from kinema.data.frames.settings import FrameSettings
from kinema.data.wording import count, listing
from kinema.errors import KinemaError, UsageError
from kinema.files import atomic_path, write_json

STATE = ".frames"
TABLES = ("frames.csv", "labels.csv", "manifest.csv", "failures.csv")
_IMAGE = re.compile(r"(.+)_\d{5,}\.(?:jpg|png)")


@dataclass
class Record:
    """A finished stretch: its images in order, by index and time (seconds) of their frames in the video.

    `counts` holds how many images each segment of the stretch got, `rate` how many images a second of video there
    are, `problems` (kind, reason) what was left out or looked wrong, `content` what tells whether the video is
    still the same file.
    """

    key: str
    content: str
    folder: str
    prefix: str
    indices: list[int]
    times: list[float]
    counts: list[int]
    rate: float
    size: tuple[int, int]
    bytes: int
    repeated: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def from_json(cls, line: str) -> Record:
        values: dict[str, Any] = json.loads(line)
        values["size"] = tuple(values["size"])
        values["problems"] = [(kind, reason) for kind, reason in values["problems"]]
        return cls(**values)


class FrameFolder:
    """An output folder, locked against other runs while it is open.

    Hidden in it, `.frames/` holds the settings, a journal with a line for each finished stretch, and the images of
    stretches that are not finished.
    """

    def __init__(self, path: Path, settings: FrameSettings) -> None:
        self.path = path
        self.settings = settings
        self.records: dict[str, Record] = {}
        self._state = path / STATE
        self._journal = self._state / "done.jsonl"
        self._lock = Lock()
        self._number = 0

    @classmethod
    @contextmanager
    def open(cls, path: Path, settings: FrameSettings, replace: bool = False) -> Iterator[FrameFolder]:
        """Open or make the folder.

        Raises `UsageError` for a folder with other things in it, one that another run writes to, and one whose
        images were made with other settings; with `replace` those are removed.
        """
        folder = cls(path, settings)
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: this is a file; give a folder for the frames")
        if path.is_dir() and not folder._state.is_dir() and any(path.iterdir()):
            what = "this folder holds other files, not frames of an earlier run"
            raise UsageError(f"{path}: {what}; give a new or empty folder")
        try:
            folder._state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KinemaError(f"{path}: the folder cannot be made: {error.strerror}; give another") from error
        lock = FileLock(folder._state / "lock")
        try:
            with lock.acquire(timeout=0):
                folder._load(replace)
                yield folder
        except Timeout as error:
            raise UsageError(f"{path}: another run is writing to this folder; let it finish") from error

    def names(self) -> dict[str, Place]:
        """Return the folder and prefix of each stretch that earlier runs finished."""
        return {key: (record.folder, record.prefix) for key, record in self.records.items()}

    def finished(self, stretch: Stretch, content: str) -> bool:
        """Return whether the stretch is there, made from the same file."""
        record = self.records.get(stretch.key)
        return record is not None and record.content == content

    def partial(self) -> Path:
        """Return a new hidden folder for the images of a stretch in the making."""
        with self._lock:
            self._number += 1
            path = self._state / "partial" / f"{self._number:06d}"
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise KinemaError(f"{path}: cannot be made: {error.strerror}; mend it and run again") from error
        return path

    def publish(self, partial: Path, record: Record) -> None:
        """Put the images of `partial` in their place and note them as finished."""
        target = self.path / record.folder
        try:
            if record.folder == record.prefix and not target.exists():
                partial.rename(target)
            else:
                target.mkdir(parents=True, exist_ok=True)
                for image in partial.iterdir():
                    image.replace(target / image.name)
            with self._lock, self._journal.open("a", encoding="utf-8") as out:
                out.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
        except OSError as error:
            raise KinemaError(
                f"{target}: cannot be written: {error.strerror}; mend it and run again"
            ) from error
        self.records[record.key] = record

    def remove(self, keys: Iterable[str]) -> None:
        """Remove the images of finished stretches, and forget these."""
        for key in list(keys):
            record = self.records.pop(key)
            folder = self.path / record.folder
            suffix = self.settings.format
            for number in range(1, len(record.times) + 1):
                (folder / f"{record.prefix}_{number:05d}.{suffix}").unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()
        self._rewrite()

    def sweep(self, unfinished: Iterable[Stretch]) -> None:
        """Remove what a run that was killed left of stretches it had not finished."""
        shutil.rmtree(self._state / "partial", ignore_errors=True)
        prefixes: dict[str, set[str]] = {}
        for stretch in unfinished:
            prefixes.setdefault(stretch.folder, set()).add(stretch.prefix)
        for name, mine in prefixes.items():
            folder = self.path / name
            for image in list(folder.iterdir()) if folder.is_dir() else ():
                match = _IMAGE.fullmatch(image.name)
                if match and match[1] in mine:
                    image.unlink(missing_ok=True)

    def _load(self, replace: bool) -> None:
        file = self._state / "settings.json"
        mine = json.loads(json.dumps(asdict(self.settings)))
        before: dict[str, Any] | None = None
        with suppress(OSError, ValueError):
            before = json.loads(file.read_text(encoding="utf-8"))
        for line in self._journal.read_text(encoding="utf-8").splitlines() if self._journal.exists() else ():
            with suppress(ValueError, KeyError, TypeError):  # a line that a killed run did not finish
                record = Record.from_json(line)
                self.records[record.key] = record
        if before is not None and before != mine:
            changed = [
                f"{name} {before.get(name)} now {mine[name]}"
                for name in mine
                if before.get(name) != mine[name]
            ]
            if self.records and not replace:
                mend = "give another folder, the same settings, or --replace to make them anew"
                raise UsageError(
                    f"{self.path}: the frames here have other settings ({listing(changed)}); {mend}"
                )
            settings, self.settings = self.settings, _settings(before)
            self.remove(self.records)
            self.settings = settings
            for name in TABLES:
                (self.path / name).unlink(missing_ok=True)
        self._forget_incomplete()
        self._rewrite()
        write_json(file, mine)

    def _forget_incomplete(self) -> None:
        listed: dict[str, set[str]] = {}
        gone = []
        for key, record in self.records.items():
            if record.folder not in listed:
                folder = self.path / record.folder
                listed[record.folder] = set(os.listdir(folder)) if folder.is_dir() else set()  # noqa: PTH208
            numbers, suffix = range(1, len(record.times) + 1), self.settings.format
            if not all(f"{record.prefix}_{n:05d}.{suffix}" in listed[record.folder] for n in numbers):
                gone.append(key)
        for key in gone:
            del self.records[key]

    def _rewrite(self) -> None:
        with atomic_path(self._journal) as temporary, temporary.open("w", encoding="utf-8") as out:
            for record in self.records.values():
                out.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")


def stale(folder: FrameFolder, stretches: Iterable[Stretch], replace: bool) -> list[str]:
    """Return the keys of finished stretches that are no longer wanted.

    Raises `UsageError` when there are some, unless `replace`: they may be the work of hours.
    """
    wanted = {stretch.key for stretch in stretches}
    keys = [key for key in folder.records if key not in wanted]
    if keys and not replace:
        names = listing([folder.records[key].prefix for key in keys], 3)
        what = f"frames of {count(len(keys), 'clip')} that this data does not have are here ({names})"
        raise UsageError(f"{folder.path}: {what}; give another folder, or --replace to remove them")
    return keys


def _settings(values: dict[str, Any]) -> FrameSettings:
    known: dict[str, Any] = {name: values.get(name) for name in asdict(FrameSettings())}
    size = known["size"]
    return FrameSettings(**{**known, "size": tuple(size) if isinstance(size, list) else size})
