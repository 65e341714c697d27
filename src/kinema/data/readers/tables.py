"""Tables as people write them (CSV, TSV, Parquet), read cell by cell and written whole or not at all."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinema.data.readers.text import lines_of, read_bytes, read_text, separator_of
from kinema.data.wording import listing
from kinema.errors import DataError, UsageError
from kinema.files import atomic_path

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")
_HEADER = 65536  # characters; no header is longer


def read_cells(path: Path) -> tuple[pd.DataFrame, list[int]]:
    """Return a CSV file as text cells, with the line of the file on which each row ends.

    UTF-8 with or without a byte order mark (and UTF-16 with one), any mixture of line endings, cells
    separated by comma, semicolon or tab, whichever the header has most of. Blank lines are skipped, short
    rows filled. Raises `DataError` for a file that is missing, unreadable, empty, not text, or whose rows are
    longer than its header.
    """
    rows, lines = _records(read_text(path, "table"), path)
    if not rows:
        raise DataError(f"{path}: the file is empty; a table starts with its column names (video,label,…)")
    header = [cell.strip() for cell in rows[0]]
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise DataError(
            f"{path}: the column {listing(map(repr, repeated))} is there twice; rename or remove one"
        )
    body: list[list[str]] = []
    for row, line in zip(rows[1:], lines[1:], strict=True):
        if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
            message = f"has {len(row)} cells where the header has {len(header)}"
            raise DataError(f"{path}: line {line} {message}; quote a cell that holds the separator")
        body.append([*row[: len(header)], *[""] * (len(header) - len(row))])
    table = pd.DataFrame(body, columns=header, dtype=object)
    return table.loc[:, [name for name in header if name]], lines[1:]


def read_table(path: Path) -> tuple[pd.DataFrame, list[int] | None]:
    """Return a CSV, TSV or Parquet file as a data frame, with line numbers where the format has lines."""
    if path.suffix.lower() not in (".parquet", ".pq"):
        return read_cells(path)
    raw = read_bytes(path)
    try:
        return pd.read_parquet(io.BytesIO(raw)), None
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise DataError(f"{path}: not a Parquet file that can be read ({_first_line(error)})") from error


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a data frame atomically as CSV (UTF-8, comma), TSV or Parquet, by the suffix of `path`."""
    refuse_suffix(path)
    suffix = path.suffix.lower()
    with atomic_path(path) as temporary:
        if suffix in (".parquet", ".pq"):
            table.to_parquet(temporary, index=False)
            return
        separator = "\t" if suffix == ".tsv" else ","
        with temporary.open("w", encoding="utf-8", newline="") as out:
            out.write(separator.join(_cell(name, separator) for name in table.columns) + "\n")
            for row in table.itertuples(index=False, name=None):
                out.write(separator.join(_cell(value, separator) for value in row) + "\n")


def refuse_suffix(path: Path) -> None:
    """Raise `UsageError` for a file that `write_table` cannot write, before long work is done for it."""
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise UsageError(f"{path}: a table is written as .csv, .tsv or .parquet, not '{path.suffix}'")


def _records(text: str, path: Path) -> tuple[list[list[str]], list[int]]:
    first = next((line for line in lines_of(text[:_HEADER]) if line.strip()), "")
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator_of(first), skipinitialspace=True, strict=False
    )
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} cannot be read as CSV ({error})") from error
    return rows, lines


def _cell(value: Any, separator: str) -> str:
    if isinstance(value, float | np.floating):
        text = "" if math.isnan(value) else repr(float(value)).removesuffix(".0")
    else:
        text = "" if value is None or value is pd.NA or value is pd.NaT else str(value)
    # The reader drops spaces after a separator, so a name that begins with one must be quoted.
    if any(mark in text for mark in (separator, '"', "\n", "\r", ";", "\t")) or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
