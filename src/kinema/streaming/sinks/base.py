"""Sink: where an engine's rows, events, frames and notices go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from kinema.events import Event, EventRules
from kinema.streaming.rows import Notice, Row, View


@dataclass(frozen=True)
class StreamInfo:
    """What a sink is told when an engine starts: the classes, the sources' names, the rules, and the folder of results."""

    classes: list[str]
    sources: list[str]
    rules: EventRules
    folder: Path | None


class Sink:
    """Takes what an engine tells. A subclass overrides what it wants; each call comes from one thread of the sink's own,
    in order, so that it may take its time: an engine never waits for a sink.

    `wants_rows`, `wants_views`: whether `row` and `view` are called at all. Rows and views that a slow sink cannot take are
    left out, oldest first, and counted; events and notices never are.

    An exception of a call is told to the user once for each kind, and the sink goes on with the next. What goes wrong
    between calls (a sink may have a thread that delivers) is told with `tell`.

    `rows_waiting`, `views_waiting`: how many of them may wait for the sink; a display that wants the newest says 1.
    """

    name = "sink"
    wants_rows = False
    wants_views = False
    rows_waiting = 1000
    views_waiting = 50
    may_miss = False
    """Whether a file does not wait for it: a display's, whose missed frames nobody needs."""
    on_tell: Callable[[str], None] | None = None
    """Takes the lines of `tell`; its runner sets it."""

    def tell(self, text: str) -> None:
        """Tell the user one line, which names the sink; callable from any thread."""
        if self.on_tell is not None:
            self.on_tell(text)

    def check(self) -> str:
        """Try the sink out without an engine and return one line of how it went. Raises `KinemaError` when it fails."""
        return f"{self.name}: nothing to try out"

    def open(self, info: StreamInfo) -> None:
        """Get ready; raises `KinemaError` when the sink can never work (wrong settings), before the engine starts."""

    def row(self, row: Row) -> None:
        """Take a sampled moment."""

    def view(self, view: View) -> None:
        """Take a frame; every decoded frame of a source comes by, at most 640 pixels wide."""

    def event(self, event: Event) -> None:
        """Take an event: once when it begins (`ended` false) and once when it has ended, with the same `id`."""

    def notice(self, notice: Notice) -> None:
        """Take a notice."""

    def close(self, timeout: float = 5.0) -> None:
        """Finish within about `timeout` seconds; what cannot be delivered by then is kept for the next start, if it may be."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
