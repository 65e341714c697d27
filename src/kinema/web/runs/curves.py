"""Curves as SVG: points of lines in a drawing of fixed size, for one run, for several, and while it is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 14, 34
"""Room for the axes around the lines."""


@dataclass(frozen=True)
class Line:
    """A line: its name, `look` 0, 1, 2 … which colour and dashes it has, its SVG points, and its last value in words."""

    name: str
    look: int
    points: str
    last: str


@dataclass(frozen=True)
class Panel:
    """One drawing: a title, its lines, and ticks `(place, text)` of both axes."""

    title: str
    lines: list[Line]
    across: list[tuple[float, str]]
    up: list[tuple[float, str]]
    description: str
    best: float | None = None
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def edges(self) -> dict[str, int]:
        """Where the lines' field begins and ends."""
        return {"left": LEFT, "right": self.width - RIGHT, "top": TOP, "bottom": self.height - BOTTOM}


def training_panels(history: Sequence[dict[str, float]], best: int | None = None) -> list[Panel]:
    """Return loss and accuracy by epoch of one run, train and valid."""
    series = [("train", 0, history, "train"), ("valid", 1, history, "valid")]
    return _panels(series, best)


def compared_panels(runs: Sequence[tuple[str, Sequence[dict[str, float]]]]) -> list[Panel]:
    """Return loss and accuracy on valid by epoch of several runs; on train for those without valid."""
    series = []
    for look, (name, history) in enumerate(runs):
        valid = any("valid_loss" in row for row in history)
        series.append((name if valid else f"{name} (train)", look, history, "valid" if valid else "train"))
    return _panels(series, None)


def _panels(
    series: Sequence[tuple[str, int, Sequence[dict[str, float]], str]], best: int | None
) -> list[Panel]:
    panels = []
    for what, title in (("loss", "Loss"), ("accuracy", "Accuracy")):
        points = {
            (name, look): [
                (row["epoch"], row[f"{split}_{what}"]) for row in history if f"{split}_{what}" in row
            ]
            for name, look, history, split in series
        }
        points = {key: found for key, found in points.items() if found}
        if points:
            panels.append(_panel(title, what, points, best))
    return panels


def _panel(
    title: str, what: str, points: dict[tuple[str, int], list[tuple[float, float]]], best: int | None
) -> Panel:
    epochs = [x for found in points.values() for x, _ in found]
    values = [y for found in points.values() for _, y in found]
    first, last = min(epochs), max(max(epochs), min(epochs) + 1)
    low, high = min(0.0, *values) if what == "loss" else min(0.9 * max(values), *values), max(values)
    if what == "accuracy":
        low, high = max(0.0, math.floor(10 * low) / 10), 1.0
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def x(epoch: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (epoch - first) / (last - first), 1)

    def y(value: float) -> float:
        share = (value - low) / ((high - low) or 1.0)
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share, 1)

    def shown(value: float) -> str:
        return f"{100 * value:.1f} %" if what == "accuracy" else f"{value:.3f}"

    lines = [
        Line(name, look, " ".join(f"{x(e)},{y(v)}" for e, v in found), shown(found[-1][1]))
        for (name, look), found in points.items()
    ]
    said = "; ".join(f"{line.name} ends at {line.last}" for line in lines)
    return Panel(
        title=title,
        lines=lines,
        across=[(x(epoch), f"{epoch:.0f}") for epoch in _epochs(first, last)],
        up=[(y(tick), f"{100 * tick:.0f} %" if what == "accuracy" else f"{tick:g}") for tick in ticks],
        description=f"{title} over {max(epochs):.0f} epochs: {said}.",
        best=x(best) if best is not None and first <= best <= last else None,
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return four to six round numbers that span low to high."""
    span = (high - low) or 1.0
    unit = 10.0 ** math.floor(math.log10(span))
    step = next((unit * k for k in (0.1, 0.2, 0.25, 0.5, 1.0) if span / (unit * k) <= 5), 2 * unit)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(step * k, 10) for k in range(first, last + 1)]


def _epochs(first: float, last: float) -> list[float]:
    step = max(1, math.ceil((last - first) / 7))
    return [first + step * k for k in range(int((last - first) // step) + 1)]


LOOKS = 6
"""So many classes have a line of their own on a timeline."""


def timeline(
    probabilities: Any, classes: Sequence[str], label: str, seconds: Sequence[float] | None, width: int = 960
) -> dict[str, Any]:
    """Return what a clip's frames were taken for, as lines over time and as stretches of one answer.

    `probabilities` `(n, K)`; `seconds` `(n,)`, None where the rate is not known and frames are counted. The classes with the
    highest peaks have a line, the true one always.
    """
    count = len(probabilities)
    height, room = 180, {"left": 46, "right": width - 12, "top": 10, "bottom": 180 - 44}
    peaks = probabilities.max(axis=0)
    order = sorted(range(len(classes)), key=lambda k: (classes[k] != label, -peaks[k]))[:LOOKS]
    shown = [k for k in order if classes[k] == label or peaks[k] >= 0.05]
    along = list(seconds) if seconds is not None else list(range(count))
    first = along[0]
    last = along[-1] if along[-1] > first else first + 1

    def x(value: float) -> float:
        return round(room["left"] + (room["right"] - room["left"]) * (value - first) / (last - first), 1)

    def y(value: float) -> float:
        return round(room["bottom"] - (room["bottom"] - room["top"]) * value, 1)

    every = max(1, count // 600)  # more points than pixels make a page slow and nothing clearer
    lines = [
        Line(
            classes[k],
            look,
            " ".join(f"{x(along[i])},{y(float(probabilities[i, k]))}" for i in range(0, count, every)),
            f"{100 * float(peaks[k]):.0f} %",
        )
        for look, k in enumerate(shown)
    ]
    answers = probabilities.argmax(axis=1)
    stretches = []
    begin = 0
    for i in range(1, count + 1):
        if i == count or answers[i] != answers[begin]:
            name = classes[int(answers[begin])]
            until = along[i] if i < count else last
            stretches.append(
                {
                    "name": name,
                    "right": name == label,
                    "x": x(along[begin]),
                    "width": max(1.0, round(x(until) - x(along[begin]), 1)),
                    "begin": along[begin],
                    "end": until,
                }
            )
            begin = i
    unit = _step(last - first)
    ticks = [first + unit * k for k in range(int((last - first) / unit + 1e-9) + 1)]
    share = float((answers == classes.index(label)).mean())
    return {
        "lines": lines,
        "stretches": stretches,
        "across": [(x(tick), f"{tick:g}") for tick in (round(t, 3) for t in ticks)],
        "up": [(y(tick), f"{100 * tick:.0f} %") for tick in (0.0, 0.5, 1.0)],
        "unit": "seconds" if seconds is not None else "frames",
        "first": first,
        "last": last,
        "width": width,
        "height": height,
        "room": room,
        "share": share,
        "frames": count,
    }


def _step(span: float) -> float:
    unit = 10.0 ** math.floor(math.log10(span))
    return next(unit * k for k in (0.1, 0.2, 0.5, 1.0, 2.0) if span / (unit * k) <= 10)
