"""LiveDisplay: what an engine does, in a terminal or as lines of a log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.text import Text

from kinema.events import Event
from kinema.streaming.display.pulse import Pulse
from kinema.streaming.display.screen import Screen
from kinema.streaming.display.wording import encodable, event_line, printable, summary_line
from kinema.streaming.rows import Notice, Row
from kinema.streaming.sinks.base import Sink, StreamInfo
from kinema.streaming.statistics import Statistics

_AT_MOST = 8.0  # drawings a second


class LiveDisplay(Sink):
    """Shows each source: probabilities of the top classes, label, rates, latency, last events and notices.

    In a terminal it is redrawn `per_second` times (8 at most), from a thread of its own, in place. Elsewhere events are lines
    on `console`; notices, and a summary every `summary_seconds` (0: none), are lines on `errors`.

    `snapshot` returns the engine's statistics, and is called from the drawing thread.

    >>> LiveDisplay(engine.statistics)  # doctest: +SKIP
    """

    name = "display"
    wants_rows = True
    may_miss = True
    rows_waiting = 64  # the newest of each source is enough

    def __init__(
        self,
        snapshot: Callable[[], Statistics],
        *,
        console: Console | None = None,
        errors: Console | None = None,
        top: int = 3,
        last_events: int = 5,
        last_notices: int = 3,
        per_second: float = 4.0,
        summary_seconds: float = 30.0,
    ) -> None:
        self._snapshot = snapshot
        self._console = console or Console(highlight=False)
        self._errors = errors or Console(stderr=True, highlight=False)
        self._pulse = Pulse(last_events, last_notices)
        self._top = top
        self._per_second = min(per_second, _AT_MOST)
        self._summary_seconds = summary_seconds
        self._in_place = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live: Live | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._screen: Screen | None = None
        self._last: Statistics | None = None

    def open(self, info: StreamInfo) -> None:
        """Begin to draw."""
        self._screen = Screen(info.classes, self._pulse, top=self._top)
        if self._in_place:
            self._live = Live(
                self, console=self._console, refresh_per_second=self._per_second, vertical_overflow="crop"
            )
            self._live.start()
        elif self._summary_seconds > 0:
            self._thread = threading.Thread(target=self._summarise, name="display", daemon=True)
            self._thread.start()

    def row(self, row: Row) -> None:
        """Take a row; it is shown at the next drawing."""
        self._pulse.row(row)

    def event(self, event: Event) -> None:
        """Show an event; outside of a terminal, print it."""
        self._pulse.event(event)
        if not self._in_place:
            self._print(self._console, event_line(event))

    def notice(self, notice: Notice) -> None:
        """Show a notice; outside of a terminal, print it."""
        self._pulse.notice(notice)
        if not self._in_place:
            self._print(self._errors, printable(notice.text))

    def close(self, timeout: float = 5.0) -> None:
        """Draw a last time and leave that on the screen; elsewhere, print a last summary."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread = None
            self._print_summary()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        statistics = self._numbers()
        if self._screen is None or statistics is None:
            drawn: RenderableType = Text("starting …")
        else:
            drawn = self._screen.draw(statistics, options)
        for segment in console.render(drawn, options):
            yield (
                segment
                if segment.control
                else segment._replace(text=encodable(segment.text, options.encoding))
            )

    def _numbers(self) -> Statistics | None:
        # Numbers that cannot be had for a moment (an engine that starts or closes) must not end the drawing thread.
        with suppress(Exception):
            self._last = self._snapshot()
        return self._last

    def _summarise(self) -> None:
        while not self._closing.wait(self._summary_seconds):
            self._print_summary()

    def _print_summary(self) -> None:
        statistics = self._numbers()
        if statistics is not None:
            self._print(self._errors, summary_line(statistics, self._pulse.dropped(statistics)))

    @staticmethod
    def _print(console: Console, text: str) -> None:
        with suppress(BrokenPipeError):
            console.print(encodable(text, console.encoding), markup=False, highlight=False, soft_wrap=True)
