"""Which files of a folder are predicted: those that are trained on, too."""

from __future__ import annotations

from pathlib import Path

from kinema.data import read_data
from kinema.evaluation.video_inputs import video_inputs


def test_what_a_class_folder_trains_on_is_what_a_folder_predicts(tmp_path: Path) -> None:
    names = ["a.mp4", "b.DV", "c.mxf", "d.mjpeg", "e.rm", "f.webm"]
    for label in ("walk", "run"):
        (tmp_path / label).mkdir()
        for name in [*names, "notes.txt", ".hidden.mp4"]:
            (tmp_path / label / name).write_bytes(b"film")
    trained = {segment.video for segment in read_data(tmp_path).segments()}
    predicted = {one.path for one in video_inputs([str(tmp_path)])}
    assert {path.name for path in trained} == set(names)
    assert predicted == trained
