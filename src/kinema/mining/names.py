"""Names of actions as a user gives them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kinema.errors import UsageError


def read_names(given: Sequence[str]) -> list[str]:
    """Return the names of actions: of each text the file of that name, a name a line, or what stands between its commas.

    >>> read_names(["walking, push-ups", "walking"])
    ['walking', 'push-ups']

    Raises `UsageError` when there are none, `DataError` for a file that is no text.
    """
    names: list[str] = []
    for text in given:
        path = Path(text)
        if os.path.isfile(text):  # noqa: PTH113  # Path.is_file raises for a text longer than names of files can be
            from kinema.data.readers.text import lines_of, read_text

            lines = [line.strip() for line in lines_of(read_text(path))]
            names += [line for line in lines if line and not line.startswith("#")]
        elif path.suffix.lower() in (".txt", ".names", ".csv") or "/" in text:
            raise UsageError(
                f"{text}: no such file; give a text file with a name a line, or names with commas"
            )
        else:
            names += [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError("no action is named; give names with commas between, or a file with a name a line")
    return list(dict.fromkeys(" ".join(name.split()) for name in names))
