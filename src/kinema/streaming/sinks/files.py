"""Sinks of files: events as JSONL or CSV, rows as CSV, appended line by line."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kinema.errors import UsageError
from kinema.events import Event
from kinema.streaming.rows import Row
from kinema.streaming.sinks.base import Sink, StreamInfo
from kinema.streaming.sinks.line_file import LineFile
from kinema.streaming.sinks.wording import shown_source

_EVENT_COLUMNS = (
    *("source", "label", "start", "end", "seconds", "rows", "peak", "peak_time", "mean", "difference"),
    *("alert", "began_at", "clip", "thumbnail", "id"),
)


class EventLog(Sink):
    """Appends each event to a file when it has ended: JSON, one line an event (`.jsonl`), or a table (`.csv`).

    `begins`: also when it begins, with `ended` false (JSON alone). A line is on disk when the call returns, and is whole: what a
    killed process or a full disk left of a last line is cut off. While the disk is full the lines wait in memory. A table
    whose columns are others than those of this start (other classes) is moved to `NAME-1.csv`.

    `path`: within the engine's folder of results where it is relative and there is one.
    """

    def __init__(
        self, path: Path | str = "events.jsonl", *, begins: bool = False, name: str | None = None
    ) -> None:
        self._path = Path(path)
        if self._path.suffix.lower() not in (".jsonl", ".ndjson", ".csv"):
            raise UsageError(f"{path}: events are written as .jsonl or .csv")
        self._is_table = self._path.suffix.lower() == ".csv"
        if begins and self._is_table:
            raise UsageError(f"{path}: a table has one line an event; begins = true needs .jsonl")
        self.name = name or str(path)
        self._begins = begins
        self._classes: list[str] = []
        self._lines: LineFile | None = None

    def open(self, info: StreamInfo) -> None:
        """Open the file and cut off half a line. Raises `KinemaError` when it cannot be written."""
        self._classes = info.classes
        header = _csv_line([*_EVENT_COLUMNS, *(f"mean {name}" for name in info.classes)])
        path = info.folder / self._path if info.folder else self._path
        self._lines = LineFile(path, header if self._is_table else b"", safe=True)

    def event(self, event: Event) -> None:
        """Append an event. Raises `KinemaError` when the disk refuses; the line is kept and written later."""
        if self._lines is not None and (event.ended or self._begins):
            self._lines.append(self._table_line(event) if self._is_table else _json_line(event))

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits and close the file."""
        if self._lines is not None:
            lines, self._lines = self._lines, None
            lines.close()

    def _table_line(self, event: Event) -> bytes:
        values = event.to_dict()
        ranked = sorted(values["means"].values(), reverse=True)
        values["source"] = shown_source(event.source)
        values["seconds"] = round(event.seconds, 6)
        values["difference"] = round(ranked[0] - ranked[1], 6) if len(ranked) > 1 else None
        means = [values["means"].get(name) for name in self._classes]
        return _csv_line([*(values[name] for name in _EVENT_COLUMNS), *means])


class RowLog(Sink):
    """Appends each row to a table: source, time, label, whether it is known, the probability of each class (smoothed where
    `smoothed`), latency in seconds, and the date at which the frame arrived.

    At `megabytes` the table becomes `NAME-1.csv`, the one before `NAME-2.csv`, and so on; `keep` of them are kept. Rows are
    on disk within a second. `path`: as in `EventLog`.
    """

    wants_rows = True
    rows_waiting = 10_000

    def __init__(
        self,
        path: Path | str = "rows.csv",
        *,
        megabytes: float = 50.0,
        keep: int = 5,
        smoothed: bool = False,
        name: str | None = None,
    ) -> None:
        self._path = Path(path)
        if self._path.suffix.lower() != ".csv":
            raise UsageError(f"{path}: rows are written as .csv")
        if megabytes <= 0 or keep < 0:
            raise UsageError(f"{path}: give megabytes above 0 and keep of 0 or more")
        self.name = name or str(path)
        self._limit = int(megabytes * 1_000_000)
        self._keep = keep
        self._smoothed = smoothed
        self._info: StreamInfo | None = None
        self._lines: LineFile | None = None

    def open(self, info: StreamInfo) -> None:
        """Open the table. Raises `KinemaError` when it cannot be written."""
        self._info = info
        header = _csv_line(["source", "time", "label", "known", *info.classes, "latency", "date"])
        path = info.folder / self._path if info.folder else self._path
        self._lines = LineFile(path, header, limit=self._limit, keep=self._keep)

    def row(self, row: Row) -> None:
        """Append a row."""
        if self._lines is None or self._info is None:
            return
        values = row.smoothed if self._smoothed else row.probabilities
        captured = time.time() - (time.monotonic() - row.captured)
        self._lines.append(
            _csv_line(
                [
                    shown_source(row.name),
                    f"{row.time:.6f}",
                    self._info.classes[int(values.argmax())],
                    int(row.known),
                    *(f"{value:.6f}" for value in values),
                    f"{row.latency:.6f}",
                    datetime.fromtimestamp(captured, UTC).isoformat(timespec="milliseconds"),
                ]
            )
        )

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits and close the table."""
        if self._lines is not None:
            lines, self._lines = self._lines, None
            lines.close()


def _json_line(event: Event) -> bytes:
    values = {**event.to_dict(), "source": shown_source(event.source)}
    return json.dumps(values, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _csv_line(values: Sequence[Any]) -> bytes:
    out = io.StringIO()
    plain = ["" if value is None else " ".join(str(value).splitlines()) for value in values]
    csv.writer(out, lineterminator="\n").writerow(plain)
    return out.getvalue().encode()
