"""`kinema predict` with a real recognizer, small and untrained."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from kinema.cli.app import run
from kinema.data.clipspec import ClipSpec
from kinema.models import Recognizer
from kinema.video import VideoWriter


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first run"
    spec = ClipSpec(frames=4, fps=5, height=32, width=32)
    Recognizer.create("lrcn", ["walk", "wave <hand>"], spec, weights="none").save(folder / "recognizer")
    return folder


def write_video(path: Path, count: int = 30) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with VideoWriter(path, 25) as out:
        for index in range(count):
            picture = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
            picture[:, : index * 80 // count] = 255
            out.write(picture)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_command_gives_all_results_and_says_where_they_are(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / "my 'best' vidéo.mp4", 38)
    assert run(["predict", str(run_folder), str(video), "--device", "torch"]) == 0
    out = run_folder / "predictions"  # the default
    said = capsys.readouterr()
    assert said.err == ""
    for name in (
        "videos.csv",
        "frame_predictions.csv",
        "events.csv",
        "my 'best' vidéo.mp4",
        "my 'best' vidéo.vtt",
    ):
        assert str(out / name) in said.out
        assert (out / name).is_file()
    assert f"kinema report '{run_folder}'" in said.out
    assert [row["frame"] for row in rows_of(out / "frame_predictions.csv")] == [str(i) for i in range(38)]
    with av.open(str(out / "my 'best' vidéo.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 38


def test_the_numbers_are_those_of_predict_in_a_notebook(run_folder: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4")
    out = tmp_path / "out"
    options = ["--out", str(out), "--no-annotate", "--device", "torch"]
    assert run(["predict", str(run_folder), str(video), *options]) == 0
    expected = Recognizer.load(run_folder, device="torch").predict(video)
    (row,) = rows_of(out / "videos.csv")
    assert row["prediction"] == expected.label
    assert float(row["walk"]) == pytest.approx(float(expected.video_probabilities[0]), abs=1e-4)
    frames = rows_of(out / "frame_predictions.csv")
    # Frames 0, 5, 10 … are the sampled ones; each row holds until the next.
    for index in (0, 4, 5, 12, 29):
        assert float(frames[index]["walk"]) == pytest.approx(
            float(expected.probabilities[index // 5, 0]), abs=1e-4
        )
    assert not (out / "v.mp4").exists()


def test_events_come_from_a_file_of_rules_and_can_be_left_out(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, rules, out = write_video(tmp_path / "v.mp4", 50), tmp_path / "rules.toml", tmp_path / "out"
    options = ["--out", str(out), "--no-annotate", "--device", "torch"]
    predict = ["predict", str(run_folder), str(video), *options]
    # Whatever an untrained model says, it is an event from the first full window (0.6 s) to the last row (1.8 s).
    rules.write_text('labels = "walk"\nsmoothing = "none"\n[default]\nenter = 0.0\nleave = 0.0\n')
    assert run([*predict, "--rules", str(rules)]) == 0
    assert ", 1 event\n" in capsys.readouterr().out
    (row,) = rows_of(out / "events.csv")
    assert (row["video"], row["label"], row["start"], row["end"]) == (str(video), "walk", "0.6", "1.8")
    rules.write_text('labels = ["wave <hand>"]\n[default]\nenter = 1.0\n')
    assert run([*predict, "--rules", str(rules)]) == 0
    assert ", 0 events (done before)\n" in capsys.readouterr().out
    assert rows_of(out / "events.csv") == []

    assert run([*predict[:3], *options[2:], "--out", str(tmp_path / "none"), "--no-events"]) == 0
    assert " event" not in capsys.readouterr().out and not (tmp_path / "none" / "events.csv").exists()


@pytest.mark.parametrize(
    ("text", "options", "code", "words"),
    [
        ("labels = ['run']", [], 2, "event label 'run': the recognizer does not know it"),
        ("[default]\nenter = 2", [], 3, "rules.toml: not a file of event rules"),
        (None, [], 3, "rules.toml: cannot be read"),
        ("", ["--no-events"], 2, "--rules"),
    ],
)
def test_wrong_rules_are_told_in_one_line(
    run_folder: Path,
    tmp_path: Path,
    text: str | None,
    options: list[str],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    video, rules = write_video(tmp_path / "v.mp4", 5), tmp_path / "rules.toml"
    if text is not None:
        rules.write_text(text)
    out = ["--out", str(tmp_path / "out"), "--device", "torch"]
    assert run(["predict", str(run_folder), str(video), "--rules", str(rules), *out, *options]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kinema: ") and words in line
    assert not (tmp_path / "out").exists()


def test_some_bad_videos_are_a_warning_and_only_bad_ones_are_code_3(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "in" / "text.mp4"
    good = write_video(tmp_path / "in" / "good.mp4", 10)
    text.write_text("no video at all\n" * 100)
    out = ["--out", str(tmp_path / "out"), "--device", "torch"]
    assert run(["predict", str(run_folder), str(tmp_path / "in"), *out]) == 0
    said = capsys.readouterr()
    assert f"{text}: " in said.err and "1 of 2 videos could not be read" in said.err
    assert "Traceback" not in said.err
    good.unlink()
    assert run(["predict", str(run_folder), str(text), *out]) == 3
    assert all(line.startswith("kinema: ") for line in capsys.readouterr().err.splitlines())


def test_a_manifest_is_scored_and_its_split_can_be_chosen(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}.mp4", 10)
    manifest = tmp_path / "data.csv"
    manifest.write_text("video,label,split\na.mp4,walk,train\nb.mp4,walk,test\n")
    options = ["--out", str(tmp_path / "out"), "--no-annotate", "--device", "torch"]
    assert run(["predict", str(run_folder), str(manifest), "--split", "test", *options]) == 0
    assert "of 1 labelled videos right" in capsys.readouterr().out
    (row,) = rows_of(tmp_path / "out" / "videos.csv")
    assert (row["video"], row["label"], row["split"]) == ("b.mp4", "walk", "test")
    assert {row["error"] for row in rows_of(tmp_path / "out" / "frame_predictions.csv")} <= {"0", "1"}
    assert run(["predict", str(run_folder), str(manifest), str(tmp_path / "a.mp4"), *options]) == 2
    assert "either one manifest or videos" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda folder: folder / "hollow", 3, "no video in this folder"),
        (lambda folder: folder / "missing.mp4", 3, "no such file or folder"),
    ],
)
def test_nothing_to_predict(
    run_folder: Path, tmp_path: Path, make: object, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hollow").mkdir()
    assert callable(make)
    path = make(tmp_path)
    assert run(["predict", str(run_folder), str(path)]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"kinema: {path}: ") and words in line


def test_a_folder_without_a_recognizer_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "v.mp4", 5)
    (tmp_path / "empty run").mkdir()
    assert run(["predict", str(tmp_path / "empty run"), str(video)]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "empty run" in line and "recognizer.json" in line


@pytest.mark.slow
def test_ctrl_c_is_code_130_and_the_next_call_goes_on(run_folder: Path, tmp_path: Path) -> None:
    videos = [write_video(tmp_path / f"{name}.mp4", 30) for name in "ab"]
    # Ctrl-C arrives while the second video is annotated, whichever was read first.
    code = (
        "import kinema.evaluation.predictions as predictions\n"
        "copy, calls = predictions.annotate_video, []\n"
        "def stopped(*arguments, **settings):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 2:\n"
        "        raise KeyboardInterrupt\n"
        "    return copy(*arguments, **settings)\n"
        "predictions.annotate_video = stopped\n"
        "from kinema.cli.app import main; main()\n"
    )
    arguments = ["predict", run_folder, *videos, "--out", tmp_path / "out", "--device", "torch"]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 130
    assert (
        done.stderr == "kinema: stopped; what was finished is kept, and the same command goes on from there\n"
    )
    assert len(list((tmp_path / "out").glob("[ab].mp4"))) == 1
    assert run([str(argument) for argument in arguments]) == 0
    assert [row["prediction"] != "" for row in rows_of(tmp_path / "out" / "videos.csv")] == [True, True]
    assert len(list((tmp_path / "out").glob("[ab].mp4"))) == 2
