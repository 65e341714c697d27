"""What the server and an engine's process say to each other through pipes: messages of a JSON header and bytes."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any, BinaryIO

_LENGTHS = struct.Struct(">II")
_MOST = 16 * 2**20

Message = tuple[str, bytes]
"""The header's JSON and the bytes that follow it, such as a JPEG."""


def pack(header: dict[str, Any] | str, body: bytes = b"") -> bytes:
    """Return a message as bytes: two lengths of four bytes, the header as JSON, the body."""
    text = (
        header if isinstance(header, str) else json.dumps(header, ensure_ascii=False, separators=(",", ":"))
    )
    data = text.encode()
    return _LENGTHS.pack(len(data), len(body)) + data + body


def read(file: BinaryIO) -> Message | None:
    """Read a message; None at the end, and for what is no message."""
    lengths = file.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head, body = _LENGTHS.unpack(lengths)
    if head + body > _MOST:
        return None
    data = file.read(head + body)
    return (data[:head].decode(), data[head:]) if len(data) == head + body else None


async def read_from(stream: asyncio.StreamReader) -> Message | None:
    """As `read`, without blocking the server."""
    try:
        head, body = _LENGTHS.unpack(await stream.readexactly(_LENGTHS.size))
        if head + body > _MOST:
            return None
        data = await stream.readexactly(head + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return data[:head].decode(), data[head:]
