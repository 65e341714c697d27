"""A sink of plain functions."""

from __future__ import annotations

from collections.abc import Callable

from kinema.events import Event
from kinema.streaming.rows import Notice, Row, View
from kinema.streaming.sinks.base import Sink


class CallableSink(Sink):
    """Calls functions of yours, from one thread; those that are not given are not called.

    >>> with CallableSink(on_event=lambda event: print(event.label, event.seconds)) as sink:
    ...     sink.event(Event("fall", 1.0, 2.5, 0.9, 1.5, 0.8))
    fall 1.5
    """

    def __init__(
        self,
        *,
        on_event: Callable[[Event], object] | None = None,
        on_row: Callable[[Row], object] | None = None,
        on_view: Callable[[View], object] | None = None,
        on_notice: Callable[[Notice], object] | None = None,
        name: str = "function",
    ) -> None:
        self.name = name
        self.wants_rows = on_row is not None
        self.wants_views = on_view is not None
        self._on_event = on_event
        self._on_row = on_row
        self._on_view = on_view
        self._on_notice = on_notice

    def row(self, row: Row) -> None:
        """Call `on_row`."""
        if self._on_row is not None:
            self._on_row(row)

    def view(self, view: View) -> None:
        """Call `on_view`."""
        if self._on_view is not None:
            self._on_view(view)

    def event(self, event: Event) -> None:
        """Call `on_event`: when an event begins (`ended` false) and when it has ended."""
        if self._on_event is not None:
            self._on_event(event)

    def notice(self, notice: Notice) -> None:
        """Call `on_notice`."""
        if self._on_notice is not None:
            self._on_notice(notice)
