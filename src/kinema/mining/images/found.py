"""What image engines are asked, what they return, and what an engine is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from kinema.errors import KinemaError

NEEDS = "mining images needs the mining extra; pip install 'kinema[mining]'"
"""What users are told who have not installed it."""


@dataclass(frozen=True, slots=True)
class Query:
    """What an engine is asked: `text`, for pictures of the class `label`."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that an engine found, before anybody has fetched it.

    `source` is an address (http, https), a `data:` URI or the path of a file; `thumbnail` another one, for when the
    source is broken. `page` shows the image; `rank` counts from 1 in the order of the engine. Unknown texts are "".
    """

    source: str
    engine: str
    query: str
    rank: int
    page: str = ""
    title: str = ""
    author: str = ""
    licence: str = ""
    licence_url: str = ""
    thumbnail: str = ""

    @property
    def key(self) -> str:
        """The source in few characters: what a later run knows the image by."""
        return short_source(self.source)


class EngineError(KinemaError):
    """An engine cannot answer, now or at all; other engines may."""


class Engine(Protocol):
    """A place where images are found by words. One thread uses it."""

    name: str

    def search(self, query: Query, wanted: int) -> Iterator[FoundImage]:
        """Yield what is found, best first; about `wanted` are needed, fewer or more may come.

        Raises `EngineError`.
        """
        ...

    def close(self) -> None:
        """Let go of what the engine holds open."""
        ...


def one_line(value: object) -> str:
    """Return what a site gave as a text, in one line; "" for nothing. Halves of letters that JSON may hold become "?".

    >>> one_line("A  hand\\nwaves \\ud83d"), one_line(None)
    ('A hand waves ?', '')
    """
    return " ".join(str(value or "").encode(errors="replace").decode().split())


def web_source(text: str) -> str:
    """Return the address that a page or an interface names, "" for what none of them may: paths of this machine, scripts.

    >>> web_source("//example.org/a.jpg"), web_source("/etc/passwd"), web_source("data:image/png;base64,AAAA")
    ('https://example.org/a.jpg', '', 'data:image/png;base64,AAAA')
    """
    text = text.strip()
    if text.startswith("//"):
        return f"https:{text}"
    return text if text.lower().startswith(("http://", "https://", "data:image/")) else ""


def short_source(source: str) -> str:
    """Return a source as tables have it; the bytes inside of a `data:` URI become their hash.

    >>> short_source("https://example.org/a.jpg"), short_source("data:image/png;base64,AAAA")
    ('https://example.org/a.jpg', 'data:image/png;sha256=63c1dd951ffedf6f7fd968ad4efa39b8ed584f162f46e715114ee184f8de9201')
    """
    if not source.startswith("data:"):
        return source
    head = source[5:].partition(",")[0].removesuffix(";base64")
    return f"data:{head};sha256={hashlib.sha256(source.partition(',')[2].encode()).hexdigest()}"
