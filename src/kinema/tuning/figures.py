"""Pictures of a search: scores in the order of trials, importance of settings, parallel coordinates."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from kinema.evaluation.figures import BLUE, FAINT, INK, MUTED, RED

_MOST_AXES = 8
_MOST_LINES = 600


def history_figure(table: pd.DataFrame) -> Figure:
    """The accuracy of each trial in order, those given up as crosses, and the best so far."""
    figure = _figure(9.0, 3.4)
    axes = figure.add_subplot()
    for state, marker, colour in (("complete", "o", BLUE), ("pruned", "x", MUTED)):
        part = table[(table["state"] == state) & table["accuracy"].notna()]
        if len(part):
            axes.scatter(
                part["trial"], part["accuracy"], s=14, marker=marker, color=colour, alpha=0.7, label=state
            )
    complete = table[table["state"] == "complete"].sort_values("trial")
    if len(complete):
        axes.step(
            complete["trial"],
            complete["accuracy"].cummax(),
            where="post",
            color=RED,
            linewidth=1.6,
            label="best so far",
        )
    axes.set(xlabel="trial", ylabel="accuracy on held-out groups")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)
    _clean(axes, "y")
    return figure


def importance_figure(shares: dict[str, float]) -> Figure:
    """A bar for each setting's share."""
    figure = _figure(7.2, 0.9 + 0.3 * len(shares))
    axes = figure.add_subplot()
    names = list(shares)[::-1]
    axes.barh(range(len(names)), [shares[name] for name in names], height=0.62, color=BLUE)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set(xlim=(0, 1.08 * max(0.01, *shares.values())), xlabel="share of the importance of all settings")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _clean(axes, "x")
    return figure


def parallel_figure(table: pd.DataFrame, names: list[str]) -> Figure:
    """Parallel coordinates: a line a complete trial over the first eight of `names`, its colour the accuracy."""
    names = names[:_MOST_AXES]
    complete = table[table["state"] == "complete"].sort_values("accuracy", kind="stable")
    shown = complete.iloc[
        np.unique(np.linspace(0, len(complete) - 1, min(len(complete), _MOST_LINES)).astype(int))
    ]
    figure = _figure(max(6.0, 1.5 * (len(names) + 1)), 4.4)
    axes = figure.add_subplot()
    places, ticks = zip(*(_places(shown[name]) for name in names), strict=True) if names else ((), ())
    score = shown["accuracy"].to_numpy(dtype=float)
    low, high = float(score.min()), float(score.max())
    last = (score - low) / (high - low) if high > low else np.full(len(score), 0.5)
    rng = np.random.default_rng(0)
    jitter = rng.uniform(-0.012, 0.012, (len(shown), len(names)))  # equal values would hide each other
    ys = np.column_stack([*places, last]) + np.column_stack([jitter, np.zeros(len(shown))])
    lines = np.stack([np.broadcast_to(np.arange(len(names) + 1), ys.shape), ys], axis=2)
    scale = Normalize(low, high if high > low else low + 1e-6)
    axes.add_collection(
        LineCollection(list(lines), array=score, cmap="viridis", norm=scale, linewidths=1.0, alpha=0.65)
    )
    for x, words in enumerate(ticks):
        axes.axvline(x, color=MUTED, linewidth=0.8)
        for y, word in words:
            axes.annotate(
                word, (x, y), xytext=(3, 0), textcoords="offset points", fontsize=7.5, va="center", color=INK,
                bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
            )  # fmt: skip
    axes.axvline(len(names), color=MUTED, linewidth=0.8)
    axes.set_xticks(range(len(names) + 1), [*names, "accuracy"], fontsize=8, rotation=20, ha="right")
    axes.set(xlim=(-0.2, len(names) + 0.25), ylim=(-0.06, 1.06))
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    bar = figure.colorbar(ScalarMappable(scale, "viridis"), ax=axes, fraction=0.03, pad=0.02)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def _places(values: pd.Series) -> tuple[NDArray[np.float64], list[tuple[float, str]]]:
    """Return where each value lies on its axis, 0..1, and what stands beside the axis; absent values lie at the foot."""
    numbers = pd.to_numeric(values.map(lambda v: v if isinstance(v, int | float) else None))
    present = values.notna()
    foot = 0.12 if (~present).any() else 0.0
    if numbers.notna().sum() == present.sum() and numbers.nunique() > 6:
        found = numbers.to_numpy(dtype=float)
        low, high = float(np.nanmin(found)), float(np.nanmax(found))
        if low > 0 and high / low > 20:
            at = (np.log(found) - np.log(low)) / (np.log(high) - np.log(low))
            marks = np.geomspace(low, high, 4)
            spots = np.linspace(0, 1, 4)
        else:
            at = (found - low) / (high - low)
            marks = spots = np.linspace(0, 1, 4)
            marks = low + marks * (high - low)
        places = foot + (1 - foot) * at
        ticks = [(foot + (1 - foot) * float(s), f"{m:.3g}") for s, m in zip(spots, marks, strict=True)]
    else:
        known = values[present]
        order = sorted(known.map(str).unique(), key=lambda w: (_number(w), w))
        gap = (1 - foot) / max(1, len(order) - 1)
        spot = {word: foot + i * gap if len(order) > 1 else 0.5 for i, word in enumerate(order)}
        places = values.map(lambda v: spot.get(str(v), np.nan)).to_numpy(dtype=float)
        # A column with gaps holds whole numbers as floats.
        ticks = [(y, word.removesuffix(".0")[:18]) for word, y in spot.items()]
    if foot:
        places = np.where(present.to_numpy(), places, 0.0)
        ticks = [(0.0, "–"), *ticks]
    return places, ticks


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return 0.0


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _clean(axes, grid: str) -> None:  # type: ignore[no-untyped-def]
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis=grid, color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=INK)
