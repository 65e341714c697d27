"""What a manifest holds, in words: a table of its classes and splits, and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from kinema.data.leaky import LEAKY
from kinema.data.wording import count, listing

if TYPE_CHECKING:
    from kinema.data.manifest import Manifest


def described(manifest: Manifest) -> str:
    """Return a plain text table: clips of each class in each split, groups, seconds; then warnings."""
    table, classes = manifest.table, manifest.classes
    columns = [*manifest.splits, *(["no split"] if table["split"].isna().any() else [])]
    timed = bool(table["end"].notna().any())
    rows = [["class", *columns, "clips", "groups", *(["seconds"] if timed else [])]]
    labels = [*classes, *([None] if table["label"].isna().any() else [])]
    for label in labels:
        chosen = table["label"].isna() if label is None else table["label"] == label
        rows.append([label or "(no label)", *_counts(table[chosen], columns, timed)])
    if len(labels) > 1:
        rows.append(["all", *_counts(table, columns, timed)])
    clips, videos = count(len(manifest), "clip"), count(table["video"].nunique(), "video")
    groups = count(len(manifest.groups), "group")
    text = f"{clips} of {videos}, {count(len(classes), 'class', 'classes')}, {groups}\n"
    text += _columns(rows)
    if timed and table["end"].isna().any():
        text += "\nseconds: of the clips whose end the table gives; the others last to the end of their video"
    return text + "".join(f"\nwarning: {line}" for line in warnings_of(manifest))


def warnings_of(manifest: Manifest) -> list[str]:
    """Return what will make training or its numbers poor, a sentence each; nothing is opened."""
    table, classes, found = manifest.table, manifest.classes, []
    if not len(table):
        return ["there are no clips"]
    if manifest.split_by is not None:
        found.append(LEAKY[manifest.split_by])
    if not classes:
        found.append("no clip has a label: this data can be predicted, not trained on")
    elif table["label"].isna().any():
        found.append(f"{count(int(table['label'].isna().sum()), 'clip')} without a label")
    if len(classes) == 1:
        found.append(f"only one class, '{classes[0]}'; a classifier needs at least two")
    clips, groups = table.groupby("label").size(), table.groupby("label")["group"].nunique()
    single = [name for name in classes if clips[name] == 1]
    if single:
        found.append(
            f"{listing(map(repr, single))}: one clip only, so it can be trained on or tested, not both"
        )
    lone = [name for name in classes if groups[name] == 1 and clips[name] > 1]
    if lone:
        found.append(f"{listing(map(repr, lone))}: all clips are of one group, so they stay in one split")
    for split in manifest.splits:
        present = set(table.loc[table["split"] == split, "label"])
        absent = [c for c in classes if c not in present]
        if absent:
            found.append(f"{split} has no clip of {listing(map(repr, absent))}")
    if len(clips) > 1 and clips.max() >= 5 * clips.min():
        large, small = clips.idxmax(), clips.idxmin()
        found.append(f"imbalance: {clips.max():,} clips of '{large}', {clips.min():,} of '{small}'")
    for column in ("group", "video"):
        divided = manifest.divided(column)
        if divided:
            found.append(f"leak: {column} {listing(map(repr, divided), 3)} is in more than one split")
    return found


def _counts(table: pd.DataFrame, columns: Sequence[str], timed: bool) -> list[str]:
    parts = [table["split"].isna() if name == "no split" else table["split"] == name for name in columns]
    seconds = (table["end"] - table["start"].fillna(0)).sum()
    cells = [*(f"{part.sum():,}" for part in parts), f"{len(table):,}", f"{table['group'].nunique():,}"]
    return [*cells, *([f"{seconds:,.1f}"] if timed else [])]


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
