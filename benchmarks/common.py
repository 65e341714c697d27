"""What the benchmarks share: the machine's facts, rounds in which jobs take turns, tables, and the JSON file."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

VIDEO_SUFFIXES = {".avi", ".mp4", ".mkv", ".webm", ".mov", ".mpg"}
_LIBRARIES = ("torch", "onnxruntime", "av", "opencv-python-headless", "numpy", "timm", "scikit-learn")


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser that shows the module's docstring and knows `--json`."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", type=Path, help="write the numbers here too")
    return made


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Return what a reader needs to judge a time: cores, processor, load now, Python and library versions."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cores": usable_cores(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "processor": _processor(),
        "load_at_start": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": versions,
    }


def say_machine(facts: dict[str, Any]) -> None:
    """Print the facts."""
    load = facts["load_at_start"][0] if facts["load_at_start"] else "unknown"
    print(f"{facts['cores']} cores ({facts['processor']}), load average {load} at the start")
    print(f"OMP_NUM_THREADS {facts['omp_num_threads']}")
    print(f"Python {facts['python']}, " + ", ".join(f"{k} {v}" for k, v in facts["versions"].items()))


def take_turns(jobs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each job, one number a round, after a round that warms caches.

    The order rotates from round to round, so that a busy moment of the machine meets every job.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    names = list(jobs)
    for turn in range(rounds + 1):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            began = time.perf_counter()
            jobs[name]()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def ratios(over: Sequence[float], under: Sequence[float]) -> dict[str, float]:
    """Return median, lowest and highest of `over / under`, taken round by round."""
    found = sorted(a / b for a, b in zip(over, under, strict=True))
    return {"median": statistics.median(found), "lowest": found[0], "highest": found[-1]}


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows as aligned text, the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = []
    for row in cells:
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join([row[0].ljust(widths[0]), *rest]).rstrip())
    return "\n".join(lines)


def videos_below(folders: Sequence[Path], most: int) -> list[Path]:
    """Return the videos below the folders, at most `most` of them, spread evenly; ends the program if none."""
    found = sorted(p for folder in folders for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        sys.exit(f"{', '.join(map(str, folders))}: no videos in there")
    count = min(most, len(found))
    return [found[i * len(found) // count] for i in range(count)]


def write(path: Path | None, result: dict[str, Any]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def verdict(reached: bool) -> str:
    return "reached" if reached else "NOT reached"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
