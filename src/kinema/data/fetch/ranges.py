"""A file on an HTTP server that is read here and there, as if it were on disk."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from collections.abc import Callable

_BLOCK = 256 * 1024
_KEPT = 64  # blocks


class NoRangesError(Exception):
    """The server sends whole files only."""


class RangedFile(io.RawIOBase):
    """A readable, seekable file of which only the blocks that are read are fetched, each once.

    `ask(first, last)` returns the bytes from `first` to `last` inclusive, or up to the end of the file, and
    the size of the whole file.
    """

    def __init__(self, ask: Callable[[int, int], tuple[bytes, int]], block: int = _BLOCK) -> None:
        self._ask = ask
        self._block = block
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._position = 0
        self.size: int | None = None
        self.fetched = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += self._length()
        if offset < 0:
            raise OSError(f"cannot seek to {offset}")
        self._position = offset
        return offset

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if not len(view) or (self.size is not None and self._position >= self.size):
            return 0
        number, skip = divmod(self._position, self._block)
        data = self._get(number)[skip : skip + len(view)]
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _length(self) -> int:
        if self.size is None:
            self._get(0)
        assert self.size is not None
        return self.size

    def _get(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        first = number * self._block
        data, self.size = self._ask(first, first + self._block - 1)
        self.fetched += len(data)
        self._blocks[number] = data
        if len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        return data
