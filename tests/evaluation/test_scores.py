"""Scores keep what a model said, whatever the file format and however odd the names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kinema.errors import DataError
from kinema.evaluation.scores import Scores, align, to_video


def make(
    labels: list[str], logits: list[list[float]], classes: list[str], unit: str = "video", **columns: list
) -> Scores:
    count = len(labels)
    table = pd.DataFrame(
        {
            "video": columns.get("video", [f"v{i}.avi" for i in range(count)]),
            "start": columns.get("start", [None] * count),
            "end": columns.get("end", [None] * count),
            "label": labels,
            "split": columns.get("split", ["test"] * count),
            "group": columns.get("group", [f"g{i}" for i in range(count)]),
        }
    )
    return Scores(classes, table, np.array(logits, dtype=float).reshape(count, len(classes)), unit)  # type: ignore[arg-type]


def test_probabilities_are_softmax_of_logits_over_temperature() -> None:
    scores = make(["a"], [[np.log(9.0), 0.0]], ["a", "b"])
    assert scores.probabilities() == pytest.approx(np.array([[0.9, 0.1]]))
    assert scores.probabilities(temperature=2.0) == pytest.approx(np.array([[0.75, 0.25]]))


def test_a_video_is_the_mean_probability_of_its_windows() -> None:
    clip = make(
        ["a", "b", "a"],
        [[np.log(9.0), 0.0], [0.0, np.log(3.0)], [np.log(4.0), 0.0]],
        ["a", "b"],
        "clip",
        video=["one.avi", "two.avi", "one.avi"],
    )
    video = to_video(clip)
    assert video.unit == "video"
    assert video.table["video"].tolist() == ["one.avi", "two.avi"]
    assert video.probabilities() == pytest.approx(np.array([[0.85, 0.15], [0.25, 0.75]]))
    # Each window is calibrated before the mean: (3/4 + 2/3) / 2.
    assert to_video(clip, temperature=2.0).probabilities()[0, 0] == pytest.approx((0.75 + 2 / 3) / 2)


def test_segments_of_one_video_stay_apart() -> None:
    clip = make(
        ["a", "a"],
        [[1.0, 0.0], [0.0, 1.0]],
        ["a", "b"],
        "clip",
        video=["v"] * 2,
        start=[0.0, 5.0],
        end=[5.0, 9.0],
    )
    assert to_video(clip).table["start"].tolist() == [0.0, 5.0]


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_scores_survive_a_file(tmp_path: Path, suffix: str) -> None:
    classes = ["NA", 'a "quoted", name', "label", "007"]
    logits = [[0.1, 0.2, 0.3, 0.4], [2.0, -1.0, 0.0, 1.0]]
    before = make(["NA", "007"], logits, classes, start=[0.1, None], end=[1 / 3, None], group=["", "p1"])
    before.save(tmp_path / f"scores{suffix}")
    after = Scores.load(tmp_path / f"scores{suffix}")
    assert after.classes == classes
    assert after.unit == "video"
    assert after.table["label"].tolist() == ["NA", "007"]
    assert after.table["end"].iloc[0] == 1 / 3
    assert np.isnan(after.table["end"].iloc[1])
    assert after.groups.tolist() == ["video v0.avi", "p1"]
    assert after.probabilities() == pytest.approx(before.probabilities(), abs=1e-12)
    if suffix == ".npz":
        assert (after.logits == before.logits).all()


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"notes\.csv: cannot be read as scores"):
        Scores.load(path)
    with pytest.raises(DataError, match="no such file"):
        Scores.load(tmp_path / "absent.npz")
    (tmp_path / "bad.npz").write_bytes(b"not a zip")
    with pytest.raises(DataError, match=r"bad\.npz"):
        Scores.load(tmp_path / "bad.npz")


def test_bad_tables_are_refused() -> None:
    with pytest.raises(DataError, match=r"v0\.avi: a score is not finite"):
        make(["a"], [[float("nan"), 0.0]], ["a", "b"])
    with pytest.raises(DataError, match="its label 'z' is not a class"):
        _ = make(["z"], [[1.0, 0.0]], ["a", "b"]).targets
    with pytest.raises(ValueError, match="unit"):
        make(["a"], [[1.0, 0.0]], ["a", "b"], "movie")


def test_align_puts_items_in_the_order_of_the_other_and_refuses_others() -> None:
    one = make(["a", "b"], [[1, 0], [0, 1]], ["a", "b"], video=["x", "y"])
    two = make(["b", "a"], [[0, 5], [5, 0]], ["a", "b"], video=["y", "x"])
    assert align(two, one).table["video"].tolist() == ["x", "y"]
    with pytest.raises(DataError, match=r"scored on other items.*for example y"):
        align(one.take([0]), one)
