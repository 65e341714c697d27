"""Predictions on disk: tables, timelines, subtitles, annotated copies, and what happens after a kill.

Longer than most files: all of it watches one test double at work, and it is itself the process that one test kills.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from kinema.data import Manifest
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, KinemaError
from kinema.evaluation.predictions import predict_to_folder
from kinema.models.prediction import Job, TimelineChunk
from kinema.video import VideoWriter, open_source


@dataclass
class Brightness:
    """A test double of `Recognizer`: dark or bright, from the mean grey of a window; chunks of 4 rows.

    `stop_after`: chunks after which Ctrl-C arrives. `asked`: the jobs it was given.
    """

    frames: int = 1
    temperature: float = 1.0
    stop_after: int | None = None
    classes: list[str] = field(default_factory=lambda: ["dark", "bright"])
    asked: list[Job] = field(default_factory=list)

    @property
    def spec(self) -> ClipSpec:
        return ClipSpec(frames=self.frames, fps=5, height=8, width=8)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        exp = np.exp(logits / self.temperature)
        return (exp / exp.sum(axis=-1, keepdims=True)).astype(np.float32)

    def timeline(self, jobs: Sequence[Job], *, batch_size: int = 16) -> Iterator[TimelineChunk]:
        self.asked += jobs
        given = 0
        for number, job in enumerate(jobs):
            for chunk in self._job(number, job):
                if given == self.stop_after:
                    self._stop()
                given += 1
                yield chunk

    def _stop(self) -> None:
        raise KeyboardInterrupt

    def _job(self, number: int, job: Job) -> Iterator[TimelineChunk]:
        seen: list[tuple[int, float]] = []
        levels: list[float] = []
        times: list[float] = []

        def chunk(last: bool, error: KinemaError | None = None) -> TimelineChunk:
            first = len(levels) - len(times)
            means = [np.mean(levels[max(0, i + 1 - self.frames) : i + 1]) for i in range(first, len(levels))]
            logits = np.array([[0.0, (mean - 128) / 32] for mean in means], np.float32).reshape(-1, 2)
            full = np.arange(first + 1, len(levels) + 1) >= self.frames
            frames = np.array([time for _, time in seen]), np.array([index for index, _ in seen], np.int64)
            made = TimelineChunk(number, np.array(times), logits, full, *frames, last, error)
            times.clear()
            seen.clear()
            return made

        try:
            with open_source(job.video, fps=job.fps) as source:
                for picture in self.spec.pictures(
                    source, job.start or 0.0, job.end, lambda index, time: seen.append((index, time))
                ):
                    levels.append(float(picture.image.mean()))
                    times.append(picture.time)
                    if len(times) == 4:
                        yield chunk(last=False)
        except KinemaError as error:
            yield chunk(last=True, error=error)
            return
        yield chunk(last=True)


def write_video(path: Path, levels: Sequence[int], fps: int = 25) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, fps) as out:
        for level in levels:
            out.write(np.full((120, 160, 3), level, np.uint8))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_frame_has_a_line_from_the_first_on_and_takes_the_newest_row(
    tmp_path: Path, parse_vtt: Any
) -> None:
    video = write_video(tmp_path / "half dark, half bright.mp4", [40] * 25 + [220] * 25)
    run = predict_to_folder(Brightness(), [video], tmp_path / "out", annotate=False)

    text = run.frame_predictions_csv.read_text()
    assert text.splitlines()[0] == "dark,bright,prediction,video,frame,label,split,error"
    rows = rows_of(run.frame_predictions_csv)
    assert [row["frame"] for row in rows] == [str(index) for index in range(50)]
    # Sampled five times a second: the row of t = 1.0 s, frame 25, is the first bright one.
    assert [row["prediction"] for row in rows] == ["dark"] * 25 + ["bright"] * 25
    assert {(row["video"], row["label"], row["split"], row["error"]) for row in rows} == {
        (str(video), "", "", "")
    }
    assert float(rows[0]["dark"]) + float(rows[0]["bright"]) == pytest.approx(1, abs=1e-5)

    (row,) = rows_of(run.videos_csv)
    assert list(row) == ["video", "prediction", "confidence", "dark", "bright", "seconds", "error"]
    assert row["seconds"] == "2.000"
    stored = json.loads((tmp_path / "out" / "half dark, half bright.json").read_text())
    assert [(s["label"], s["start"], s["end"]) for s in stored["segments"]] == [
        ("dark", 0, 1),
        ("bright", 1, 2),
    ]
    assert [row["time"] for row in stored["timeline"]] == [0, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8]
    assert stored["frames"] == 50 and "window of 1 pictures" in stored["protocol"]
    cues = parse_vtt((tmp_path / "out" / "half dark, half bright.vtt").read_text())
    assert [(start, end, text.split()[0]) for start, end, text in cues] == [(0, 1, "dark"), (1, 2, "bright")]


def test_the_video_level_is_the_mean_over_full_windows(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", [128] * 15)
    run = predict_to_folder(Brightness(frames=3), [video], tmp_path / "out", annotate=False)
    timeline = json.loads((tmp_path / "out" / "v.json").read_text())["timeline"]
    assert [row["full"] for row in timeline] == [False, False, True]
    assert run.videos[0].confidence == pytest.approx(max(timeline[2]["probabilities"]), abs=1e-5)


def test_the_annotated_copy_has_every_frame_and_shows_something(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", [200] * 37)
    run = predict_to_folder(Brightness(), [video], tmp_path / "out")
    with av.open(str(tmp_path / "out" / "v.mp4")) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(frames) == 37
    assert frames[20].shape == (240, 320) and frames[20].std() > 20  # the source is one flat grey
    assert sorted(path.name for path in run.videos[0].files) == ["v.json", "v.mp4", "v.vtt"]


def test_frame_folders_are_videos_and_name_their_images(tmp_path: Path) -> None:
    import cv2

    folder = tmp_path / "set" / "shot 1"
    folder.mkdir(parents=True)
    for number in (1, 2, 10, 11):
        cv2.imwrite(str(folder / f"f{number}.jpg"), np.full((60, 80, 3), 20 * number, np.uint8))
    (tmp_path / "set" / "labels.csv").write_text("video,frame,label,split\n")
    run = predict_to_folder(Brightness(), [tmp_path / "set"], tmp_path / "out", fps=5)
    rows = rows_of(run.frame_predictions_csv)
    assert [row["frame"] for row in rows] == ["f1.jpg", "f2.jpg", "f10.jpg", "f11.jpg"]
    assert [row["prediction"] for row in rows] == ["dark", "dark", "bright", "bright"]
    assert rows[0]["video"] == str(folder)
    assert (tmp_path / "out" / "shot 1.mp4").is_file()


def test_a_manifest_gives_labels_splits_and_errors_frame_by_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [40] * 25 + [220] * 25)
    write_video(tmp_path / "b.mp4", [220] * 25)
    manifest = Manifest(
        {
            "video": ["a.mp4", "a.mp4", "b.mp4"],
            "start": [0.0, 1.4, float("nan")],
            "end": [1.2, 2.0, float("nan")],
            "label": ["dark", "dark", "bright"],
            "split": ["train", "train", "test"],
        },
        root=tmp_path,
    )
    run = predict_to_folder(Brightness(), manifest, tmp_path / "out", annotate=False)
    rows = rows_of(run.frame_predictions_csv)
    a, b = [row for row in rows if row["video"] == "a.mp4"], [row for row in rows if row["video"] == "b.mp4"]
    assert [len(a), len(b)] == [50, 25]
    # 1.2 s is frame 30 and 1.4 s frame 35; from frame 25 on the video is bright and the label still dark.
    assert [row["label"] for row in a] == ["dark"] * 30 + [""] * 5 + ["dark"] * 15
    assert [row["error"] for row in a] == ["0"] * 25 + ["1"] * 5 + [""] * 5 + ["1"] * 15
    assert {(row["label"], row["split"], row["error"]) for row in b} == {("bright", "test", "0")}
    videos = rows_of(run.videos_csv)
    assert [(row["label"], row["split"]) for row in videos] == [("dark", "train"), ("bright", "test")]


def test_bad_videos_are_listed_with_their_reason_and_never_stop_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_video(folder / "good.mp4", [30] * 10)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is no video\n" * 50)
    whole = write_video(tmp_path / "whole.mp4", [30] * 50).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[:600])
    run = predict_to_folder(Brightness(), [folder], tmp_path / "out")
    rows = {Path(row["video"]).name: row for row in rows_of(run.videos_csv)}
    assert sorted(rows) == ["cut.mp4", "empty.mp4", "good.mp4", "text.mp4"]
    assert rows["good.mp4"]["prediction"] == "dark" and rows["good.mp4"]["error"] == ""
    for name in ("empty.mp4", "text.mp4", "cut.mp4"):
        assert rows[name]["prediction"] == "" and name in rows[name]["error"]
        assert len(rows[name]["error"].splitlines()) == 1
    assert len(run.failed) == 3
    assert {Path(row["video"]).name for row in rows_of(run.frame_predictions_csv)} == {"good.mp4"}


def test_videos_of_one_name_get_names_of_their_own_and_an_input_is_never_overwritten(tmp_path: Path) -> None:
    first = write_video(tmp_path / "run" / "clip.mp4", [30] * 10)
    second = write_video(tmp_path / "walk" / "clip.mp4", [220] * 10)
    out = tmp_path / "walk"  # the results go beside the second video
    before = second.read_bytes()
    run = predict_to_folder(Brightness(), [first, second], out)
    assert second.read_bytes() == before
    names = [sorted(path.name for path in video.files) for video in run.videos]
    assert names[0] == ["run-clip.json", "run-clip.mp4", "run-clip.vtt"]
    assert names[1] == ["walk-clip.json", "walk-clip.mp4", "walk-clip.vtt"]
    alone = predict_to_folder(Brightness(), [second], tmp_path / "walk")
    assert alone.videos[0].reused


@pytest.mark.parametrize(
    "name", ["it's.mp4", 'say "hi", twice.mp4', "ein größeres Vidéo 動画.mp4", "[bold]x.mp4"]
)
def test_names_with_quotes_commas_and_other_alphabets_come_back_from_the_tables(
    tmp_path: Path, name: str
) -> None:
    video = write_video(tmp_path / "v.mp4", [30] * 6).rename(tmp_path / name)
    run = predict_to_folder(Brightness(), [video], tmp_path / "out", annotate=False)
    assert set(pd.read_csv(run.frame_predictions_csv)["video"]) == {str(video)}
    assert (tmp_path / "out" / f"{name[:-4]}.json").is_file()


def test_finished_videos_are_not_computed_again_after_ctrl_c(tmp_path: Path) -> None:
    videos = [write_video(tmp_path / f"{name}.mp4", [level] * 10) for name, level in (("a", 30), ("b", 220))]
    with pytest.raises(KeyboardInterrupt):
        predict_to_folder(Brightness(stop_after=1), videos, tmp_path / "out")
    assert [row["prediction"] for row in rows_of(tmp_path / "out" / "videos.csv")] == ["dark"]
    assert len(rows_of(tmp_path / "out" / "frame_predictions.csv")) == 10

    again = Brightness()
    run = predict_to_folder(again, videos, tmp_path / "out")
    assert [job.video for job in again.asked] == [videos[1]]
    assert [(video.label, video.reused) for video in run.videos] == [("dark", True), ("bright", False)]
    assert len(rows_of(run.frame_predictions_csv)) == 20

    other = Brightness(temperature=2.0)  # another recognizer: nothing that was kept holds
    predict_to_folder(other, videos, tmp_path / "out")
    assert [job.video for job in other.asked] == videos


def test_files_that_were_left_out_are_made_later_without_computing(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", [30] * 10)
    predict_to_folder(Brightness(), [video], tmp_path / "out", annotate=False, subtitles=False)
    assert not (tmp_path / "out" / "v.mp4").exists() and not (tmp_path / "out" / "v.vtt").exists()
    again = Brightness()
    predict_to_folder(again, [video], tmp_path / "out")
    assert again.asked == []
    assert (tmp_path / "out" / "v.mp4").is_file() and (tmp_path / "out" / "v.vtt").is_file()


def test_a_changed_video_is_computed_again(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", [30] * 10)
    predict_to_folder(Brightness(), [video], tmp_path / "out")
    write_video(video, [220] * 12)
    run = predict_to_folder(Brightness(), [video], tmp_path / "out")
    assert (run.videos[0].label, run.videos[0].reused) == ("bright", False)
    assert len(rows_of(run.frame_predictions_csv)) == 12


def test_a_video_that_was_stopped_on_the_way_goes_on_there_with_the_same_numbers(tmp_path: Path) -> None:
    levels = (128 + 100 * np.sin(np.arange(301) / 9)).astype(int).tolist()
    video = write_video(tmp_path / "long.mp4", levels)
    whole = predict_to_folder(Brightness(frames=3), [video], tmp_path / "whole", annotate=False)
    with pytest.raises(KeyboardInterrupt):
        predict_to_folder(Brightness(frames=3, stop_after=9), [video], tmp_path / "out", annotate=False)
    again = Brightness(frames=3)
    run = predict_to_folder(again, [video], tmp_path / "out", annotate=False)
    # 9 chunks of 4 rows at 5 a second are 7.2 s; the window and its margin are 6 rows.
    assert again.asked[0].start == pytest.approx(6.0)
    assert run.frame_predictions_csv.read_bytes() == whole.frame_predictions_csv.read_bytes()
    assert len(rows_of(run.frame_predictions_csv)) == 301
    assert run.videos_csv.read_bytes() == whole.videos_csv.read_bytes()
    one, two = (json.loads((tmp_path / name / "long.json").read_text()) for name in ("whole", "out"))
    assert one["timeline"] == two["timeline"] and len(one["timeline"]) == 61
    assert one["segments"] == two["segments"]


def test_a_kill_leaves_whole_files_only_and_the_next_call_completes_them(tmp_path: Path) -> None:
    videos = [write_video(tmp_path / f"{name}.mp4", [level] * 60) for name, level in (("a", 30), ("b", 220))]
    out = tmp_path / "out"
    killed = subprocess.run([sys.executable, __file__, *map(str, videos), str(out)], timeout=120, check=False)
    assert killed.returncode == 9
    assert len((out / "parts" / "a.csv").read_text().splitlines()) == 60
    assert not (out / "parts" / "b.csv").exists() and not (out / "b.json").exists()
    again = Brightness()
    run = predict_to_folder(again, videos, out)
    assert [job.video for job in again.asked] == [videos[1]]
    rows = rows_of(run.frame_predictions_csv)
    assert [row["prediction"] for row in rows] == ["dark"] * 60 + ["bright"] * 60


def test_two_processes_do_not_write_to_one_folder(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", [30] * 5)
    (tmp_path / "out" / "parts").mkdir(parents=True)
    with (
        FileLock(str(tmp_path / "out" / "parts" / ".lock")),
        pytest.raises(KinemaError, match="another kinema"),
    ):
        predict_to_folder(Brightness(), [video], tmp_path / "out")


def test_results_inside_the_folder_of_videos_are_not_taken_for_videos(tmp_path: Path) -> None:
    write_video(tmp_path / "in" / "v.mp4", [30] * 5)
    predict_to_folder(Brightness(), [tmp_path / "in"], tmp_path / "in" / "first")
    run = predict_to_folder(Brightness(), [tmp_path / "in"], tmp_path / "in" / "second")
    assert [Path(video.video).name for video in run.videos] == ["v.mp4"]


def test_missing_paths_and_empty_folders_name_themselves(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.mp4: no such file"):
        predict_to_folder(Brightness(), [tmp_path / "nothing.mp4"], tmp_path / "out")
    (tmp_path / "hollow").mkdir()
    with pytest.raises(DataError, match="hollow: no video in this folder"):
        predict_to_folder(Brightness(), [tmp_path / "hollow"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_real_frame_folders_of_s4_as_they_are(test_data: Path, tmp_path: Path) -> None:
    from kinema.data import read_data

    manifest = read_data(test_data / "seals")
    run = predict_to_folder(
        Brightness(classes=["noseal", "seal"]), manifest, tmp_path / "out", annotate=False
    )
    images = {path.name for path in (test_data / "seals").glob("*/*.jpeg")}
    frames = pd.read_csv(run.frame_predictions_csv, keep_default_na=False)
    assert set(frames["frame"]) == images and len(frames) == len(images)
    truth = pd.read_csv(test_data / "seals" / "labels.csv").set_index("frame")["label"]
    labelled = frames[frames["label"] != ""].set_index("frame")
    assert (labelled["label"] == truth.loc[labelled.index]).all()
    assert (labelled["error"].astype(int) == (labelled["prediction"] != labelled["label"]).astype(int)).all()


class _Killed(Brightness):
    def _stop(self) -> None:
        os._exit(9)


if __name__ == "__main__":
    predict_to_folder(_Killed(stop_after=6), [Path(p) for p in sys.argv[1:-1]], sys.argv[-1])
