"""JsonLines: everything as JSON, a line each, for other programs."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TextIO

from kinema.events import Event
from kinema.streaming.rows import Notice, Row
from kinema.streaming.sinks.base import Sink, StreamInfo

_PLACES = 6


class JsonLines(Sink):
    """Prints a JSON object a line to `stream` (stdout): `{"type": "start" | "row" | "event" | "notice" | "end", ...}`.

    `start` names the `classes` in the order of the `probabilities` of each `row`. Times are seconds from the source's first
    frame, `*_ms` milliseconds, `at` seconds since 1970. An `event` comes when it begins (`ended` false) and when it has
    ended. Each line is flushed. When nobody reads any more, `stop` is called, and nothing further is printed.
    """

    name = "json"
    wants_rows = True
    rows_waiting = 100_000  # a line left out is a wrong answer to who reads a file's results

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        rows: bool = True,
        stop: Callable[[], object] | None = None,
    ) -> None:
        """`rows`: whether rows are printed, or only events and notices."""
        self.wants_rows = rows
        self._stream = stream if stream is not None else sys.stdout
        self._stop = stop
        self._gone = False
        self._counts = {"rows": 0, "events": 0}
        self._classes: list[str] = []

    def open(self, info: StreamInfo) -> None:
        """Print the line that tells what follows."""
        self._classes = info.classes
        self._print(
            "start",
            at=round(time.time(), 3),
            sources=info.sources,
            classes=info.classes,
            rules=info.rules.to_dict(),
        )

    def row(self, row: Row) -> None:
        """Print a row."""
        self._counts["rows"] += 1
        self._print(
            "row",
            source=row.name,
            time=_rounded(row.time),
            label=self._classes[row.best],
            probabilities=_list(row.probabilities.tolist()),
            smoothed=_list(row.smoothed.tolist()),
            full=row.full,
            known=row.known,
            energy=_rounded(row.energy),
            waited_ms=_milliseconds(row.waited),
            decoding_ms=_milliseconds(row.decoding),
            backbone_ms=_milliseconds(row.backbone),
            head_ms=_milliseconds(row.head),
            latency_ms=_milliseconds(row.latency),
        )

    def event(self, event: Event) -> None:
        """Print an event."""
        self._counts["events"] += event.ended
        self._print("event", **event.to_dict())

    def notice(self, notice: Notice) -> None:
        """Print a notice."""
        self._print("notice", kind=notice.kind, name=notice.name, text=notice.text, at=round(notice.time, 3))

    def close(self, timeout: float = 5.0) -> None:
        """Print the last line."""
        self._print("end", at=round(time.time(), 3), **self._counts)

    def _print(self, kind: str, /, **values: Any) -> None:
        if self._gone:
            return
        line = json.dumps(
            {"type": kind, **values}, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError) as error:
            # ValueError: the file is closed.
            self._gone = True
            if isinstance(error, BrokenPipeError):
                self._silence()
            if self._stop is not None:
                self._stop()

    def _silence(self) -> None:
        """Point the stream elsewhere, so that what a command prints at its end, or Python flushes, does not fail as well."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def _rounded(value: float) -> float | None:
    return round(float(value), _PLACES) if math.isfinite(value) else None


def _list(values: Iterable[float]) -> list[float | None]:
    return [_rounded(value) for value in values]


def _milliseconds(seconds: float) -> float | None:
    return round(seconds * 1000, 3) if math.isfinite(seconds) else None
