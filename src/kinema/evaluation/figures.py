"""Pictures of a report. Each function returns a matplotlib `Figure` with no global state; colours tell apart
in any colour vision.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from kinema.files import atomic_path

# Okabe and Ito's colours (jfly.uni-koeln.de/color), the splits also told apart by line and marker.
BLUE, RED = "#0072B2", "#D55E00"
INK, MUTED, FAINT = "#1f2430", "#6b7280", "#d8dce3"
_LINES = {"train": (BLUE, "-", "o"), "valid": (RED, "--", "s")}


def training_curves(history: pd.DataFrame, best_epoch: int | None = None) -> Figure:
    """Loss and accuracy by epoch from a fit history; columns that are absent or empty are left out."""
    epochs = history["epoch"].to_numpy()
    figure = _figure(9.0, 3.4)
    panels = [
        axes
        for axes in (("loss", "Loss"), ("accuracy", "Accuracy"))
        if _any(history, f"train_{axes[0]}", f"valid_{axes[0]}")
    ]
    for number, (name, title) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, max(1, len(panels)), number)
        for split, (colour, line, marker) in _LINES.items():
            if not _any(history, f"{split}_{name}"):
                continue
            values = history[f"{split}_{name}"].to_numpy(dtype=float)
            known = np.isfinite(values)
            few = marker if known.sum() <= 40 else None
            axes.plot(
                epochs[known],
                values[known],
                line,
                color=colour,
                marker=few,
                markersize=3,
                linewidth=1.6,
                label=split,
            )
        if best_epoch is not None:
            axes.axvline(
                best_epoch, color=MUTED, linewidth=1, linestyle=":", label=f"kept (epoch {best_epoch})"
            )
        if name == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.set_ylim(top=min(1.02, axes.get_ylim()[1]))
        elif axes.get_ylim()[0] < 0.35 * axes.get_ylim()[1]:
            axes.set_ylim(bottom=0)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.legend(frameon=False, fontsize=8)
        _clean(axes)
    return figure


def confusion_figure(
    confusion: NDArray[Any], classes: Sequence[str], normalised: bool = False, title: str = ""
) -> Figure:
    """Confusion matrix `(K, K)`, rows the truth: counts, or shares of a row (NaN rows: classes without items,
    grey).
    """
    matrix = np.asarray(confusion, dtype=float)
    count = len(classes)
    longest = max((len(_short(name)) for name in classes), default=1)
    body = float(np.clip(0.5 * count, 2.6, 9.0))
    font = float(np.clip(56 * body / max(count, 1), 3.2, 9.5))
    margin = min(2.4, 0.35 + 0.0085 * font * longest)
    figure = _figure(body + margin + 0.9, body + margin + 0.5)
    axes = figure.add_subplot()
    top = 1.0 if normalised else max(1.0, float(np.nanmax(matrix, initial=0)))
    axes.set_facecolor("#f0f1f4")
    shown = axes.imshow(np.ma.masked_invalid(matrix), cmap="Blues", vmin=0, vmax=top, interpolation="nearest")
    names = [_short(name) for name in classes]
    axes.set_xticks(range(count), names, fontsize=font, rotation=0 if longest * count < 36 else 90)
    axes.set_yticks(range(count), names, fontsize=font)
    axes.tick_params(length=0, pad=3)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(title, fontsize=10, color=INK)
    if count <= 25:
        axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.2)
        axes.tick_params(which="minor", length=0)
        for (row, column), value in np.ndenumerate(matrix):
            if np.isnan(value) or value == 0:
                continue
            text = f"{100 * value:.0f}" if normalised else f"{value:.0f}"
            ink = "white" if value > 0.55 * top else INK
            axes.text(column, row, text, ha="center", va="center", fontsize=min(9.5, font + 0.5), color=ink)
    for side in axes.spines.values():
        side.set_visible(False)
    bar = figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02, shrink=0.8)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2)
    if normalised:
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    else:
        bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    return figure


def reliability_figure(
    before: Mapping[str, Any], after: Mapping[str, Any] | None = None, title: str = ""
) -> Figure:
    """Reliability diagram over the number of items in each bin, before and (when given) after temperature
    scaling.

    Each argument holds `ece` and `reliability` (`edges`, `count`, `confidence`, `accuracy`), as `summarise`
    gives them.
    """
    figure = _figure(4.6, 4.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--", label="perfect")
    if after is None:
        series = [("model", before, BLUE, "o", "-")]
    else:
        series = [("before", before, RED, "s", "--"), ("after", after, BLUE, "o", "-")]
    for number, (name, part, colour, marker, line) in enumerate(series):
        table = part["reliability"]
        edges = np.asarray(table["edges"], dtype=float)
        counts = np.asarray(table["count"], dtype=float)
        x, y = (np.asarray(table[key], dtype=float) for key in ("confidence", "accuracy"))
        known = counts > 0
        label = f"{name} (ECE {100 * part['ece']:.1f} %)".strip()
        upper.plot(x[known], y[known], color=colour, linewidth=1.2, linestyle=line, label=label)
        area = 14 + 110 * counts[known] / max(1.0, counts.sum())
        upper.scatter(x[known], y[known], s=area, color=colour, marker=marker, zorder=3, clip_on=False)
        width = np.diff(edges) / len(series)
        lower.bar(edges[:-1] + number * width, counts, width * 0.9, align="edge", color=colour)
    upper.set(ylabel="share right", title=title, xlim=(0, 1), ylim=(0, 1))
    figure.legend(
        *upper.get_legend_handles_labels(), frameon=False, fontsize=8, ncols=3, loc="outside lower center"
    )
    upper.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    lower.set(xlabel="probability of the predicted class", ylabel="items")
    lower.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    lower.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
    _clean(upper)
    _clean(lower)
    return figure


def class_bars(per_class: pd.DataFrame, title: str = "") -> Figure:
    """F1 of each class as a bar, precision and recall as marks on it, best first; classes without items are
    left out.
    """
    table = per_class[per_class["support"].astype(int) > 0]
    table = table.assign(f1=table["f1"].astype(float).fillna(0)).sort_values(
        "f1", ascending=True, kind="stable"
    )
    count = len(table)
    each = 0.34 if count <= 20 else 0.2 if count <= 50 else 0.15
    figure = _figure(7.2, 1.25 + each * count)
    axes = figure.add_subplot()
    at = np.arange(count)
    axes.barh(at, table["f1"], height=0.66, color="#c6d9ea", label="F1")
    size = 26 if count <= 20 else 12
    precision = table["precision"].to_numpy(dtype=float, na_value=np.nan)
    axes.scatter(
        precision, at, s=1.4 * size, marker="D", color=RED, label="precision", zorder=3, clip_on=False
    )
    recall = table["recall"].to_numpy(dtype=float, na_value=np.nan)
    axes.scatter(recall, at, s=size, marker="o", color=BLUE, label="recall", zorder=4, clip_on=False)
    names = [f"{_short(name)} ({n})" for name, n in zip(table["class"], table["support"], strict=True)]
    axes.set_yticks(at, names, fontsize=9 if count <= 20 else 6.5)
    axes.set(xlim=(0, 1), ylim=(-0.6, count - 0.4), title=title)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    figure.legend(
        *axes.get_legend_handles_labels(), frameon=False, fontsize=8, ncols=3, loc="outside lower center"
    )
    _clean(axes, "x")
    axes.tick_params(axis="y", length=0)
    return figure


def accuracy_comparison(rows: Sequence[tuple[str, Mapping[str, Any]]], title: str = "") -> Figure:
    """One line a result: its accuracy and 95 % interval (`value, low, high`); the first row is the one that
    counts.
    """
    figure = _figure(7.2, 0.95 + 0.34 * len(rows))
    axes = figure.add_subplot()
    for at, (_, part) in enumerate(rows):
        colour = BLUE if at == 0 else MUTED
        if part["low"] is not None:
            axes.plot(
                [part["low"], part["high"]], [at, at], color=colour, linewidth=2.4, solid_capstyle="round"
            )
        axes.scatter(part["value"], at, s=46 if at == 0 else 30, color=colour, zorder=3, clip_on=False)
    axes.set_yticks(range(len(rows)), [_short(name, 40) for name, _ in rows], fontsize=9)
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), title=title)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _clean(axes, "x")
    axes.tick_params(axis="y", length=0)
    return figure


def save_figure(figure: Figure, path: str | PathLike[str], dpi: int = 150) -> None:
    """Write a figure as PNG, SVG or PDF by suffix, atomically."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi, format=Path(path).suffix.lstrip("."), facecolor="white")


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "kinema"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    return buffer.getvalue()


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _clean(axes: Axes, grid: str = "y") -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.grid(axis=grid, color=FAINT, linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=INK)
    axes.title.set(fontsize=10, color=INK)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(fontsize=9, color=INK)


def _any(table: pd.DataFrame, *names: str) -> bool:
    return any(name in table and table[name].notna().any() for name in names)


def _short(name: str, limit: int = 24) -> str:
    # A dollar sign would start mathematics in matplotlib.
    name = str(name).replace("\n", " ")
    return (name if len(name) <= limit else name[: limit - 1] + "…").replace("$", r"\$")
