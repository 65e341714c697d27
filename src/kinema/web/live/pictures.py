"""The pictures that viewers see: annotated and bare, encoded once for all of them, as many as an eye needs."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.events import Event
from kinema.streaming.rows import Row, View
from kinema.streaming.sinks.base import Sink, StreamInfo
from kinema.video.drawing import draw_label, draw_prediction
from kinema.video.jpeg import jpeg
from kinema.video.scaling import resize

_SHORTEST_SIDE = 240  # pixels: on a smaller picture the panel would hide what is seen
_LONGEST_SIDE = 640
_QUALITY = 78
_CARD = (640, 360)

Send = Callable[[dict[str, Any], bytes], None]


class PictureSink(Sink):
    """Sends the newest frame as JPEG, at most `per_second` times, in each of the variants that are wanted just now.

    `annotated`: with the top classes of the newest row and the events that go on drawn on it. `bare`: as it came.
    """

    name = "pictures"
    wants_rows = True
    wants_views = True
    may_miss = True
    rows_waiting = 64
    views_waiting = 1

    def __init__(self, send: Send, *, per_second: float = 12.0, top: int = 3) -> None:
        self.wanted: frozenset[str] = frozenset()
        self._send = send
        self._interval = 1 / per_second
        self._top = top
        self._due = 0.0
        self._row: Row | None = None
        self._events: dict[str, Event] = {}

    def want(self, variants: Iterable[str]) -> None:
        """Say which variants somebody looks at; callable from any thread."""
        self.wanted = frozenset(variants)

    def open(self, info: StreamInfo) -> None:
        """Note the classes."""
        self._classes = info.classes

    def row(self, row: Row) -> None:
        """Note what is to be drawn."""
        self._row = row

    def event(self, event: Event) -> None:
        """Note which events go on."""
        if event.ended:
            self._events.pop(event.id, None)
        else:
            self._events[event.id] = event

    def view(self, view: View) -> None:
        """Send a frame, unless the one before it was sent just now."""
        now = time.monotonic()
        if not self.wanted or now < self._due:
            return
        # On average as many as promised, whatever the source's rate is.
        self._due = max(self._due, now - self._interval) + self._interval
        image = _within(view.image, _LONGEST_SIDE)
        if "bare" in self.wanted:
            self._send(
                {"type": "picture", "variant": "bare", "time": round(view.time, 4)}, jpeg(image, _QUALITY)
            )
        if "annotated" in self.wanted:
            drawn = jpeg(self._drawn(image, view.time), _QUALITY)
            self._send({"type": "picture", "variant": "annotated", "time": round(view.time, 4)}, drawn)

    def _drawn(self, image: NDArray[np.uint8], shown: float) -> NDArray[np.uint8]:
        enlarge = -(-_SHORTEST_SIDE // min(image.shape[:2]))
        if enlarge > 1:
            image = resize(image, (image.shape[1] * enlarge, image.shape[0] * enlarge))
        row = self._row
        if row is not None:
            taken = (row.backbone + row.head) * 1000
            image = draw_prediction(image, self._classes, row.smoothed, top=self._top, inference_ms=taken)
        if self._events:
            words = [f"{one.label} {max(0.0, shown - one.start):.1f} s" for one in self._events.values()]
            image = draw_label(image, " · ".join(words))
        return image


def card(text: str) -> bytes:
    """Return a picture that says a line of text, for a stream of pictures that has nothing else to show, as JPEG."""
    width, height = _CARD
    out = np.full((height, width, 3), 24, np.uint8)
    lines = textwrap.wrap(text, 52)[:8] or [""]
    strip = 30
    top = max(0, (height - strip * len(lines)) // 2)
    for number, line in enumerate(lines):
        drawn = draw_label(np.full((height, width, 3), 24, np.uint8), line)
        out[top + number * strip : top + (number + 1) * strip] = drawn[height - strip - 4 : height - 4]
    return jpeg(out, _QUALITY)


def _within(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if max(height, width) <= longest:
        return image
    scale = longest / max(height, width)
    return resize(image, (max(2, round(width * scale)), max(2, round(height * scale))))
