"""`kinema evaluate-events` and `kinema report --events` with a real recognizer, small and untrained."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from kinema.cli.app import run
from kinema.data.clipspec import ClipSpec
from kinema.events import EventRules
from kinema.models import Recognizer
from kinema.video import VideoWriter


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first run"
    spec = ClipSpec(frames=4, fps=5, height=32, width=32)
    Recognizer.create("lrcn", ["background", "wave"], spec, weights="none").save(folder / "recognizer")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synthetic videos of valid and two of test, each with one segment."""
    root = tmp_path_factory.mktemp("synthetic")
    rng = np.random.default_rng(0)
    with (root / "my data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "start", "end", "label", "split", "group"])
        for name, split in (("v1", "valid"), ("v2", "valid"), ("t1", "test"), ("t2", "test")):
            with VideoWriter(root / f"{name}.mp4", 10) as out:
                for _ in range(40):
                    out.write(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8))
            writer.writerow([f"{name}.mp4", 1.0, 3.0, "wave", split, name])
            writer.writerow([f"{name}.mp4", 0.0, 1.0, "background", split, name])
    return root / "my data.csv"


def test_one_command_scores_and_says_where_the_results_are(
    run_folder: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate-events", str(run_folder), str(data), "--device", "torch"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    out = run_folder / "events-my data"
    for name in ("events.html", "events.json", "events.csv"):
        assert (out / name).is_file() and str(out / name) in said.out
    assert "test: 2 segments in 2 videos, 0.1 minutes" in said.out
    assert "per-frame threshold 0.5" in said.out and "no events at all" in said.out
    assert "serious: No interval: 2 groups" in said.out
    assert not (run_folder / "recognizer" / "events.json").exists()


def test_chosen_rules_are_stored_on_request_and_used_from_then_on(
    run_folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    Recognizer.load(run_folder).save(copy / "recognizer")
    options = ["--false-alarms-per-hour", "10000", "--out", str(tmp_path / "out"), "--device", "torch"]
    assert run(["evaluate-events", str(copy), str(data), *options, "--write"]) == 0
    said = capsys.readouterr().out
    assert "chosen on valid of" in said
    assert str(copy / "recognizer" / "events.json") in said
    found = json.loads((tmp_path / "out" / "events.json").read_text())
    assert EventRules.of(copy / "recognizer").to_dict() == found["rules"]
    assert found["chosen_for"] == 10000
    again = ["evaluate-events", str(copy), str(data), "--out", str(tmp_path / "out"), "--device", "torch"]
    assert run(again) == 0
    assert json.loads((tmp_path / "out" / "events.json").read_text())["rules"] == found["rules"]


def test_rules_of_a_file_and_labels_by_name(
    run_folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('smoothing = "none"\npartial = true\n[default]\nenter = 0.01\nleave = 0.01\n')
    common = [
        "evaluate-events",
        str(run_folder),
        str(data),
        "--out",
        str(tmp_path / "out"),
        "--device",
        "torch",
    ]
    assert run([*common, "--rules", str(rules), "--label", "wave"]) == 0
    found = json.loads((tmp_path / "out" / "events.json").read_text())
    assert found["labels"] == ["wave"] and found["rules"]["default"]["enter"] == 0.01
    assert found["numbers"]["events"] == 2  # every row is above, so each video is one event
    capsys.readouterr()
    assert run([*common, "--background", "wave", "--label", "wave"]) == 2
    assert run([*common, "--background", "nap"]) == 2
    assert "'nap'" in capsys.readouterr().err


def test_bad_calls_are_one_line(
    run_folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate-events", str(run_folder), str(tmp_path / "none.csv")]) == 3
    assert "none.csv: no such file" in capsys.readouterr().err
    assert run(["evaluate-events", str(run_folder), str(data), "--split", "train"]) == 3
    assert "no row of split 'train'" in capsys.readouterr().err
    assert run(["evaluate-events", str(run_folder), str(data), "--choose-on", "train"]) == 2
    assert run(["evaluate-events", str(run_folder), str(data), "--false-alarms-per-hour=-2"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 2 and "at least 0" in said
    assert run(["report", str(run_folder), "--events"]) == 2


def test_a_report_scores_events_on_request(run_folder: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    assert run(["report", str(run_folder), str(data), "--out", str(out), "--events"]) == 0
    stored = json.loads((out / "results.json").read_text())["report"]
    assert stored["events"]["numbers"]["segments"] == 2
    assert "Events in whole videos" in (out / "report.html").read_text()
