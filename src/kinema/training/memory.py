"""How much memory a training step takes and how much there is: measured before the first epoch, not guessed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import torch

_RESERVE = 0.1  # share of what is available that is left to others, and to what a step takes now and then


class PeakMemory:
    """The highest resident memory of this process inside `with`, in bytes; 0 where the system does not tell (no /proc).

    A thread looks every 2 ms; torch lets it run while it computes.
    """

    def __init__(self) -> None:
        self.highest = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._stop.wait(0.002):
            self._look()

    def _look(self) -> None:
        self.highest = max(self.highest, resident_bytes())


def resident_bytes() -> int:
    """Return this process's resident memory, 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def available_bytes(limit_gb: float = 0.0, root: Path = Path("/"), processes: int = 1) -> int | None:
    """Return the bytes that this process may still take; None where nobody tells.

    The least of: memory that the kernel could give (MemAvailable), what the process's control groups leave (versions 1 and
    2, with the file cache counted as free), and `limit_gb` (10^9 bytes; 0: none) less what the process has. `root` is where
    `/proc` and `/sys` are. Of `processes` that share it, this one may take an equal part.
    """
    found = [_kernel(root / "proc/meminfo"), *_groups(root)]
    known = [amount // processes for amount in found if amount is not None]
    if limit_gb > 0:
        known.append(int(limit_gb * 1e9 / processes) - resident_bytes())
    return max(0, min(known)) if known else None


def parts_that_fit(step: Callable[[int], None], clips: int, parts: int, available: int, kept: int) -> int:
    """Return in how many parts a step over `clips` must be computed so that its measured memory fits, at least `parts`.

    `step(n)` computes a step's gradient for n clips. It is run for 1, 2, 4, … clips; each time the memory that it takes is
    measured, and twice the clips are tried only if twice that memory would fit. `kept` bytes are taken by the optimiser
    besides. A part of one clip is never divided.
    """
    room = available * (1 - _RESERVE) - kept
    wanted = -(-clips // parts)
    before = resident_bytes()
    fits, size = 0, 1
    while True:
        with PeakMemory() as peak:
            step(size)
        grown = peak.highest - before
        if grown > room and size > 1:
            break
        fits = size
        following = min(2 * size, wanted)
        if size == wanted or grown * following / size > room:
            break
        size = following
    while -(-clips // parts) > max(1, fits):
        parts *= 2
    return min(parts, clips)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch could not get memory, on a GPU or of the machine."""
    words = ("not enough memory", "can't allocate memory", "cannot allocate memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )


def _kernel(path: Path) -> int | None:
    try:
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _groups(root: Path) -> list[int | None]:
    """Return what each control group above this process leaves; in a container its own is mounted at the top."""
    found: list[int | None] = []
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers == "":
            base, limit, usage, cache = "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, limit, usage, cache = (
                "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
            )  # fmt: skip
        else:
            continue
        top = root / base
        folder = top / place.strip("/")
        for group in (folder, *folder.parents):
            if group == top.parent:
                break
            found.append(_left(group, limit, usage, cache))
        found.append(_left(top, limit, usage, cache))
    return found


def _left(group: Path, limit: str, usage: str, cache: str) -> int | None:
    try:
        most = int((group / limit).read_text())  # "max" is no number
        used = int((group / usage).read_text())
        lines = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return most - used + int(lines.get(cache, 0))
    except (OSError, ValueError):
        return None
