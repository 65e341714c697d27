"""The mark of splits that leak with their maker's consent: a column of the manifest, and what every report says of it."""

from __future__ import annotations

import pandas as pd

COLUMN = "split_by"

LEAKY = {
    "frame": (
        "The splits were made at random by frame, on purpose (--allow-leakage): stretches of one and the same clip are "
        "in train and in test. The numbers are inflated and say nothing about new videos."
    ),
    "clip": (
        "The splits were made at random by clip, on purpose (--allow-leakage): clips of one recording are in train and "
        "in test. The numbers are inflated and say nothing about new videos."
    ),
    "list": (
        "The splits follow lists that divide groups, on purpose (--allow-leakage): clips of one recording or subject are "
        "in train and in test. The numbers are inflated."
    ),
    "content": (
        "Near-duplicate clips were found in different splits and left there, on purpose (--allow-leakage): what is tested "
        "was partly trained on. The numbers are inflated."
    ),
}
"""What a value of the column means, as a sentence for the top of a report; the worst first."""

MENDED_BY_GROUPS = ("frame", "clip", "list")
"""The values that mean nothing any more once the clips are split by group anew."""


def leaky_split(table: pd.DataFrame) -> str | None:
    """Return the worst mark that rows of a table bear, None where they bear none.

    >>> leaky_split(pd.DataFrame({"video": ["a", "b"], "split_by": ["clip", None]}))
    'clip'
    """
    if COLUMN not in table.columns:
        return None
    found = {str(value).strip() for value in table[COLUMN].dropna()}
    return next((word for word in LEAKY if word in found), None)


def mark(table: pd.DataFrame, word: str) -> pd.DataFrame:
    """Return the table with a mark on every row."""
    return table.assign(**{COLUMN: word})
