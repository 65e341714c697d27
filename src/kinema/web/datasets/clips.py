"""The rows of a manifest that a page shows: filtered, searched, in contact sheets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kinema.web.datasets.catalogue import Loaded
from kinema.web.datasets.reports import Report

NONE = "-"
"""Stands for rows without a label or a split in a filter."""
PER_CLASS = 12
"""Clips of each class on a contact sheet."""
_MOST_CLASSES = 30  # of a page of contact sheets


@dataclass(frozen=True)
class Wanted:
    """What the filters say; empty: all."""

    q: str = ""
    label: str = ""
    split: str = ""
    group: str = ""
    state: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """Return the filters of a query string; what is too long for a name is cut."""
        return cls(
            *(
                (query.get(name) or "").replace("\0", "")[:300]
                for name in ("q", "label", "split", "group", "state")
            )
        )

    @property
    def any(self) -> bool:
        """Whether anything is filtered."""
        return self != Wanted()


def rows_of(loaded: Loaded, wanted: Wanted, report: Report | None = None) -> list[int]:
    """Return the numbers of the rows that fit all filters, in the order of the table.

    `q` is looked for in path, label and group, each word of it, in any case.
    """
    table = loaded.manifest.table
    mask = np.ones(len(table), dtype=bool)
    for column, value in (("label", wanted.label), ("split", wanted.split), ("group", wanted.group)):
        if value:
            own = table[column]
            mask &= (own.isna() if value == NONE else own == value).to_numpy(dtype=bool)
    if wanted.state:
        states = [row.status for row in report.rows] if report and report.fits(loaded) else []
        mask &= np.array([state == wanted.state for state in states] or [False] * len(table), dtype=bool)
    rows: list[int] = np.flatnonzero(mask).tolist()
    words = wanted.q.casefold().split()
    if words:
        rows = [row for row in rows if all(word in loaded.haystack[row] for word in words)]
    return rows


@dataclass(frozen=True)
class Sheet:
    """The clips of one class on a contact sheet: `rows` of the `total` that it has."""

    label: str
    rows: list[int]
    total: int


def sheet_labels(loaded: Loaded) -> list[str]:
    """Return the classes in natural order, an empty name last for clips without any."""
    unlabelled = bool(loaded.manifest.table["label"].isna().any())
    return [*loaded.manifest.classes, *([""] if unlabelled else [])]


def sheets(loaded: Loaded, labels: list[str], wanted: Wanted) -> list[Sheet]:
    """Return a contact sheet for each class: at most `PER_CLASS` clips, spread evenly over those that fit the filters."""
    by_label: dict[str, list[int]] = {label: [] for label in labels}
    column = loaded.manifest.table["label"].tolist()
    for row in rows_of(loaded, wanted):
        label = column[row] if isinstance(column[row], str) else ""
        if label in by_label:
            by_label[label].append(row)
    return [Sheet(label, _evenly(rows), len(rows)) for label, rows in by_label.items() if rows]


def labels_a_page() -> int:
    """Return how many classes a page of contact sheets has."""
    return _MOST_CLASSES


def _evenly(rows: list[int]) -> list[int]:
    number = min(PER_CLASS, len(rows))
    return [rows[i] for i in np.linspace(0, len(rows) - 1, number).round().astype(int)]
