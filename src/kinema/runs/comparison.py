"""Two runs side by side: what differs in settings and numbers, and whether their accuracies may be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kinema.runs.records import RunRecord


@dataclass
class Comparison:
    """Two runs side by side: settings and metrics that differ, and whether their accuracies may be compared."""

    first: RunRecord
    second: RunRecord
    settings: list[tuple[str, Any, Any]]
    metrics: list[tuple[str, float | None, float | None]]
    comparable: bool
    why: str


def compare(first: RunRecord, second: RunRecord) -> Comparison:
    """Put two runs side by side. Accuracies compare only on the same rows and splits, tested the same way."""
    names = sorted(set(first.settings) | set(second.settings))
    settings = [
        (name, first.settings.get(name), second.settings.get(name))
        for name in names
        if first.settings.get(name) != second.settings.get(name)
    ]
    metrics = [
        (name, first.metrics.get(name), second.metrics.get(name))
        for name in dict.fromkeys([*first.metrics, *second.metrics])
    ]
    comparable, why = _comparable(first, second)
    return Comparison(first, second, settings, metrics, comparable, why)


def _comparable(first: RunRecord, second: RunRecord) -> tuple[bool, str]:
    if first.fingerprint and first.fingerprint == second.fingerprint and first.how == second.how:
        if first.split != second.split or first.items != second.items:
            return False, "the same data, but not the same segments could be read or were tested"
        return True, "the same rows, splits and test"
    if first.how == second.how and first.tested and first.tested == second.tested:
        return (
            True,
            "the same test segments, learned from other rows: it compares the two recognizers, not only their settings",
        )
    if first.how != second.how:
        return False, f"one was tested on {first.how}, the other on {second.how}"
    return False, "other data or other splits: the difference in accuracy says nothing about the settings"
