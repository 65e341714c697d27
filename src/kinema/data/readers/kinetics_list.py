"""The published CSV lists of Kinetics as tables; 650,000 rows in seconds."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kinema.data.columns import missing_columns, split_name
from kinema.data.readers.text import header_of, lines_of, read_text, separator_of
from kinema.data.wording import count, listing
from kinema.errors import DataError

COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split", "is_cc")
NEEDED = ("youtube_id", "time_start", "time_end")
ID_LENGTH = 11
"""Characters of a YouTube id."""

_SPILL = "beyond the header"
_LONGEST = 1e6  # seconds


@dataclass(frozen=True, slots=True)
class KineticsList:
    """One CSV list as read.

    `clips` has the columns `label, youtube_id, time_start, time_end, split, line` (and `is_cc` where the list
    has it), one row a clip: times are seconds, label and split None where the list tells none (test lists have
    no labels). `bad` has the rows that are no clips: `line, label, split, clip, why`. `notes` says what else
    was changed.
    """

    file: Path
    clips: pd.DataFrame
    bad: pd.DataFrame
    notes: list[str]


def read_kinetics_list(path: Path) -> KineticsList:
    """Read one CSV list of Kinetics-400, 600 or 700.

    A list without a column `split` has the split that its file name says; the rows that Kinetics-600 holds out
    have none. Rows without a usable id (spreadsheets turn some into `#NAME?`), times or split are listed as
    bad; of repeated rows the first counts.

    Raises `DataError` for missing columns, no rows, and what is no CSV text, with the line where it has one.
    """
    cells, lines = _cells(path)
    if not len(cells):
        raise DataError(f"{path}: the list has no rows below the column names")
    start, end = (pd.to_numeric(cells[name], errors="coerce").to_numpy(float) for name in NEEDED[1:])
    known = _known_splits(path, cells)
    columns: dict[str, Any] = {
        "label": _texts(cells, "label"),
        "youtube_id": _texts(cells, "youtube_id"),
        "time_start": start,
        "time_end": end,
        "split": _texts(cells, "split", known) if "split" in cells else _same(known[""], len(cells)),
        "line": lines,
    }
    if "is_cc" in cells:
        columns["is_cc"] = _texts(cells, "is_cc")
    table = pd.DataFrame(columns)
    why = _faults(cells, start, end, known)
    good = np.equal(why, "")
    clips = table[good]
    # Kinetics-600 has a second test set, whose labels were held out; mixing it with the first is wrong.
    held = [word for word, split in known.items() if word and split is None]
    notes = []
    if held:
        number = count(int(_among(cells, held).sum()), "row")
        notes.append(f"{path.name}: {number} of the split {listing(held)} left without one")
    once = ~clips.duplicated([*NEEDED, "label", "split"]).to_numpy()
    if not once.all():
        notes.append(f"{path.name}: {count(int((~once).sum()), 'row')} repeated, used once")
    bad = table.loc[~good, ["line", "label", "split"]].assign(
        clip=[" ".join(row) for row in cells.loc[~good, [*NEEDED]].itertuples(index=False, name=None)],
        why=why[~good],
    )
    return KineticsList(path, clips[once].reset_index(drop=True), bad.reset_index(drop=True), notes)


def is_kinetics_list(path: Path) -> bool:
    """Return whether a file is a CSV with the column `youtube_id`; only its beginning is read."""
    if path.suffix.lower() not in (".csv", ".tsv") or path.name.startswith(".") or not path.is_file():
        return False
    return "youtube_id" in header_of(path)


def split_of_name(path: Path) -> str | None:
    """Return the split that a list's file name tells: `kinetics_600_val.csv` is of valid."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    return next((name for word in reversed(words) if (name := split_name(word))), None)


def clip_name(youtube_id: str, start: float, end: float) -> str:
    """Return how files of Kinetics are called: the id and the times, whole seconds or milliseconds.

    >>> clip_name("--07WQ2iBlw", 1, 11), clip_name("--07WQ2iBlw", 2.5, 12.5)
    ('--07WQ2iBlw_000001_000011.mp4', '--07WQ2iBlw_000002.500_000012.500.mp4')
    """
    return f"{youtube_id}_{_stamp(start)}_{_stamp(end)}.mp4"


