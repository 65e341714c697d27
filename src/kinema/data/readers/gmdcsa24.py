"""The annotation tables of GMDCSA24 (falls and daily life): all ranges of a video in one cell."""

from __future__ import annotations

import re
from pathlib import Path

from kinema.data.readers.annotations import Annotations
from kinema.data.readers.tables import read_cells
from kinema.data.wording import count

COLUMNS = frozenset({"file name", "classes"})

_RANGE = re.compile(r"\s*(\S+)\s+to\s+(\S+)\s*")


def add_gmdcsa24(file: Path, annotations: Annotations) -> None:
    """Add the ranges of `SubjectN_ADL.csv` or `SubjectN_Fall.csv`.

    Columns `File Name` (`01.mp4`) and `Classes` (`Walking[0 to 1.8; 6 to 8.7]; Sitting[2 to 5]`), the others are
    passed over. The videos lie in `Subject N/ADL/` as published, or are called `adl/subjectN_01.mp4`; the
    subject is the group. A bracket that is not closed is closed, and counted in the notes; a class without a
    range, and a range without "to", are faults. https://doi.org/10.5281/zenodo.12921216
    """
    table, lines = read_cells(file)
    table.columns = [str(name).strip().lower() for name in table.columns]
    match = re.fullmatch(r"(?i)subject\s*(\d+)[_ -](\w+)", file.stem)
    mended = 0
    for name, cell, line in zip(table["file name"], table["classes"], lines, strict=True):
        names: tuple[str, ...] = (name,)
        extra: dict[str, str] = {}
        if match:
            subject, kind = match[1], match[2]
            names = (
                f"Subject {subject}/{kind}/{name}",
                f"{kind.lower()}/subject{subject}_{name}",
                f"subject{subject}/{kind}/{name}",
            )
            extra = {"group": f"subject{subject}"}
        origin = f"{file.name} line {line}"
        ranges, faults, closed = ranges_of(cell)
        mended += closed
        for fault in faults:
            annotations.refuse(origin, fault, names)
        for label, start, end in ranges:
            annotations.add(origin, names, start, end, label, extra=dict(extra))
    if mended:
        annotations.notes.append(
            f"{file.name}: {count(mended, 'bracket')} left open in the table, taken as closed"
        )


def ranges_of(cell: str) -> tuple[list[tuple[str, str, str]], list[str], int]:
    """Return the (label, start, end) of a `Classes` cell, its faults, and how many brackets were not closed.

    >>> ranges_of("Standing[0 to 0.5; 4.2 to 6]; Reading")
    ([('Standing', '0', '0.5'), ('Standing', '4.2', '6')], ["no time range for 'Reading'"], 0)
    """
    ranges: list[tuple[str, str, str]] = []
    faults: list[str] = []
    mended, label, open_bracket = 0, "", False
    for piece in re.split(r";", cell):
        piece = piece.strip(" \t:.,")
        if not piece:
            continue
        if "[" in piece:
            mended += open_bracket  # the one before was left open
            label, piece = (part.strip(" \t:") for part in piece.split("[", 1))
            if label.count("(") > label.count(")"):
                label, mended = f"{label})", mended + 1
            open_bracket = True
        elif not open_bracket:
            faults.append(f"no time range for {piece!r}")
            continue
        if "]" in piece:
            piece, open_bracket = piece.split("]", 1)[0], False
        match = _RANGE.fullmatch(piece)
        if match:
            ranges.append((label, match[1], match[2]))
        else:
            faults.append(f"'{label}[{piece.strip()}]' is no range 'START to END'")
    return ranges, faults, mended + open_bracket
