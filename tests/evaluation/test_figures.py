"""Pictures are drawn for 2 and for 101 classes, show what they are given, and touch no global state."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pandas as pd
import pytest

from kinema.evaluation import figures


def texts(figure: object) -> list[str]:
    return [item.get_text() for item in figure.findobj(matplotlib.text.Text)]  # type: ignore[attr-defined]


def test_small_matrices_show_counts_and_large_ones_only_colour() -> None:
    small = texts(figures.confusion_figure(np.array([[41, 3], [0, 27]]), ["fight", "noFight"]))
    assert {"41", "3", "27", "fight", "noFight", "true", "predicted"} <= set(small)
    large = figures.confusion_figure(np.full((101, 101), 77), [f"class{i}" for i in range(101)])
    assert "77" not in texts(large)
    assert "class100" in texts(large)


def test_normalised_matrices_show_per_cent_and_nothing_for_an_absent_class() -> None:
    matrix = np.array([[0.25, 0.75], [np.nan, np.nan]])
    shown = texts(figures.confusion_figure(matrix, ["a", "b"], normalised=True))
    assert {"25", "75"} <= set(shown)
    assert "nan" not in shown


def test_curves_leave_out_what_is_missing() -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [3.0, 2.0, 1.0], "valid_loss": [np.nan] * 3})
    figure = figures.training_curves(history, best_epoch=2)
    (axes,) = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert list(lines["train"]) == [3.0, 2.0, 1.0]
    assert "valid" not in lines
    assert "kept (epoch 2)" in lines


def test_class_bars_are_best_first_and_skip_absent_classes() -> None:
    table = pd.DataFrame(
        {
            "class": ["low", "high", "absent", "cost $5 $"],
            "precision": [0.2, 0.9, None, None],
            "recall": [0.2, 0.9, None, 0.0],
            "f1": [0.2, 0.9, None, 0.0],
            "support": [5, 6, 0, 2],
        }
    )
    figure = figures.class_bars(table)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][::-1][:2] == [
        "high (6)",
        "low (5)",
    ]
    assert not any("absent" in text for text in texts(figure))
    figure.canvas.draw()  # type: ignore[attr-defined]


def test_no_global_figure_is_left_and_settings_stay(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    before = dict(matplotlib.rcParams)
    same = [figures.svg(figures.confusion_figure(np.eye(3), ["a", "b", "c"])) for _ in range(2)]
    assert same[0] == same[1]
    figures.save_figure(figures.confusion_figure(np.eye(3), ["a", "b", "c"]), tmp_path / "matrix.png")
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == before
    assert cv2.imread(str(tmp_path / "matrix.png")).shape[0] > 200
    assert list(tmp_path.iterdir()) == [tmp_path / "matrix.png"]


@pytest.mark.parametrize("count", [2, 101])
def test_labels_of_a_matrix_do_not_overlap(count: int) -> None:
    names = [f"ALongActionName{i}" for i in range(count)]
    figure = figures.confusion_figure(np.eye(count), names)
    figure.canvas.draw()  # type: ignore[attr-defined]
    axes = figure.axes[0]
    for labels, low, high in ((axes.get_yticklabels(), "y0", "y1"), (axes.get_xticklabels(), "x0", "x1")):
        boxes = sorted(
            (getattr(box, low), getattr(box, high)) for box in (label.get_window_extent() for label in labels)
        )
        assert all(this[1] <= following[0] + 0.5 for this, following in pairwise(boxes))
