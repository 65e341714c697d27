"""The columns of a manifest: their names, the words that people write for them, and what their cells may hold."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher, get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from kinema.data.wording import at_rows, listing
from kinema.errors import DataError

COLUMNS = ("video", "start", "end", "label", "split", "group")
SPLITS = ("train", "valid", "test")
NUMBERS = ("start", "end", "fps")

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
        column = table[name] if name in table.columns else pd.Series([None] * len(table), dtype=object)
        result[name] = _numbers(column) if name in NUMBERS else _texts(column, strip=name != "video")
    if "fps" in table.columns:
        result["fps"] = _numbers(table["fps"])
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
        return None if math.isnan(cell) else str(int(cell)) if float(cell).is_integer() else str(cell)
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
    for name in COLUMNS:
        if name in found:
            continue
        for other in found:
            near = SequenceMatcher(None, name, str(other).lower()).ratio() >= 0.8
            if near and other not in COLUMNS:
                raise DataError(
                    f"{source}: the column '{other}' looks like '{name}', which is absent; rename it"
                )


def _numbers(column: pd.Series) -> list[float | str]:
    if column.dtype == np.float64:  # readers' own times; infinities are faults
        cells = column.tolist()
        return cells if np.isfinite(column.dropna()).all() else [number_of(cell) for cell in cells]
    return _once_each(column.tolist(), number_of)


def _texts(column: pd.Series, strip: bool) -> list[str | None]:
    return _once_each(column.tolist(), lambda cell: text_of(cell, strip=strip))


def _once_each(cells: list[Any], clean: Callable[[Any], Any]) -> list[Any]:
    """Clean each distinct text once: tables repeat their labels hundreds of thousands of times."""
    known: dict[str, Any] = {}
    found = []
    for cell in cells:
        if type(cell) is not str:
            found.append(clean(cell))
            continue
        if cell not in known:
            known[cell] = clean(cell)
        found.append(known[cell])
    return found


def _refuse(source: str, lines: Sequence[int] | None, bad: Sequence[bool], what: str) -> None:
    if any(bad):
        raise DataError(f"{source}: {at_rows(bad, lines)}: {what}")


def _meant(name: str, found: Sequence[str]) -> str | None:
    lower = {str(column).strip().lower(): str(column) for column in found if column not in COLUMNS}
    for word, column in lower.items():
        if _OTHER_WORDS.get(word) == name:
            return column
    near = get_close_matches(name, list(lower), n=1, cutoff=0.7)
    return lower[near[0]] if near else None
