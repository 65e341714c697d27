"""Text files as people keep them: with a byte order mark or without, any line ends, cells apart by any mark."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from kinema.errors import DataError

_HEAD = 65536  # bytes; enough to see what a file is that may have a million rows


def read_text(path: Path, kind: str = "list") -> str:
    """Return the text of a file: UTF-8 with or without a byte order mark, UTF-16 with one.

    `kind` is what the user is told to save as UTF-8. Raises `DataError` for a file that is missing,
    unreadable or not such text, with the line.
    """
    raw = read_bytes(path)
    try:
        text = raw.decode(_encoding(raw))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{path}: line {line} is not UTF-8 text; save the {kind} as UTF-8") from error
    if "\0" in text:
        raise DataError(f"{path}: not a text {kind} (it holds zero bytes)")
    return text


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file. Raises `DataError` for one that is missing or unreadable."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error


def head_of(path: Path) -> str:
    """Return the beginning of a file as text, to recognise it by; nothing where there is no readable file."""
    try:
        with path.open("rb") as file:
            raw = file.read(_HEAD)
    except OSError:
        return ""
    return raw.decode(_encoding(raw), errors="replace")


def lines_of(text: str) -> list[str]:
    """Return the lines of a text with the line ends of any system, or a mixture.

    >>> lines_of("a\\r\\nb\\rc\\nd")
    ['a', 'b', 'c', 'd']
    """
    return re.split(r"\r\n|\n|\r", text)


def list_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a list that are not blank with their numbers from 1, without spaces around them.

    Backslashes, the separators of Windows, become slashes.
    """
    lines = enumerate(lines_of(read_text(path)), start=1)
    return [(number, line.strip().replace("\\", "/")) for number, line in lines if line.strip()]


def separator_of(line: str) -> str:
    """Return what separates the cells of a table's first line: a comma, a semicolon or a tab."""
    return max(",;\t", key=line.count)


def header_of(path: Path) -> list[str]:
    """Return the column names of a CSV or TSV file in lower case; none for what is no readable text table."""
    line = next((line for line in lines_of(head_of(path)) if line.strip()), "")
    if "\0" in line:
        return []
    row = next(csv.reader([line], delimiter=separator_of(line), skipinitialspace=True), [])
    return [cell.strip().lower() for cell in row]


def _encoding(start: bytes) -> str:
    return "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