def _faults(
    cells: pd.DataFrame, start: NDArray[Any], end: NDArray[Any], known: dict[str, Any]
) -> NDArray[np.object_]:
    """Return why each row is no clip, "" where it is one."""
    unknown = [word for word, split in known.items() if split == "unknown"]
    why = np.full(len(cells), "", dtype=object)
    real = cells["youtube_id"].str.fullmatch(rf"[A-Za-z0-9_-]{{{ID_LENGTH}}}").to_numpy(bool)
    # The last that holds is told.
    for fault, text in (
        (_among(cells, unknown), "unknown split {split!r}; use train, validate or test"),
        (~(end > start), "the end {time_end} is not after the start {time_start}"),
        (start < 0, "negative start {time_start}"),
        (
            np.isnan(start) | ~(np.abs(end) < _LONGEST),
            "{time_start!r} and {time_end!r} are not both times in seconds",
        ),
        (~real, "{youtube_id!r} is not the id of a video"),
        ((cells[_SPILL] != "").to_numpy(), "more cells than the header; quote a cell that holds a comma"),
    ):
        rows = cells[fault].to_dict("records")
        for row, values in zip(np.flatnonzero(fault).tolist(), rows, strict=True):
            why[row] = text.format(**{str(name): cell for name, cell in values.items()})
    return why


def _cells(path: Path) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return the rows below the header that hold something, as text without spaces around it, and their lines."""
    text = read_text(path)
    header = header_of(path)
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise missing_columns(str(path), missing, header)
    skip, first = next((n, line) for n, line in enumerate(lines_of(text[:65536])) if line.strip())
    separator = separator_of(first)
    try:
        cells = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            header=None,
            names=[*header, _SPILL],
            index_col=False,
            skiprows=skip + 1,
            skip_blank_lines=False,
            skipinitialspace=True,
            dtype=str,
            keep_default_na=False,
        )
    except pd.errors.EmptyDataError:
        cells = pd.DataFrame(columns=[*header, _SPILL], dtype=str)
    except ValueError as error:  # pandas' ParserError is one
        what = str(error).strip().splitlines()[0]
        place = re.search(r"line (\d+), saw", what)
        where = f"line {place[1]} has more cells than the header" if place else f"cannot be read ({what})"
        raise DataError(f"{path}: {where}; quote a cell that holds a comma, and close quotes") from error
    known = [name for name in COLUMNS if name in header]
    cells = cells[[*known, _SPILL]].fillna("").apply(lambda column: column.str.strip())
    lines = _line_numbers(text, separator, skip + 1, len(cells))
    filled = (cells != "").any(axis=1).to_numpy()
    return cells[filled].reset_index(drop=True), lines[filled]


def _line_numbers(text: str, separator: str, skip: int, rows: int) -> NDArray[np.int64]:
    """Return the line on which each row ends: quoted cells may hold line ends."""
    if '"' not in text:
        return np.arange(rows) + skip + 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    ends = [reader.line_num for _ in reader][skip:]
    return np.array((ends + [0] * rows)[:rows], dtype=np.int64)


def _known_splits(path: Path, cells: pd.DataFrame) -> dict[str, str | None]:
    """Return what each word of the column `split` means, "unknown" if nothing; without it, the file's own."""
    own = split_of_name(path)
    known: dict[str, str | None] = {"": own}
    for word in cells["split"].unique().tolist() if "split" in cells else []:
        if word:
            held_out = word.lower().startswith("holdout")
            known[word] = None if held_out else split_name(word) or "unknown"
    return known


def _among(cells: pd.DataFrame, words: list[str]) -> NDArray[np.bool_]:
    if "split" not in cells:
        return np.zeros(len(cells), dtype=bool)
    return np.asarray(cells["split"].isin(words), dtype=bool)


def _texts(cells: pd.DataFrame, name: str, meaning: dict[str, str | None] | None = None) -> pd.Series:
    """Return a column as str objects, None where empty; each distinct text is one object."""
    if name not in cells:
        return _same(None, len(cells))
    codes, words = pd.factorize(cells[name])
    meant = [word or None if meaning is None else meaning[word] for word in words.tolist()]
    return pd.Series(np.array([*meant, None], dtype=object)[codes], dtype=object)


def _same(value: str | None, rows: int) -> pd.Series:
    return pd.Series(np.full(rows, value, dtype=object), dtype=object)


def _stamp(seconds: float) -> str:
    return f"{seconds:06.0f}" if seconds == int(seconds) else f"{seconds:010.3f}"
