"""A site for benchmarks: `kinema serve` on a port of its own, which can be killed and started again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

_START = 300.0  # seconds that a site may take to start on a busy machine
_END = 30.0


class Served:
    """`kinema serve` in `folder`; what it prints goes to `serve.log` beside that."""

    def __init__(self, folder: Path, run: Path | None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.folder, self.run = folder, run
        self.start()

    def start(self) -> None:
        """Start it, once more where it was killed."""
        command = [sys.executable, "-m", "kinema", "serve", *([str(self.run)] if self.run else [])]
        command += ["--folder", str(self.folder), "--port", str(self.port), "--no-browser"]
        command += ["--runs", str(self.folder / "no-runs")]
        with (self.folder.parent / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                # A shell in the background ignores Ctrl-C, and so would what it starts.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    def wait(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + _START
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.address}/health/", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.2)
        sys.exit(f"{self.address}: the site does not answer; see {self.folder.parent / 'serve.log'}")

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(_END)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def children(self, module: str) -> list[int]:
        """The processes that the server started for a module."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, AttributeError):
                parent = int(re.search(r"PPid:\s*(\d+)", (place / "status").read_text()).group(1))  # type: ignore[union-attr]
                if parent == self.process.pid and module.encode() in (place / "cmdline").read_bytes():
                    found.append(int(place.name))
        return found

    def __enter__(self) -> Self:
        self.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def csrf_token(page: str) -> str | None:
    """The token that a page of the site carries for its scripts."""
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    return found.group(1) if found else None


def kill(pid: int) -> None:
    """kill -9 a process that may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
