"""The clips behind a run's numbers, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def test_what_a_clip_was_taken_for_is_the_mean_of_its_full_windows(tmp_path: Path) -> None:
    """By hand: a window of two samples; of the first clip the last three rows count, of the second the last one."""
    from kinema.web.runs.evidence import evidence

    (tmp_path / "data.csv").write_text(
        "video,start,end,label,split,group\nd/a.mp4,0,2,x,test,g\nd/a.mp4,2,3,y,test,g\nd/b.mp4,,,x,train,h\n"
    )
    rows = [
        "0.9,0.1,x,d/a.mp4,0,x,test,False", "0.9,0.1,x,d/a.mp4,1,x,test,False", "0.8,0.2,x,d/a.mp4,2,x,test,False",
        "0.8,0.2,x,d/a.mp4,3,x,test,False", "0.3,0.7,y,d/a.mp4,4,x,test,True", "0.3,0.7,y,d/a.mp4,5,x,test,True",
        "0.1,0.9,y,d/a.mp4,6,x,test,True", "0.1,0.9,y,d/a.mp4,7,x,test,True",
        "0.6,0.4,x,d/a.mp4,8,y,test,True", "0.6,0.4,x,d/a.mp4,9,y,test,True", "0.2,0.8,y,d/a.mp4,10,y,test,False",
    ]  # fmt: skip
    (tmp_path / "frame_predictions.csv").write_text(
        "x,y,prediction,video,frame,label,split,error\n" + "\n".join(rows) + "\n"
    )
    found = evidence(tmp_path, ["x", "y"], 2, False)
    assert [(c.row, c.label, c.prediction, c.right) for c in found.clips] == [
        (0, "x", "y", False),
        (1, "y", "y", True),
    ]
    assert [round(c.probability, 4) for c in found.clips] == [0.6, 0.8]
    assert found.clips[0].frames.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert found.exact is False
    # The run's own answers come before those that are found again.
    (tmp_path / "segment_predictions.csv").write_text(
        "video,start,end,label,split,group,unit,prediction,probability:y,probability:x\n"
        "d/a.mp4,0.0,2.0,x,test,g,video,x,0.45,0.55\n"
    )
    found = evidence(tmp_path, ["x", "y"], 2, False)
    assert [(c.row, c.prediction, round(c.probability, 2)) for c in found.clips] == [
        (0, "x", 0.55),
        (1, "y", 0.8),
    ]
    assert found.exact is True


def test_videos_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    from kinema.web.runs.evidence import evidence

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "data.csv").write_text(
        "video,start,end,label,split,group\n../d/a/1.mp4,,,x,test,g\n../d/b/a/1.mp4,,,y,test,g\n../d/c.mp4,,,y,test,g\n"
    )
    (tmp_path / "run" / "frame_predictions.csv").write_text(
        "x,y,prediction,video,frame,label,split,error\n0.9,0.1,x,a/1.mp4,0,x,test,False\n"
        "0.3,0.7,y,b/a/1.mp4,0,y,test,False\n0.4,0.6,y,c.mp4,0,y,test,False\n"
    )
    found = evidence(tmp_path / "run", ["x", "y"], 4, False)
    assert [(c.row, round(c.probability, 2)) for c in found.clips] == [(0, 0.9), (1, 0.7), (2, 0.6)]


def test_a_timeline_says_which_stretches_were_right() -> None:
    from kinema.web.runs.curves import timeline

    table = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], np.float32)
    found = timeline(table, ["x", "y"], "x", [0.0, 0.5, 1.0, 1.5])
    assert [(s["name"], s["right"], s["begin"], s["end"]) for s in found["stretches"]] == [
        ("x", True, 0.0, 1.0),
        ("y", False, 1.0, 1.5),
        ("x", True, 1.5, 1.5),
    ]
    assert found["share"] == 0.75
    assert [line.name for line in found["lines"]] == ["x", "y"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("x,prediction,video,frame,label,split,error\n0.9,x,a.mp4,0,x,test,False\n", "frame_predictions.csv: cannot be read"),
        ("x,y,prediction,video,frame,label,split,error\n0.9,?,x,a.mp4,0,x,test,False\n", "frame_predictions.csv: cannot be read"),
        ("x,y,prediction,video,frame,label,split,error\n0.9,0.", "this run keeps no predictions of its clips"),
        ("", "frame_predictions.csv: cannot be read"),
        (None, "this run keeps no predictions of its clips; they may have been pruned"),
    ],
    ids=["a class is missing", "no number", "cut short", "empty", "pruned"],
)  # fmt: skip
def test_a_damaged_table_is_said_and_not_fatal(tmp_path: Path, table: str | None, said: str) -> None:
    from kinema.web.runs.evidence import evidence

    (tmp_path / "data.csv").write_text(
        "video,start,end,label,split,group\na.mp4,,,x,test,g\nb.mp4,,,y,test,h\n"
    )
    if table is not None:
        (tmp_path / "frame_predictions.csv").write_text(table)
    found = evidence(tmp_path, ["x", "y"], 4, False)
    assert found.clips == []
    assert found.problem.startswith(said)
    assert "\n" not in found.problem
