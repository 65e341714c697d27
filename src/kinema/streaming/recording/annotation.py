"""Annotator: frames with what was said of the moment they show, not of the one before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinema.events import Event
from kinema.streaming.rows import Row, View
from kinema.video.drawing import draw_label, draw_prediction
from kinema.video.scaling import resize

_SHORTEST_SIDE = 240  # pixels: on a smaller picture the panel would hide what is seen
_HELD_BYTES = 64_000_000
_HELD_SECONDS = 10.0


class Annotator:
    """Holds the frames of one source until a later row has come, and draws on each the newest row at or before its
    time and the events that go on then.

    Held are at most 64 MB and ten seconds: frames beyond that are drawn with what is known.
    """

    def __init__(self, classes: Sequence[str], top: int) -> None:
        self._classes, self._top = classes, top
        self._held: deque[View] = deque()
        self._size = 0
        self._rows: deque[Row] = deque()
        self._events: dict[str, Event] = {}

    def row(self, row: Row) -> None:
        """Take a row."""
        self._rows.append(row)

    def event(self, event: Event) -> None:
        """Take an event."""
        self._events[event.id] = event

    def hold(self, view: View) -> None:
        """Take a frame."""
        self._held.append(view)
        self._size += view.image.nbytes

    def ready(self, *, all_of_them: bool = False) -> Iterator[View]:
        """Take out and yield the frames of which all is known, drawn on; `all_of_them`: the others too."""
        while self._held and (all_of_them or self._due(self._held[0])):
            view = self._held.popleft()
            self._size -= view.image.nbytes
            yield replace(view, image=self._drawn(view))

    def _due(self, view: View) -> bool:
        # Not at the row of its own time: the events of a row come after it.
        known = bool(self._rows) and self._rows[-1].time > view.time
        return known or self._size > _HELD_BYTES or self._held[-1].time - view.time > _HELD_SECONDS

    def _drawn(self, view: View) -> NDArray[np.uint8]:
        image = view.image
        enlarge = -(-_SHORTEST_SIDE // min(image.shape[:2]))
        if enlarge > 1:
            image = resize(image, (image.shape[1] * enlarge, image.shape[0] * enlarge))
        while len(self._rows) > 1 and self._rows[1].time <= view.time:
            self._rows.popleft()
        if self._rows and self._rows[0].time <= view.time:
            row = self._rows[0]
            taken = (row.backbone + row.head) * 1000
            image = draw_prediction(image, self._classes, row.smoothed, top=self._top, inference_ms=taken)
        for name in [name for name, event in self._events.items() if event.ended and event.end < view.time]:
            del self._events[name]
        going_on = [event for event in self._events.values() if event.start <= view.time]
        if going_on:
            lines = [f"{event.label} {view.time - event.start:.1f} s" for event in going_on]
            image = draw_label(image, " · ".join(lines))
        return image
