"""Random splits by clip or by frame, which leak: to show how much, never to report."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kinema.data.leaky import mark
from kinema.data.manifest import Manifest, Segment
from kinema.data.segments import open_segment
from kinema.data.splits.by_group import FRACTIONS, checked_shares
from kinema.data.wording import count, natural_key
from kinema.errors import DataError, UsageError, closest

STRETCH = 1.0
"""Seconds of the stretches that a split by frame deals out: the shortest that a clip can be taken from."""


def random_split(
    manifest: Manifest,
    fractions: Mapping[str, float] | None = None,
    seed: int = 0,
    *,
    by: str = "clip",
    allow_leakage: bool = False,
) -> Manifest:
    """Return the manifest with each class's clips dealt out at random, whatever their group.

    `by="frame"` cuts every clip into stretches of a second first and deals those out, as a split of a table
    of frames does. Given splits are forgotten. The column `split_by` marks every row, so that each report made
    of the result says at its top that its numbers are inflated.

    Raises `UsageError` unless `allow_leakage`, `DataError` when a video's length is needed and unknown.
    """
    if by not in ("clip", "frame"):
        raise UsageError(
            f"a random split is by clip or by frame, not '{by}'; {closest(by, ('clip', 'frame'))}"
        )
    if not allow_leakage:
        raise UsageError(
            f"a random split by {by} puts {'stretches of one clip' if by == 'frame' else 'clips of one recording'} into "
            "train and test and inflates every number; split by group, or add --allow-leakage to have it all the same"
        )
    shares = checked_shares(FRACTIONS if fractions is None else fractions)
    if not len(manifest):
        raise DataError(f"{manifest.path or manifest.root}: there are no clips to split")
    table = manifest.table if by == "clip" else _stretches(manifest)
    labels = table["label"].fillna("").tolist()
    keys = [
        (natural_key(name), 0.0 if math.isnan(start) else start)
        for name, start in zip(table["video"], table["start"], strict=True)
    ]
    split: list[str] = [""] * len(table)
    for label in sorted(set(labels)):
        rows = sorted((i for i, own in enumerate(labels) if own == label), key=lambda i: keys[i])
        for i, name in zip(rows, _dealt(len(rows), shares, f"{seed} {by} {label}"), strict=True):
            split[i] = name
    column = pd.Series(split, index=table.index, dtype=object)
    parts = ", ".join(f"{name} {count(split.count(name), 'clip')}" for name in shares)
    note = f"split at random by {by}, seed {seed}, LEAKAGE ALLOWED: {parts}; every report of it will say so"
    return manifest.replace(mark(table.assign(split=column), by), [*manifest.notes, note])


def _dealt(number: int, shares: Mapping[str, float], key: str) -> list[str]:
    """Return the splits of so many clips in random order, each as near to its share as whole clips allow."""
    bounds = np.round(np.cumsum(list(shares.values())) * number).astype(int)
    names = np.repeat(list(shares), np.diff(bounds, prepend=0))
    digest = hashlib.sha256(key.encode()).digest()
    dealt: list[str] = np.random.default_rng(int.from_bytes(digest[:8], "little")).permutation(names).tolist()
    return dealt


def _stretches(manifest: Manifest) -> pd.DataFrame:
    lengths: dict[Path, float] = {}
    rows: list[int] = []
    starts: list[float] = []
    ends: list[float] = []
    for segment in manifest.segments():
        start = segment.start or 0.0
        end = segment.end if segment.end is not None else _length(segment, lengths)
        number = max(1, math.floor((end - start) / STRETCH + 1e-6))
        edges: Sequence[float] = [round(start + k * STRETCH, 6) for k in range(number)] + [round(end, 6)]
        rows += [segment.row] * number
        starts += edges[:-1]
        ends += edges[1:]
    table = manifest.table.iloc[rows].reset_index(drop=True)
    return table.assign(start=starts, end=ends)


def _length(segment: Segment, known: dict[Path, float]) -> float:
    if segment.video not in known:
        with open_segment(segment) as source:
            length = source.duration
        if length is None or not math.isfinite(length) or length <= (segment.start or 0.0):
            raise DataError(
                f"{segment.video}: its length is not known; give the end of the clip in the manifest"
            )
        known[segment.video] = length
    return known[segment.video]
