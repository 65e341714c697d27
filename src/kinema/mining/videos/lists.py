"""The lists that a search for videos writes: what is taken, with the columns of Kinetics' lists, and what is not."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kinema.data.readers.tables import read_cells
from kinema.errors import DataError
from kinema.files import atomic_path

COLUMNS = (
    "label", "youtube_id", "time_start", "time_end", "title", "duration", "licence", "author", "url", "query", "rank",
)  # fmt: skip
LEFT_COLUMNS = ("label", "youtube_id", "title", "duration", "licence", "url", "query", "rank", "why")


class VideoLists:
    """The two tables, `out` and NAME-left-out.csv: rows by their video's id, in the order in which they were found.

    Raises `DataError` for a file that is no such table.
    """

    def __init__(self, out: Path) -> None:
        self.path = out
        self.left_path = out.with_name(f"{out.stem}-left-out.csv")
        self.kept = {row["youtube_id"]: row for row in _read(out, COLUMNS)}
        self.left = {row["youtube_id"]: row for row in _read(self.left_path, LEFT_COLUMNS)}

    def count(self, action: str) -> int:
        """Return how many videos of an action are listed."""
        return sum(1 for row in self.kept.values() if row["label"] == action)

    def among(self, actions: Sequence[str]) -> int:
        """Return how many videos of these actions are listed."""
        return sum(self.count(action) for action in actions)

    def add(self, row: dict[str, Any]) -> None:
        """Add a row, to those left out where it has a `why`."""
        if row.get("why"):
            self.left[row["youtube_id"]] = row
        else:
            self.kept[row["youtube_id"]] = row
            self.left.pop(row["youtube_id"], None)

    def write(self) -> None:
        """Write both tables, each whole or not at all."""
        for path, columns, rows in (
            (self.path, COLUMNS, self.kept.values()),
            (self.left_path, LEFT_COLUMNS, self.left.values()),
        ):
            with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
                writer = csv.DictWriter(handle, columns, extrasaction="ignore")
                writer.writeheader()
                writer.writerows(rows)


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    cells, lines = read_cells(path)
    missing = [name for name in columns if name not in cells.columns]
    if missing:
        raise DataError(
            f"{path}: no list of kinema mine videos (no column '{missing[0]}'); give another --out"
        )
    rows = [
        dict(zip(columns, row, strict=True)) for row in cells[[*columns]].itertuples(index=False, name=None)
    ]
    for line, row in zip(lines, rows, strict=True):
        if row["duration"] and not _is_seconds(row["duration"]):
            raise DataError(f"{path}: line {line}: the duration '{row['duration']}' is no number of seconds")
    return [row for row in rows if row["youtube_id"]]


def _is_seconds(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
