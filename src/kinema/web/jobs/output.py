"""What a job's process prints: kept beside the site, its beginning and its end, however much it is."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO

from kinema.web.folder import site

BEGINNING = END = 64 * 1024
"""Bytes that are kept of each try."""
KEPT = 200
"""Jobs whose output is kept."""


def output_path(pk: int) -> Path:
    """Return the file of a job's output."""
    return site().place("jobs") / f"{pk}.log"


def read_output(pk: int) -> str:
    """Return what a job has printed, empty where nothing was kept."""
    try:
        return output_path(pk).read_text(errors="replace")
    except OSError:
        return ""


def keep_output(pk: int, stream: IO[bytes], *, again: bool = False) -> threading.Thread:
    """Start to keep what comes by, until its end; `again`: after what was kept of an earlier try."""
    thread = threading.Thread(target=_keep, args=(pk, stream, again), name=f"output {pk}", daemon=True)
    thread.start()
    return thread


def prune(keep: int = KEPT) -> None:
    """Remove the output of all but the newest jobs."""
    files = [path for path in site().place("jobs").glob("*.log") if path.stem.isdigit()]
    for path in sorted(files, key=lambda path: int(path.stem))[:-keep]:
        path.unlink(missing_ok=True)


def _keep(pk: int, stream: IO[bytes], again: bool) -> None:
    with stream:
        # A full disk must not stop the job, which would wait for its output to be taken, or die of a closed pipe.
        with suppress(OSError), output_path(pk).open("ab" if again else "wb") as file:
            _write(file, stream)
        while stream.read1(65536):  # type: ignore[attr-defined]
            pass


def _write(file: IO[bytes], stream: IO[bytes]) -> None:
    written = left_out = held = 0
    tail: deque[bytes] = deque()
    while piece := stream.read1(8192):  # type: ignore[attr-defined]
        if written < BEGINNING:
            file.write(piece)
            file.flush()
            written += len(piece)
            continue
        tail.append(piece)
        held += len(piece)
        while held > END:
            gone = len(tail.popleft())
            held -= gone
            left_out += gone
    if left_out:
        file.write(f"\n… {left_out} bytes are left out here …\n".encode())
    file.writelines(tail)
