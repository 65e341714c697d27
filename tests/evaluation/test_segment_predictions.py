"""`segment_predictions.csv`: what each labelled segment was taken for, as the report counts it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kinema.evaluation.scores import Scores
from kinema.evaluation.segment_predictions import write_segment_predictions
from kinema.evaluation.summary import ReportData, SplitScores

HEAD = "video,start,end,label,split,group,unit,prediction,probability:run,probability:walk"


def scores(
    unit: str, split: str, rows: list[tuple[str, float | None, float | None, str]], odds: list[float]
) -> Scores:
    """Scores whose odds of "run" against "walk" are these."""
    table = pd.DataFrame(rows, columns=["video", "start", "end", "label"]).assign(split=split, group="p1")
    logits = np.array([[np.log(value), 0.0] for value in odds]).reshape(-1, 2)
    return Scores(["run", "walk"], table, logits, unit)  # type: ignore[arg-type]


def written(folder: Path, **given: object) -> list[str]:
    report = ReportData(classes=["run", "walk"], protocol="", **given)  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    path = write_segment_predictions(folder, report)
    assert path == folder / "segment_predictions.csv"
    return path.read_text().splitlines()


def test_a_segment_is_the_mean_of_its_windows(tmp_path: Path) -> None:
    """Odds of 3 and 1 are shares of 0.75 and 0.5: their mean is 0.625, one row for both windows."""
    clips = scores(
        "clip", "test", [("d/a.mp4", 0.0, 2.0, "run"), ("d/a.mp4", 0.0, 2.0, "run"), ("d/b.mp4", None, None, "walk")],
        [3.0, 1.0, 0.25],
    )  # fmt: skip
    lines = written(tmp_path / "runs" / "one", splits={"test": SplitScores(clip=clips)}, root=tmp_path)
    assert lines[0] == HEAD
    first, second = (line.split(",") for line in lines[1:])
    assert first[:8] == ["../../d/a.mp4", "0.0", "2.0", "run", "test", "p1", "video", "run"]
    assert [float(cell) for cell in first[8:]] == pytest.approx([0.625, 0.375])
    assert second[:8] == ["../../d/b.mp4", "", "", "walk", "test", "p1", "video", "walk"]
    assert [float(cell) for cell in second[8:]] == pytest.approx([0.2, 0.8])


def test_the_temperature_divides_each_window_before_the_mean(tmp_path: Path) -> None:
    """Odds of 9 and 1 at temperature 2 are odds of 3 and 1: 0.75 and 0.5, in the mean 0.625."""
    clips = scores("clip", "test", [("a.mp4", None, None, "run")] * 2, [9.0, 1.0])
    lines = written(tmp_path, splits={"test": SplitScores(clip=clips)}, root=tmp_path, temperature=2.0)
    assert float(lines[1].split(",")[8]) == pytest.approx(0.625)


def test_all_splits_stand_in_one_table_and_an_empty_one_is_left_out(tmp_path: Path) -> None:
    parts = {
        "train": SplitScores(video=scores("video", "train", [("a.mp4", None, None, "run")], [4.0])),
        "valid": SplitScores(video=scores("video", "valid", [], [])),
        "test": SplitScores(video=scores("video", "test", [("b.mp4", None, None, "run")], [0.25])),
    }
    lines = written(tmp_path, splits=parts, root=tmp_path)
    cells = [line.split(",") for line in lines[1:]]
    assert [(row[0], row[4], row[7]) for row in cells] == [
        ("a.mp4", "train", "run"),
        ("b.mp4", "test", "walk"),
    ]


def test_names_start_from_the_run_and_absolute_ones_stay(tmp_path: Path) -> None:
    rows = [
        ("clips/a.mp4", None, None, "run"),
        ("/far/b.mp4", None, None, "run"),
        ("s3://store/c.mp4", None, None, "run"),
    ]
    part = SplitScores(video=scores("video", "test", rows, [4.0, 4.0, 4.0]))
    lines = written(tmp_path / "runs" / "one", splits={"test": part}, root=tmp_path / "data")
    names = [line.split(",")[0] for line in lines[1:]]
    assert names == ["../../data/clips/a.mp4", "/far/b.mp4", "s3://store/c.mp4"]
