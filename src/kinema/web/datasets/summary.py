"""What the page of a manifest shows: figures, classes, splits, groups, lengths, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinema.data import Manifest
from kinema.data.explore.charts import Bar, Chart, Histogram, by_split, groups, histogram, splits
from kinema.web.datasets.catalogue import Loaded, record, shown_video
from kinema.web.datasets.reports import Report

_CLASSES = 60  # rows of the table of classes where not all are asked for


@dataclass(frozen=True)
class ClassRow:
    """One class: a bar by split, groups, and seconds where they are known (None where not)."""

    name: str
    bar: Bar
    splits: tuple[int, ...]
    groups: int
    seconds: float | None


@dataclass(frozen=True)
class Summary:
    """All of it."""

    clips: int
    videos: int
    classes: int
    groups: int
    seconds: float | None
    split_names: tuple[str, ...]
    rows: list[ClassRow]
    more_rows: int
    by_split: Chart
    by_group: Chart
    lengths: Histogram | None
    warnings: list[str]
    notes: list[str]


def summary(loaded: Loaded, report: Report | None, *, every: bool = False) -> Summary:
    """Return what a manifest holds. Lengths come from its times, else from the last check (`report`), else they are unknown."""
    manifest = loaded.manifest
    table = manifest.table
    seconds = lengths_of(manifest, report if report and report.fits(loaded) else None)
    labels = table["label"].where(table["label"].notna(), "")
    names = [*manifest.classes, *([""] if (labels == "").any() else [])]
    shown = names if every else names[:_CLASSES]
    kinds = (*manifest.splits, *(["none"] if manifest.splits and table["split"].isna().any() else []))
    bars = by_split(manifest, labels, "Classes", shown).bars
    held = table.groupby(labels)["group"].nunique()
    summed = seconds.groupby(labels).sum(min_count=1)
    return Summary(
        clips=len(manifest),
        videos=int(table["video"].nunique()),
        classes=len(manifest.classes),
        groups=len(manifest.groups),
        seconds=float(seconds.sum()) if seconds.notna().all() and len(seconds) else None,
        split_names=tuple("no split" if kind == "none" else kind for kind in kinds),
        rows=[
            ClassRow(
                name,
                bar,
                tuple(bar.number(kind) for kind in kinds),
                int(held.get(name, 0)),
                None if pd.isna(summed.get(name, np.nan)) else float(summed[name]),
            )
            for name, bar in zip(shown, bars, strict=True)
        ],
        more_rows=len(names) - len(shown),
        by_split=splits(manifest),
        by_group=groups(manifest, most=16),
        lengths=histogram("Lengths", "seconds", seconds.dropna().round(3).tolist()),
        warnings=[*manifest.warnings(), *_out_of_reach(loaded)],
        notes=list(record(loaded.entry.path).get("notes") or manifest.notes),
    )


def lengths_of(manifest: Manifest, report: Report | None) -> pd.Series:
    """Return the seconds of each row; NaN where nobody knows them yet."""
    table = manifest.table
    seconds = table["end"] - table["start"].fillna(0)
    if report is not None:
        measured = pd.Series([row.seconds or np.nan for row in report.rows], index=table.index, dtype=float)
        seconds = measured.fillna(seconds)
    return seconds


def _out_of_reach(loaded: Loaded) -> list[str]:
    """Say where the first, the middle and the last video of a manifest cannot be shown: all would take long with many."""
    segments: Sequence = loaded.segments
    if not segments:
        return []
    probes = {0, len(segments) // 2, len(segments) - 1}
    missing = [segments[i] for i in probes if shown_video(loaded.entry, segments[i]) is None]
    if not missing:
        return []
    if missing[0].video.exists():
        return [
            "videos lie outside of the folders that this site may read: no pictures and players here; "
            "kinema serve --data FOLDER allows a folder"
        ]
    return [f"{missing[0].name} is not there, and maybe others: check finds all of them"]
