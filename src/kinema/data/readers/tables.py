"""Tables of labelled video as people write them (CSV, TSV, Parquet) as the columns of a manifest."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinema.errors import DataError, UsageError
from kinema.files import atomic_path

COLUMNS = ("video", "start", "end", "label", "split", "group")
SPLITS = ("train", "valid", "test")
NUMBERS = ("start", "end", "fps")
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")

_SPLIT_WORDS = {
    "train": "train", "training": "train", "trn": "train",
    "valid": "valid", "val": "valid", "validation": "valid", "validate": "valid", "dev": "valid",
    "test": "test", "testing": "test", "tst": "test",
}  # fmt: skip
_OTHER_WORDS = {
    "path": "video", "file": "video", "filename": "video", "file_name": "video", "clip": "video",
    "class": "label", "action": "label", "category": "label", "target": "label",
    "time_start": "start", "begin": "start", "time_end": "end", "stop": "end",
    "subject": "group", "subset": "split", "set": "split",
}  # fmt: skip


def split_name(word: str) -> str | None:
    """Return "train", "valid" or "test" for a word that means one of them, else None.

    >>> split_name("Validation"), split_name("dev"), split_name("walking")
    ('valid', 'valid', None)
    """
    return _SPLIT_WORDS.get(word.strip().lower())


def listing(things: Iterable[object], most: int = 5) -> str:
    """Return the first few things and how many more there are.

    >>> listing(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    things = list(things)
    shown = ", ".join(str(thing) for thing in things[:most])
    return shown + (f" and {len(things) - most} more" if len(things) > most else "")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return "1 clip" or "3 clips".

    >>> count(1, "class", "classes"), count(2, "class", "classes")
    ('1 class', '2 classes')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def natural_key(text: str) -> tuple[Any, ...]:
    """Return a sort key under which numbers inside names count as numbers.

    >>> sorted(["class10", "Class2", "class1"], key=natural_key)
    ['class1', 'Class2', 'class10']
    """
    parts = re.split(r"([0-9]+)", text)  # text and number take turns, so like meets like
    return tuple(int(part) if i % 2 else part.casefold() for i, part in enumerate(parts)), text


def located(name: str, root: Path) -> Path:
    """Return the absolute path of `name`, which starts from the folder `root`, without any ".." in it."""
    path = root / name
    # ".." climbs the real folders, so symbolic links are followed before it is resolved.
    return _real(path.parent) / path.name if ".." in path.parts else path


def moved_path(name: str, root: Path, target: Path) -> str:
    """Return a path that starts from the folder `root` as one from `target`; an absolute one as it is."""
    if Path(name).is_absolute():
        return name
    video = located(name, root)
    if video.is_relative_to(target):
        return video.relative_to(target).as_posix()
    video = _real(video.parent) / video.name
    try:
        return Path(os.path.relpath(video, _real(target))).as_posix()
    except ValueError:  # another drive on Windows
        return video.as_posix()


@lru_cache(maxsize=4096)
def _real(folder: Path) -> Path:
    return folder.resolve()


def read_cells(path: Path) -> tuple[pd.DataFrame, list[int]]:
    """Return a CSV file as text cells, with the line of the file on which each row ends.

    UTF-8 with or without a byte order mark (and UTF-16 with one), any mixture of line endings, cells
    separated by comma, semicolon or tab, whichever the header has most of. Blank lines are skipped, short
    rows filled. Raises `DataError` for a file that is missing, unreadable, empty, not text, or whose rows are
    longer than its header.
    """
    rows, lines = _records(_text(path), path)
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
    _readable(path)
    try:
        return pd.read_parquet(path), None
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise DataError(f"{path}: not a Parquet file that can be read ({_first_line(error)})") from error


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a data frame atomically as CSV (UTF-8, comma), TSV or Parquet, by the suffix of `path`."""
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise UsageError(f"{path}: a table is written as .csv, .tsv or .parquet, not '{path.suffix}'")
    with atomic_path(path) as temporary:
        if suffix in (".parquet", ".pq"):
            table.to_parquet(temporary, index=False)
            return
        separator = "\t" if suffix == ".tsv" else ","
        with temporary.open("w", encoding="utf-8", newline="") as out:
            out.write(separator.join(_cell(name, separator) for name in table.columns) + "\n")
            for row in table.itertuples(index=False, name=None):
                out.write(separator.join(_cell(value, separator) for value in row) + "\n")


def normalise(table: pd.DataFrame, source: str, lines: Sequence[int] | None = None) -> pd.DataFrame:
    """Return the table with the six columns first, times as floats (NaN where empty) and text as str or None.

    Other columns follow unchanged. `source` and `lines` name the place in errors. Raises `DataError` for a
    missing `video` column, an empty `video`, a time that is no number, is negative or ends before it starts,
    and a split that is none of train, valid, test (val, validation, dev, testing … are understood).
    """
    known = (*COLUMNS, "fps")
    lower = {column: str(column).strip().lower() for column in table.columns}
    table = table.rename(columns={c: n for c, n in lower.items() if n in known and n not in table.columns})
    if "video" not in table.columns:
        raise missing_columns(source, ["video"], list(table.columns))
    refuse_misspelt(source, list(table.columns))
    result: dict[str, Any] = {}
    for name in COLUMNS:
        cells = table[name].tolist() if name in table.columns else [None] * len(table)
        result[name] = [number_of(c) if name in NUMBERS else text_of(c, strip=name != "video") for c in cells]
    if "fps" in table.columns:
        result["fps"] = [number_of(cell) for cell in table["fps"].tolist()]
    for name in NUMBERS:
        unit = "frames a second" if name == "fps" else "seconds"
        _refuse(
            source, lines, [v == "bad" for v in result.get(name, [])], f"{name} is not a number of {unit}"
        )
    _refuse(source, lines, [not video for video in result["video"]], "the cell 'video' is empty")
    start, end = (np.array(result[name], dtype=float) for name in ("start", "end"))
    negative, reverse = (start < 0) | (end < 0), end <= np.nan_to_num(start)
    _refuse(source, lines, negative.tolist(), "a time is negative; times are seconds from the start")
    _refuse(source, lines, reverse.tolist(), "end is not after start; swap or correct the times")
    words = result["split"]
    splits = [None if word is None else split_name(word) for word in words]
    unknown = [word is not None and name is None for word, name in zip(words, splits, strict=True)]
    named = sorted({word for word, bad in zip(words, unknown, strict=True) if bad})
    _refuse(source, lines, unknown, f"unknown split {listing(map(repr, named))}; use train, valid or test")
    result["split"] = splits
    columns = {
        name: pd.Series(values, index=table.index, dtype=float if name in NUMBERS else object)
        for name, values in result.items()
    }
    extra = {name: table[name] for name in table.columns if name not in columns}
    return pd.DataFrame({**columns, **extra}, index=table.index).reset_index(drop=True)


def text_of(cell: Any, strip: bool = True) -> str | None:
    """Return a cell as text, None where empty; a whole number that pandas made a float loses its '.0'."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return None
    if isinstance(cell, float | np.floating):
        return None if math.isnan(cell) else str(int(cell)) if cell == int(cell) else str(cell)
    text = os.fspath(cell) if isinstance(cell, os.PathLike) else str(cell)
    return (text.strip() if strip else text) or None


def number_of(cell: Any) -> float | str:
    """Return a cell as a number, NaN where empty, "bad" where it is neither."""
    text = text_of(cell)
    if text is None:
        return math.nan
    try:
        value = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return "bad"
    return value if math.isfinite(value) else "bad"


def missing_columns(source: str, missing: Sequence[str], found: Sequence[str]) -> DataError:
    """Return the error for columns that a table lacks, naming the found column that probably is meant."""
    hints = [f"rename '{near}' to '{name}'" for name in missing if (near := _meant(name, found))]
    names = listing(map(repr, missing))
    what = f"the columns {names} are missing" if len(missing) > 1 else f"the column {names} is missing"
    mend = (
        "; " + ", ".join(hints)
        if hints
        else "; add a column of that name (its cells may be empty)"
        if len(missing) == 1
        else ""
    )
    return DataError(f"{source}: {what} (found: {listing(found, 12) or 'none'}){mend}")


def refuse_misspelt(source: str, found: Sequence[str]) -> None:
    """Raise `DataError` for a column that nearly is an absent known one: 'gruop' would leak in silence."""
    from difflib import SequenceMatcher

    for name in COLUMNS:
        if name in found:
            continue
        for other in found:
            near = SequenceMatcher(None, name, str(other).lower()).ratio() >= 0.8
            if near and other not in COLUMNS:
                raise DataError(
                    f"{source}: the column '{other}' looks like '{name}', which is absent; rename it"
                )


def at_rows(bad: Sequence[bool], lines: Sequence[int] | None, most: int = 5) -> str:
    """Return where the bad rows are: "line 3", "lines 3, 5 and 7 more"; "rows …" from 1 without a file."""
    numbers = [lines[i] if lines is not None else i + 1 for i, wrong in enumerate(bad) if wrong]
    noun = "line" if lines is not None else "row"
    return f"{noun}{'s' if len(numbers) > 1 else ''} {listing(numbers, most)}"


def _refuse(source: str, lines: Sequence[int] | None, bad: Sequence[bool], what: str) -> None:
    if any(bad):
        raise DataError(f"{source}: {at_rows(bad, lines)}: {what}")


def _meant(name: str, found: Sequence[str]) -> str | None:
    from difflib import get_close_matches

    lower = {str(column).strip().lower(): str(column) for column in found if column not in COLUMNS}
    for word, column in lower.items():
        if _OTHER_WORDS.get(word) == name:
            return column
    near = get_close_matches(name, list(lower), n=1, cutoff=0.7)
    return lower[near[0]] if near else None


def _readable(path: Path) -> None:
    if not path.exists():
        raise DataError(f"{path}: no such file; check the path")
    try:
        path.open("rb").close()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _text(path: Path) -> str:
    _readable(path)
    raw = path.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{path}: line {line} is not UTF-8 text; save the table as UTF-8") from error
    if "\0" in text:
        raise DataError(f"{path}: not a text table (it holds zero bytes)")
    return text


def _records(text: str, path: Path) -> tuple[list[list[str]], list[int]]:
    first = text.lstrip("\r\n").split("\n", 1)[0].split("\r", 1)[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=False
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
