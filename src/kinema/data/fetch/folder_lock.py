"""One run at a time in a folder, or for a list: two would overwrite each other's tables and parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kinema.errors import KinemaError

LOCK = ".kinema-fetch.lock"


@contextmanager
def folder_lock(out: Path) -> Iterator[None]:
    """Make a folder and hold it for the block. A killed run does not keep it: the lock goes with the process.

    Raises `KinemaError` when another run holds it, or when it cannot be written, now or inside of the block.
    """
    with _held(out / LOCK, out, "another kinema fetches into this folder"):
        yield


@contextmanager
def list_lock(out: Path) -> Iterator[None]:
    """Hold a list that is to be written, as `folder_lock` does a folder."""
    with _held(out.with_name(f".{out.name}.lock"), out, "another kinema writes this list"):
        yield


@contextmanager
def _held(lock: Path, what: Path, busy: str) -> Iterator[None]:
    import filelock

    made = [folder for folder in lock.parents if not folder.exists()]
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(lock, timeout=0):
            try:
                yield
            finally:
                # While it is held: whoever has opened it meanwhile finds it gone and makes a new one.
                with suppress(OSError):
                    lock.unlink(missing_ok=True)
                    for folder in made:
                        folder.rmdir()  # only where nothing came of it: a folder that holds something stays
    except filelock.Timeout as error:
        raise KinemaError(f"{what}: {busy}; wait for it or give --out") from error
    except OSError as error:
        raise KinemaError(f"{what}: cannot be written: {error.strerror or error}") from error
