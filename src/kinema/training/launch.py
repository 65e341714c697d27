"""Starts the processes of one training on this machine, and ends all of them when one fails.

torchrun does the same on one machine or several. This exists beside it because torchrun gives no more than 30 seconds after
Ctrl-C, too few to write the report, and adds a page of its own to a failure.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kinema.data.segments import usable_cores
from kinema.errors import KinemaError, UsageError

LAUNCHED = "KINEMA_LAUNCHED"  # set in the processes that `launch` has started
_SECONDS_TO_END = 10.0


def launch(arguments: Sequence[str], processes: int) -> int:
    """Run `kinema` with `arguments` in that many processes on this machine; return the exit code of the one that led or failed.

    Ctrl-C goes to the first process, which tells the others. Raises `KinemaError` when a process was killed.
    """
    if "WORLD_SIZE" in os.environ:
        raise UsageError("--processes: torchrun has started processes already; leave --processes out")
    children = [
        _start(arguments, rank, processes, port) for port in [_free_port()] for rank in range(processes)
    ]
    with _passed_on(children[0]):
        try:
            failed = _first_failure(children)
        finally:
            _end(children)
    if failed is None:
        return 0
    code = children[failed].returncode
    if code < 0:
        raise KinemaError(
            f"process {failed + 1} of {processes} was killed ({signal.Signals(-code).name}), and all were ended; "
            "kinema train --resume RUN goes on from the last checkpoint"
        )
    return code


def _start(arguments: Sequence[str], rank: int, processes: int, port: int) -> subprocess.Popen[bytes]:
    threads = str(max(1, usable_cores() // processes))
    environment = {
        "OMP_NUM_THREADS": threads,
        **os.environ,
        LAUNCHED: "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "kinema", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=None if rank == 0 else subprocess.DEVNULL,
        start_new_session=True,  # a terminal's Ctrl-C comes here alone
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _first_failure(children: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Return the rank that failed first, None when all ended well."""
    while True:
        codes = [child.poll() for child in children]
        for rank, code in enumerate(codes):
            if code:
                return rank
        if all(code == 0 for code in codes):
            return None
        time.sleep(0.05)


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    until = time.monotonic() + _SECONDS_TO_END
    for child in children:
        try:
            child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def _passed_on(first: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ctrl-C and SIGTERM go to the first process."""

    def pass_on(number: int, frame: Any) -> None:
        with suppress(ProcessLookupError):
            first.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
