"""Pictures of the events page: precision over recall, and F1 over the enter threshold."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kinema.evaluation.figures import BLUE, FAINT, INK, MUTED, RED, svg

_GREEN = "#009E73"  # of Okabe and Ito, too
_LINES = ((BLUE, "-"), (RED, "--"), (_GREEN, ":"))


def precision_recall_figure(points: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Precision over recall `(recall, precision)` of all events, the surest first, a line a threshold of tIoU."""
    figure, axes = _axes("recall", "precision")
    for (threshold, line), (colour, style) in zip(points.items(), _LINES, strict=False):
        if line:
            x, y = zip(*line, strict=True)
            mark = "o" if len(line) <= 30 else None
            name = f"tIoU {threshold}"
            axes.plot(
                x, y, style, color=colour, linewidth=1.6, marker=mark, markersize=3, label=name, clip_on=False
            )
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure


def enter_figure(curve: Sequence[Sequence[float]], chosen: float) -> Figure:
    """F1 and false alarms an hour `(enter, F1, rate)` over the enter threshold, the chosen one marked."""
    figure, axes = _axes("enter threshold", "F1 at tIoU 0.5")
    enter, f1, rate = zip(*curve, strict=True)
    axes.plot(enter, f1, color=BLUE, linewidth=1.8, label="F1")
    axes.axvline(chosen, color=MUTED, linewidth=1, linestyle=":", label="chosen")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    other = axes.twinx()
    other.plot(enter, rate, color=RED, linewidth=1.4, linestyle="--", label="false alarms")
    other.set_ylabel("false alarms an hour", fontsize=9, color=INK)
    other.set_ylim(bottom=0)
    other.tick_params(labelsize=8, colors=INK)
    other.spines["top"].set_visible(False)
    handles = [one.get_legend_handles_labels() for one in (axes, other)]
    figure.legend(
        handles[0][0] + handles[1][0], handles[0][1] + handles[1][1],
        frameon=False, fontsize=8, ncols=3, loc="outside lower center",
    )  # fmt: skip
    return figure


def event_pictures(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the pictures of the summary of events as data addresses, by name."""
    figures = {"precision_recall": precision_recall_figure(found["precision_recall"])}
    if found["curve"]:
        figures["enter"] = enter_figure(found["curve"], found["rules"]["default"]["enter"])
    return {
        f"events_{name}": f"data:image/svg+xml;base64,{base64.b64encode(svg(figure)).decode()}"
        for name, figure in figures.items()
    }


def _axes(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.8, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_xlabel(across, fontsize=9, color=INK)
    axes.set_ylabel(up, fontsize=9, color=INK)
    return figure, axes
