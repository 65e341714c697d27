"""`kinema watch` with a real recognizer, small and untrained; videos here are synthetic."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.cli.app import run
from kinema.data.clipspec import ClipSpec
from kinema.models import Recognizer
from kinema.video import VideoWriter

RULES = [
    "--set",
    "smoothing=none",
    "--set",
    "enter=0.5",
    "--set",
    "leave=0.5",
    "--set",
    "min_seconds=0",
    "--set",
    "consecutive=1",
]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first run"
    spec = ClipSpec(frames=4, fps=5, height=32, width=32)
    torch.manual_seed(0)
    made = Recognizer.create("lrcn", ["walk", "wave <hand>"], spec, weights="none", backbone="test_resnet")
    made.save(folder / "recognizer")
    return folder


def write_video(path: Path, count: int = 50) -> Path:
    rng = np.random.default_rng(0)
    with VideoWriter(path, 25) as out:
        for index in range(count):
            picture = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
            picture[:, : index * 80 // count] = 255
            out.write(picture)
    return path


def lines_of(text: str, kind: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, text.splitlines()) if line["type"] == kind]


def test_json_of_a_file_is_what_predict_writes(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, other = write_video(tmp_path / "a.mp4"), write_video(tmp_path / "b.mp4", 30)
    rules = tmp_path / "rules.toml"
    rules.write_text(
        'smoothing = "none"\npartial = true\n'
        "[default]\nenter = 0.5\nleave = 0.5\nmin_seconds = 0.0\nconsecutive = 1\nmerge_gap = 0.0\n"
    )
    common = ["--rules", str(rules), "--device", "torch"]
    out = tmp_path / "predicted"
    assert (
        run(["predict", str(run_folder), str(video), str(other), "--no-annotate", "--out", str(out), *common])
        == 0
    )
    capsys.readouterr()
    live = ["watch", str(run_folder), str(video), str(other), "--json", "--out", str(tmp_path / "watched")]
    assert run([*live, *common]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    classes = lines_of(said.out, "start")[0]["classes"]
    assert classes == ["walk", "wave <hand>"]
    for path, count in ((video, 10), (other, 6)):
        written = json.loads((out / f"{path.stem}.json").read_text())
        rows = [row for row in lines_of(said.out, "row") if row["source"] == str(path)]
        assert len(rows) == len(written["timeline"]) == count
        for row, line in zip(rows, written["timeline"], strict=True):
            assert row["time"] == pytest.approx(line["time"], abs=1e-6)
            assert row["full"] == line["full"]
            expected = (
                [line["probabilities"][name] for name in classes]
                if isinstance(line["probabilities"], dict)
                else line["probabilities"]
            )
            assert row["probabilities"] == pytest.approx(expected, abs=1e-4)
        told = [
            event for event in lines_of(said.out, "event") if event["source"] == str(path) and event["ended"]
        ]
        assert len(written["events"]) == len(told) > 0
        for event, line in zip(told, written["events"], strict=True):
            for name in ("label", "start", "end", "peak_time", "id"):
                assert event[name] == line[name]
            assert event["peak"] == pytest.approx(line["peak"], abs=1e-4)
            assert (tmp_path / "watched" / event["clip"]).is_file()
            assert (tmp_path / "watched" / event["thumbnail"]).is_file()
    kept = (tmp_path / "watched" / "events.jsonl").read_text().splitlines()
    assert len(kept) == len([event for event in lines_of(said.out, "event") if event["ended"]])


def test_the_end_says_what_was_seen_used_and_dropped(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video(tmp_path / "a.mp4")
    options = ["--out", str(tmp_path / "out"), "--device", "torch", "--no-clips"]
    assert run(["watch", str(run_folder), str(video), *options]) == 0
    said = capsys.readouterr().out
    assert "policy every-frame" in said
    assert f"{video}: ended; 50 frames seen, 10 used, 0 dropped; per picture decode " in said
    (line,) = (tmp_path / "out" / "statistics.jsonl").read_text().splitlines()
    (source,) = json.loads(line)["sources"]
    assert (source["seen"], source["used"], source["dropped"], source["state"]) == (50, 10, 0, "ended")
    assert sorted(source["latency_ms"]) == ["p50", "p95", "p99"]
    assert not (tmp_path / "out" / "clips").exists()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.slow
def test_a_signal_ends_it_cleanly(run_folder: Path, tmp_path: Path, stop: signal.Signals) -> None:
    video, out = write_video(tmp_path / "long.mp4", 25 * 60), tmp_path / "out"
    command = [sys.executable, "-m", "kinema", "watch", str(run_folder), str(video), "--realtime", "--json"]
    # A shell's background jobs ignore Ctrl-C, and so would their children.
    with subprocess.Popen(
        [*command, "--out", str(out), "--device", "torch", *RULES, "--set", "partial=true"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        seen = 0
        while seen < 3:
            seen += json.loads(process.stdout.readline())["type"] == "row"
        process.send_signal(stop)
        began = time.monotonic()
        rest, complaints = process.stdout.read(), process.stderr.read()
        assert process.wait(20) == 0
    assert time.monotonic() - began < 15
    assert complaints == ""
    assert lines_of(rest, "end")
    begun = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert begun and all(event["ended"] for event in begun)
    assert {path.suffix for path in (out / "clips").glob("[!.]*")} <= {".mp4", ".json"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "no source given: name a camera (0), an address or a video"),
        (["missing.mp4"], 3, "missing.mp4: no such file"),
        (["{video}", "--label", "fall"], 2, "event label 'fall': the recognizer does not know it"),
        (["{video}", "--set", "entre=0.5"], 2, "unknown event setting 'entre': did you mean 'enter'?"),
        (["{video}", "--set", "enter=2"], 2, "event setting enter=2: give a probability between 0 and 1"),
        (["{video}", "--policy", "newest"], 2, "--policy newest: "),
        (["{video}", "--seconds", "0"], 2, "--seconds 0: give seconds above 0"),
        (["{video}", "--size", "big"], 2, "--size big: write WIDTHxHEIGHT"),
        (["{video}", "--alerts", "none.toml"], 3, "none.toml: cannot be read"),
        (["{video}", "--test-alerts"], 2, "--test-alerts: name the file of receivers with --alerts"),
    ],
)
def test_wrong_calls_are_one_line(
    run_folder: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    video = write_video(tmp_path / "v.mp4", 5)
    given = [argument.format(video=video) for argument in arguments]
    assert (
        run(["watch", str(run_folder), *given, "--out", str(tmp_path / "out"), "--device", "torch"]) == code
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kinema: ") and words in line
    assert not (tmp_path / "out").exists()


def test_of_several_sources_those_that_open_are_watched(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, missing = write_video(tmp_path / "v.mp4", 10), tmp_path / "gone.mp4"
    options = ["--out", str(tmp_path / "out"), "--device", "torch", "--json"]
    assert run(["watch", str(run_folder), str(missing), str(video), *options]) == 0
    said = capsys.readouterr()
    assert said.err == f"kinema: warning: {missing}: no such file; check the path\n"
    assert len(lines_of(said.out, "row")) == 2


def test_seconds_end_a_source_that_would_go_on(run_folder: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "long.mp4", 25 * 30)
    began = time.monotonic()
    options = ["--realtime", "--seconds", "1", "--out", str(tmp_path / "out"), "--device", "torch", "--json"]
    assert run(["watch", str(run_folder), str(video), *options]) == 0
    assert time.monotonic() - began < 10
