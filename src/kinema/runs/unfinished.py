"""Runs that were begun and are not finished: which there are, and whether a process trains one now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from kinema.errors import UsageError
from kinema.runs.records import DEPTH


def unfinished_runs(folder: Path) -> list[Path]:
    """Return the runs in and below a folder that were begun and not finished: `kinema train --resume` goes on with them."""
    plans = [
        path for depth in range(DEPTH + 1) for path in folder.glob("*/" * depth + "checkpoint/plan.json")
    ]
    found = [path.parent.parent for path in plans]
    return sorted(path for path in found if not (path / "results.json").exists())


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Keep other processes from training the same run; whatever ends this one lets go of it.

    Raises `UsageError` where another process has it.
    """
    lock = _lock(run)
    lock.parent.mkdir(parents=True, exist_ok=True)
    mine = FileLock(str(lock))
    try:
        # Half a second: who looks whether a run is at work has its lock for a moment.
        mine.acquire(timeout=0.5)
    except Timeout:
        raise UsageError(f"{run}: another process is training it; wait for it, or stop it first") from None
    try:
        yield
    finally:
        mine.release()


def at_work(run: Path) -> bool:
    """Return whether a process is training a run now; nothing is written, also where it could not be."""
    lock = _lock(run)
    if not lock.exists():
        return False
    try:
        with FileLock(str(lock), timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that may only be read
        return False


def _lock(run: Path) -> Path:
    return run / "checkpoint" / "lock"
