"""A run's numbers in the shape that pages show: headline, confusion matrix with its links, runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from kinema.runs import compare
from kinema.web.runs.catalogue import Listed

SPLITS = ("test", "valid", "train")
MOST_CLASSES = 60
"""A matrix of more classes is a picture, with its largest mistakes as a list."""
_SHADES = 10


def confusion(report: dict[str, Any], split: str, clips: str) -> dict[str, Any] | None:
    """Return the confusion matrix of a split as rows of cells, each with the address of the clips behind it.

    `clips` is the address of the page of clips; None where the run has no such split.
    """
    part = report.get("splits", {}).get(split)
    if not part or "confusion" not in (part.get("video") or {}):
        return None
    classes, matrix = report["classes"], part["video"]["confusion"]
    rows, mistakes = [], []
    for label, counts in zip(classes, matrix, strict=True):
        total = sum(counts)
        cells = []
        for prediction, count in zip(classes, counts, strict=True):
            address = f"{clips}?{urlencode({'split': split, 'true': label, 'predicted': prediction})}"
            share = count / total if total else 0.0
            cell = {
                "count": count,
                "share": share,
                "shade": 0 if not count else max(1, round(_SHADES * share)),
                "right": label == prediction,
                "label": label,
                "prediction": prediction,
                "url": address,
            }
            cells.append(cell)
            if count and label != prediction:
                mistakes.append({**cell, "total": total})
        recall = next(c["share"] for c in cells if c["right"]) if total else None
        rows.append({"label": label, "cells": cells, "total": total, "recall": recall})
    mistakes.sort(key=lambda cell: (-int(cell["count"]), -float(cell["share"])))
    return {
        "split": split,
        "classes": classes,
        "rows": rows,
        "mistakes": mistakes[:12],
        "wrong": sum(int(cell["count"]) for cell in mistakes),
        "items": sum(int(row["total"]) for row in rows),
        "small": len(classes) <= MOST_CLASSES,
        "slanted": len(classes) > 8,
        "all": f"{clips}?{urlencode({'split': split, 'only': 'wrong'})}",
    }


def counted(report: dict[str, Any], split: str, label: str | None, prediction: str | None) -> int | None:
    """Return how many clips the report counts in a cell, a row, a column or a whole split; None without a matrix."""
    part = (report.get("splits", {}).get(split) or {}).get("video") or {}
    if "confusion" not in part:
        return None
    classes = report["classes"]
    return sum(
        int(count)
        for true, counts in zip(classes, part["confusion"], strict=True)
        for taken, count in zip(classes, counts, strict=True)
        if label in (None, true) and prediction in (None, taken)
    )


def splits_of(report: dict[str, Any]) -> list[str]:
    """Return the splits that the report has numbers of, test first."""
    return [name for name in SPLITS if name in report.get("splits", {})]


def headline(report: dict[str, Any]) -> dict[str, Any]:
    """Return what is said first of a run: accuracy with its interval, items, baselines, and what to know before believing it."""
    main = report["headline"]
    split = main["split"]
    video = report["splits"][split]["video"]
    return {
        "split": split,
        "top1": video["top1"],
        "items": video["items"],
        "groups": video.get("groups"),
        "balanced": video.get("balanced_accuracy"),
        "macro_f1": (video.get("macro") or {}).get("f1"),
        "log_loss": video.get("log_loss"),
        "ece": video.get("ece"),
        "baselines": [
            {"name": name, **by_split[split]}
            for name, by_split in (report.get("baselines") or {}).items()
            if split in by_split
        ],
        "others": [
            {"split": name, "top1": report["splits"][name]["video"]["top1"], "items": report["splits"][name]["video"]["items"]}
            for name in splits_of(report)
            if name != split
        ],
        "caveats": report.get("caveats") or [],
        "protocol": report.get("protocol", ""),
        "calibrated_by": report.get("calibrated_by", ""),
    }  # fmt: skip


def side_by_side(runs: Sequence[Listed]) -> dict[str, Any]:
    """Return what differs between runs: settings, numbers, and of each but the first whether its accuracy may be compared."""
    records = [run.record for run in runs]
    names = sorted(set().union(*(record.settings for record in records)))
    values = {name: [record.settings.get(name) for record in records] for name in names}
    settings = [(name, found) for name, found in values.items() if any(one != found[0] for one in found)]
    numbers = list(dict.fromkeys(name for record in records for name in record.metrics))
    pairs = [compare(records[0], other) for other in records[1:]]
    best = {
        name: _best(name, [record.metrics.get(name) for record in records])
        for name in numbers
        if all(pair.comparable for pair in pairs)
    }
    return {
        "settings": settings,
        "numbers": [
            (name, [(record.metrics.get(name), i == best.get(name)) for i, record in enumerate(records)])
            for name in numbers
            if name != "top-1"
        ],
        "pairs": [
            {"run": run, "comparable": pair.comparable, "why": pair.why, "difference": _difference(pair, runs[0])}
            for run, pair in zip(runs[1:], pairs, strict=True)
        ],
    }  # fmt: skip


def _difference(pair: Any, first: Listed) -> str:
    one, other = pair.first.accuracy, pair.second.accuracy
    if not pair.comparable or one is None or other is None:
        return ""
    points = 100 * (other - one)
    if abs(points) < 0.05:
        return f"as accurate as {first.name}"
    return f"{abs(points):.1f} points {'above' if points > 0 else 'below'} {first.name}"


def _best(name: str, values: Sequence[float | None]) -> int | None:
    known = [(value, i) for i, value in enumerate(values) if value is not None]
    if len(known) < 2 or len({value for value, _ in known}) == 1:
        return None
    return (min if name in ("log loss", "ECE") else max)(known)[1]
