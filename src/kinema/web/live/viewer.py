"""One viewer of a live stream: what waits to be sent, bounded, so that a slow viewer slows nobody."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from kinema.web.base.mjpeg import part

Variant = Literal["annotated", "bare"]
_TEXTS = 240
_MOST_TEXTS = 2000


@dataclass(frozen=True)
class Picture:
    """A JPEG of the moment `time` (seconds); the bytes for all viewers are made once."""

    time: float
    jpeg: bytes

    @cached_property
    def part(self) -> bytes:
        """A part of an MJPEG stream."""
        return part(self.jpeg)

    @cached_property
    def message(self) -> bytes:
        """A binary message of a WebSocket: the time as a big-endian double, and the JPEG."""
        return struct.pack(">d", self.time) + self.jpeg


class Viewer:
    """What waits for one viewer: lines of JSON, of which rows may be left out, and the newest picture alone.

    `variant`: which pictures it wants, None for none. `texts`: whether it wants lines at all.
    """

    def __init__(self, variant: Variant | None, *, texts: bool = True) -> None:
        self.variant, self.texts = variant, texts
        self.closed = False
        self.left_out = 0
        self._lines: deque[str] = deque()
        self._picture: Picture | None = None
        self._something = asyncio.Event()

    def tell(self, line: str, *, needed: bool = True) -> None:
        """Queue a line; one that is not `needed` is left out where too many wait, and who never takes any is given up."""
        if not self.texts or self.closed:
            return
        if len(self._lines) >= (_MOST_TEXTS if needed else _TEXTS):
            self.left_out += 1
            if needed:
                self.close()
            return
        self._lines.append(line)
        self._something.set()

    def show(self, variant: Variant, picture: Picture) -> None:
        """Put a picture in the place of the one that waits."""
        if variant == self.variant and not self.closed:
            self.left_out += self._picture is not None
            self._picture = picture
            self._something.set()

    def close(self) -> None:
        """Say that nothing follows what waits."""
        self.closed = True
        self._something.set()

    async def next(self) -> tuple[list[str], Picture | None] | None:
        """Wait for something, and take all that waits: the lines and the newest picture. None once it is closed."""
        await self._something.wait()
        self._something.clear()
        lines, picture = list(self._lines), self._picture
        self._lines.clear()
        self._picture = None
        if self.closed:
            self._something.set()
            if not lines and picture is None:
                return None
        return lines, picture
