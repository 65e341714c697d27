"""The process of one engine, as the server sees it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from kinema.web.live import wire

_ENDS_WITHIN = 12.0  # seconds: the last clip is written in that time
_UNREAD = 1_000_000  # bytes that an engine may be behind with browser's pictures


class EngineProcess(Protocol):
    """What a stream needs of its engine; tests have one of their own."""

    pid: int

    async def read(self) -> wire.Message | None:
        """Return the next message, None when the process has ended."""

    def send(self, header: dict[str, Any], body: bytes = b"") -> bool:
        """Send a message; return False, and leave it out, where the process does not keep up or has ended."""

    async def end(self) -> int:
        """Ask the process to end, end it where it does not, and return its exit code."""


Starter = Callable[[], Awaitable[EngineProcess]]


class Subprocess:
    """`python -m kinema.web.live.engine`, which ends when its stdin is closed: with this server, however that ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def read(self) -> wire.Message | None:
        assert self._process.stdout is not None
        return await wire.read_from(self._process.stdout)

    def send(self, header: dict[str, Any], body: bytes = b"") -> bool:
        pipe = self._process.stdin
        assert pipe is not None
        if pipe.is_closing() or (body and pipe.transport.get_write_buffer_size() > _UNREAD):
            return False
        pipe.write(wire.pack(header, body))
        return True

    async def end(self) -> int:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _ENDS_WITHIN)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        return self._process.returncode or 0


async def start_process() -> EngineProcess:
    """Start an engine's process. Raises `OSError` where that cannot be."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kinema.web.live.engine",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
        # Its own group: Ctrl-C in the terminal goes to the server, whose end is this one's.
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    return Subprocess(process)
