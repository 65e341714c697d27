"""WindowSink: the newest frames of all sources in a window on the desktop."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinema.errors import KinemaError, UsageError
from kinema.events import Event
from kinema.streaming.recording.frames import fit
from kinema.streaming.rows import Notice, Row, View
from kinema.streaming.sinks.base import Sink, StreamInfo
from kinema.video.drawing import draw_label, draw_prediction

_VIEWER = Path(__file__).with_name("viewer.py")
_OPEN_WITHIN = 20.0  # seconds
_LARGEST = (1280, 960)


class WindowSink(Sink):
    """Shows the newest frame of each source in a grid, with what the recognizer says drawn on it.

    It is redrawn `per_second` times, and no faster than the screen takes it. `stop` is called when the user closes the window
    or presses q. The window is a process of its own; when it dies, that is told once, and the engine goes on.
    """

    name = "window"
    wants_rows = True
    wants_views = True
    may_miss = True
    rows_waiting = 64
    views_waiting = 8

    def __init__(
        self,
        stop: Callable[[], object] | None = None,
        *,
        per_second: float = 15.0,
        top: int = 3,
        title: str = "kinema watch",
    ) -> None:
        self._stop = stop
        self._interval = 1 / per_second
        self._top, self._title = top, title
        self._process: subprocess.Popen[bytes] | None = None
        self._free = threading.Event()
        self._word: str | None = None
        self._answered = threading.Event()
        self._closed = False
        self._shown_at = -math.inf

    def open(self, info: StreamInfo) -> None:
        """Raises `UsageError` when this Python has no tkinter or there is no screen."""
        self._info = info
        self._views: dict[int, NDArray[np.uint8]] = {}
        self._rows: dict[int, Row] = {}
        self._events: dict[str, Event] = {}
        self._states: dict[str, str] = {}
        # -P: the viewer's folder must not hide modules of the standard library.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_VIEWER), self._title], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        threading.Thread(target=self._listen, name="window", daemon=True).start()
        self._answered.wait(_OPEN_WITHIN)
        if self._word != "ready":
            self.close()
            why = (self._word or "it does not answer").removeprefix("failed: ")
            raise UsageError(f"window: {why}; leave the window out, or run it on a desktop")

    def row(self, row: Row) -> None:
        """Note what is to be drawn."""
        self._rows[row.source] = row

    def event(self, event: Event) -> None:
        """Note which events go on."""
        if event.ended:
            self._events.pop(event.id, None)
        else:
            self._events[event.id] = event

    def notice(self, notice: Notice) -> None:
        """Note which sources are away."""
        if notice.kind in ("lost", "ended", "failed"):
            self._states[notice.name] = notice.kind
        elif notice.kind in ("back", "changed"):
            self._states.pop(notice.name, None)

    def view(self, view: View) -> None:
        """Show a frame, unless the one before it was shown just now."""
        self._views[view.source] = view.image
        now = time.monotonic()
        if self._process is None or self._closed or now - self._shown_at < self._interval:
            return
        if not self._free.is_set():
            self._check()
            return
        self._shown_at = now
        self._free.clear()
        picture = self.picture()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{picture.shape[1]} {picture.shape[0]}\n".encode())
            self._process.stdin.write(np.ascontiguousarray(picture).data)
            self._process.stdin.flush()
        except OSError:
            self._check()

    def picture(self) -> NDArray[np.uint8]:
        """Return what is shown, RGB uint8 `(H, W, 3)`: the sources side by side, in the order they were given."""
        count = len(self._info.sources)
        columns = math.ceil(math.sqrt(count))
        rows = math.ceil(count / columns)
        height, width = next(iter(self._views.values())).shape[:2] if self._views else (480, 640)
        scale = min(_LARGEST[0] / (columns * width), _LARGEST[1] / (rows * height))
        scale = min(scale, max(1.0, 480 / width))
        cell = (max(1, int(width * scale)), max(1, int(height * scale)))
        out = np.zeros((rows * cell[1], columns * cell[0], 3), np.uint8)
        for index, name in enumerate(self._info.sources):
            y, x = index // columns * cell[1], index % columns * cell[0]
            out[y : y + cell[1], x : x + cell[0]] = self._cell(index, name, cell)
        return out

    def close(self, timeout: float = 5.0) -> None:
        """Close the window."""
        process, self._process = self._process, None
        self._closed = True
        if process is None:
            return
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(min(timeout, 2.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _cell(self, index: int, name: str, size: tuple[int, int]) -> NDArray[np.uint8]:
        view = self._views.get(index)
        image = np.zeros((size[1], size[0], 3), np.uint8) if view is None else fit(view, size)
        row = self._rows.get(index)
        if row is not None:
            taken = (row.backbone + row.head) * 1000
            image = draw_prediction(
                image, self._info.classes, row.smoothed, top=self._top, inference_ms=taken
            )
        words = [event.label for event in self._events.values() if event.source == name]
        state = self._states.get(name) or ("no picture yet" if view is None else "")
        line = " · ".join(filter(None, [name if len(self._info.sources) > 1 else "", state, *words]))
        return draw_label(image, line) if line else image

    def _listen(self) -> None:
        """Take what the window says."""
        process = self._process
        assert process is not None and process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                word = line.decode(errors="replace").strip()
                if word == "shown":
                    self._free.set()
                elif word == "closed":
                    self._closed = True
                    if self._stop is not None:
                        self._stop()
                else:
                    self._word = word
                    self._free.set()
                    self._answered.set()
        self._answered.set()

    def _check(self) -> None:
        """Raise `KinemaError`, once, when the window's process has died."""
        process = self._process
        if process is None or self._closed:
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05 if process.stdin and process.stdin.closed else 0)
        if process.returncode is not None:
            self._closed = True
            raise KinemaError(
                f"window: it has gone (its process ended with {process.returncode}); the rest goes on"
            )
