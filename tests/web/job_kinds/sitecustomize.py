"""Kinds of jobs for tests, known to every Python process that has this folder on its PYTHONPATH."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kinema.errors import DataError
from kinema.web.jobs.kinds import Progress, job


def _note(arguments: dict[str, Any], word: str) -> None:
    """Add a line to the test's diary, whole even where processes write at the same time."""
    with Path(arguments["diary"]).open("a") as file:
        file.write(f"{word} {os.getpid()} {time.time():.3f}\n")


@job("test-steps", after=lambda done: _note(done.arguments, f"after-{done.state}"))
def steps(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Take `steps` of `pause` seconds, telling each."""
    _note(arguments, "begin")
    for number in range(arguments["steps"]):
        progress(number, arguments["steps"], f"step {number}")
        time.sleep(arguments["pause"])
    _note(arguments, "end")
    return {"steps": arguments["steps"]}


@job("test-deaf")
def deaf(arguments: dict[str, Any], progress: Progress) -> None:
    """Listen to nothing."""
    _note(arguments, "begin")
    until = time.monotonic() + arguments["pause"]
    while time.monotonic() < until:
        try:
            time.sleep(0.1)
        except KeyboardInterrupt:
            continue


@job("test-refuse")
def refuse(arguments: dict[str, Any], progress: Progress) -> None:
    """Fail as the library does."""
    raise DataError("a.mp4: no frames can be read; give another file")


@job("test-break")
def break_down(arguments: dict[str, Any], progress: Progress) -> None:
    """Fail as no library should."""
    raise ZeroDivisionError("division by\nzero")


@job("test-eat", memory=3 << 30)
def eat(arguments: dict[str, Any], progress: Progress) -> None:
    """Take more memory than there may be."""
    bytearray(8 << 30)


@job("test-slow", seconds=1.0)
def slow(arguments: dict[str, Any], progress: Progress) -> None:
    """Take longer than there may be."""
    _note(arguments, "begin")
    time.sleep(60)


@job("test-die")
def die(arguments: dict[str, Any], progress: Progress) -> None:
    """End without a word."""
    _note(arguments, "begin")
    os._exit(3)


@job("test-talk")
def talk(arguments: dict[str, Any], progress: Progress) -> None:
    """Print far too much, through a process of its own as well."""
    print("the beginning")
    for _ in range(3000):
        print("x" * 100)
    subprocess.run([sys.executable, "-S", "-c", "print('the end')"], check=True)


@job("test-short", short=True)
def short(arguments: dict[str, Any], progress: Progress) -> None:
    """Be done in a moment."""
    _note(arguments, "short")


@job("test-gate")
def gate(arguments: dict[str, Any], progress: Progress) -> None:
    """Wait until somebody makes the file `gate`."""
    while not Path(arguments["gate"]).exists():
        progress(1, 2, "step")
        time.sleep(0.05)
