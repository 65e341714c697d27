"""Score curves as a picture and as a table, for a look before anything is cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kinema.data.readers.tables import write_table
from kinema.files import atomic_path
from kinema.mining.clips.curve import ScoreCurve
from kinema.mining.clips.selection import ClipRules, Selection, smooth

_MOST = 12  # classes in a picture: more would be too small to be read
_POINTS = 2000  # points of a line; more than the pixels of its width


def write_curves(path: Path, curve: ScoreCurve, rules: ClipRules) -> Path:
    """Write `time, shot`, and for each class its score and, as `CLASS smoothed`, that over time, as CSV."""
    curve = curve.whole()  # what is chosen from
    smoothed = smooth(curve, rules.smoothing)
    columns: dict[str, object] = {
        "time": np.round(curve.times, 3),
        "shot": curve.shot_numbers,
    }
    for number, name in enumerate(curve.classes):
        columns[name] = np.round(curve.scores[:, number].astype(float), 4)
        columns[f"{name} smoothed"] = np.round(smoothed[:, number].astype(float), 4)
    write_table(pd.DataFrame(columns), path)
    return path


def draw_curves(
    path: Path, curve: ScoreCurve, rules: ClipRules, labels: Sequence[str], selection: Selection
) -> Path:
    """Draw the smoothed scores of the classes with the highest peaks (12 at most), the chosen clips and the cuts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    curve = curve.whole()
    smoothed = smooth(curve, rules.smoothing)
    best = {name: float(smoothed[:, curve.classes.index(name)].max()) for name in labels}
    chosen = {clip.label for clip in selection.clips}
    order = sorted(labels, key=lambda name: (name not in chosen, -best[name]))[:_MOST]
    shown = [name for name in labels if name in order]
    figure = Figure(figsize=(12, 1 + 1.1 * max(1, len(shown))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(max(1, len(shown)), 1, sharex=True, squeeze=False)[:, 0]
    least = rules.least(len(curve.classes))
    for axis, name in zip(axes, shown, strict=False):
        column = curve.classes.index(name)
        axis.plot(*line(curve.times, curve.scores[:, column]), color="#b8c4d6", linewidth=0.6)
        axis.plot(*line(curve.times, smoothed[:, column]), color="#1f4e9c", linewidth=1.2)
        axis.axhline(least, color="#888888", linewidth=0.6, linestyle=":")
        axis.vlines(curve.cuts, 0, 1.05, color="#dddddd", linewidth=0.5, zorder=0)
        for clip in selection.clips:
            if clip.label == name:
                axis.axvspan(clip.start, clip.end, color="#f2a33a", alpha=0.45, linewidth=0)
                axis.plot([clip.peak_time], [clip.score], marker="v", color="#b3541e", markersize=5)
        axis.set_ylim(0, 1.05)
        axis.set_xlim(0, curve.end)
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        axis.tick_params(labelsize=8)
    axes[-1].set_xlabel("seconds; grey lines are cuts, orange the clips that would be cut", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)
    return path


def line(
    times: NDArray[np.float64], column: NDArray[np.float32], points: int = _POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return times and scores `(m,)` of a line of at most `points` points: of rows that fall together the highest.

    >>> line(np.arange(6.0), np.array([0, 0.9, 0.1, 0, 0.2, 0.3], np.float32), points=2)
    (array([1., 5.]), array([0.9, 0.3], dtype=float32))
    """
    step = -(-len(times) // points)
    rows = [
        first + int(column[first : first + step].argmax()) for first in range(0, len(times), max(1, step))
    ]
    return times[rows], column[rows]
