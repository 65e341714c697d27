"""Numbers and names as sentences have them, and the order in which people expect names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return "1 clip" or "3 clips".

    >>> count(1, "class", "classes"), count(2, "class", "classes")
    ('1 class', '2 classes')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listing(things: Iterable[object], most: int = 5) -> str:
    """Return the first few things and how many more there are.

    >>> listing(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    things = list(things)
    shown = ", ".join(str(thing) for thing in things[:most])
    return shown + (f" and {len(things) - most:,} more" if len(things) > most else "")


def natural_key(text: str) -> tuple[Any, ...]:
    """Return a sort key under which numbers inside names count as numbers.

    >>> sorted(["class10", "Class2", "class1"], key=natural_key)
    ['class1', 'Class2', 'class10']
    """
    parts = re.split(r"([0-9]+)", text)  # text and number take turns, so like meets like
    return tuple(int(part) if i % 2 else part.casefold() for i, part in enumerate(parts)), text


def at_rows(bad: Sequence[bool], lines: Sequence[int] | None, most: int = 5) -> str:
    """Return where the bad rows are: "line 3", "lines 3, 5 and 7 more"; "rows …" from 1 without a file."""
    numbers = [lines[i] if lines is not None else i + 1 for i, wrong in enumerate(bad) if wrong]
    noun = "line" if lines is not None else "row"
    return f"{noun}{'s' if len(numbers) > 1 else ''} {listing(numbers, most)}"
