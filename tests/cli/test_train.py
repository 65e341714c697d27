"""`kinema train` and `kinema report` as a user meets them, on tiny synthetic videos."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from kinema.cli.app import run

TINY = [
    "--device", "torch", "--set", "backbone=test_resnet", "--set", "weights=none",
    "--set", "frames=4", "--set", "fps=5", "--set", "height=48", "--set", "width=48",
]  # fmt: skip


@pytest.fixture(scope="module")
def first(two_actions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first run"
    arguments = [
        "train",
        str(two_actions),
        "--run",
        str(folder),
        "--epochs",
        "2",
        "--no-flip",
        "--seed",
        "3",
        *TINY,
    ]
    assert run(arguments) == 0
    return folder


def test_train_says_the_result_the_files_and_what_next(
    two_actions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my run"
    code = run(["train", str(two_actions), "--run", str(folder), "--epochs", "1", "--no-flip", *TINY])
    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    assert "test, video-level top-1:" in said.out
    assert "majority class: 0.500" in said.out
    assert "frame averaging:" in said.out
    assert f"{folder}/report.html" in said.out
    assert f"kinema predict '{folder}' VIDEO" in said.out
    assert (folder / "report.html").is_file()


def test_like_repeats_a_run(first: Path, two_actions: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    assert (
        run(["train", str(two_actions), "--run", str(folder), "--like", str(first), "--device", "torch"]) == 0
    )
    params = [json.loads((path / "params.json").read_text()) for path in (first, folder)]
    assert params[0] == params[1]
    assert params[0]["training"]["seed"] == 3
    assert params[0]["training"]["flip"] is False
    assert (first / "fit_history.csv").read_bytes() == (folder / "fit_history.csv").read_bytes()


@pytest.mark.slow
def test_what_is_given_goes_before_like_and_folds_are_kept(
    first: Path, two_actions: Path, tmp_path: Path
) -> None:
    folds = tmp_path / "folds"
    arguments = ["--like", str(first), "--device", "torch", "--epochs", "1"]
    assert run(["train", str(two_actions), "--run", str(folds), "--folds", "group", *arguments]) == 0
    assert len(pd.read_csv(folds / "fit_history.csv")) == 1
    again = tmp_path / "again"
    assert (
        run(["train", str(two_actions), "--run", str(again), "--like", str(folds), "--device", "torch"]) == 0
    )
    assert json.loads((again / "params.json").read_text())["folds"] == "group"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--set", "epoch=3"], 2, "did you mean 'epochs'?"),
        (["--set", "hieght=3"], 2, "did you mean 'height'?"),
        (["--set", "bakcbone=x"], 2, "did you mean 'backbone'?"),
        (["--set", "epochs"], 2, "write NAME=VALUE"),
        (["--set", "fps=fast"], 2, "clip setting fps='fast'"),
        (["--set", "learning_rate=fast"], 2, "setting learning_rate='fast'"),
        (["--set", "freeze=no"], 2, "give true or false"),
        (["--set", "precision=float8"], 2, "setting precision='float8'"),
        (["--model", "lrcm"], 2, "did you mean 'lrcn'?"),
        (["--folds", "one"], 2, "--folds one"),
        (["--folds", "99"], 3, "cannot make 99 folds"),
        (["--folds", "group", "--set", "freeze=False"], 2, "folds need a frozen backbone"),
        (["--where", "lable == 'x'"], 2, "lable"),
        (["--like", "no/such/run"], 3, "no/such/run/params.json: missing"),
    ],
)
def test_wrong_settings_are_one_line(
    two_actions: Path, tmp_path: Path, arguments: list[str], code: int, words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = tmp_path / "run"
    assert run(["train", str(two_actions), "--run", str(folder), *TINY, *arguments]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kinema: ")
    assert words in line
    assert not folder.exists()


def test_the_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "anything", "--model", "help"]) == 0
    out = capsys.readouterr().out
    assert {line.split()[0] for line in out.splitlines()} >= {"frame_mlp", "lrcn", "motion_moments"}


def test_report_shows_a_run_again_and_scores_other_data(
    first: Path, two_actions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(first)]) == 0
    assert "test, video-level top-1:" in capsys.readouterr().out
    assert run(["report", str(first), str(two_actions), "--out", str(tmp_path / "other")]) == 0
    said = capsys.readouterr()
    assert "16 videos" in said.out
    assert "majority class: 0.500" in said.out
    assert "frame averaging:" in said.out
    assert (tmp_path / "other" / "report.html").is_file()


def test_report_of_something_else_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(tmp_path)]) == 3
    assert "results.json: missing" in capsys.readouterr().err
    (tmp_path / "results.json").write_text('{"fit_val_acc": 0.9}')  # of another program
    assert run(["report", str(tmp_path)]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "results.json: damaged" in line


@pytest.mark.slow
def test_ctrl_c_keeps_the_best_so_far_and_writes_the_run(two_actions: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    command = [
        sys.executable, "-c", "from kinema.cli.app import main; main()", "train", str(two_actions), "--run", str(folder),
        "--epochs", "100000", "--no-flip", *TINY,
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    until = time.monotonic() + 120
    # The first epochs are over once TensorBoard's file has grown.
    while time.monotonic() < until and process.poll() is None:
        if sum(path.stat().st_size for path in folder.glob("tensorboard/events*")) > 2000:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    time.sleep(1.5)  # the baseline is being fitted now; it is left out when stopped too
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    results = json.loads((folder / "results.json").read_text())
    history = pd.read_csv(folder / "fit_history.csv")
    assert results["fit_interrupted"] is True
    assert 1 <= results["fit_num_epochs"] == len(history) < 100000
    assert history["valid_loss"].idxmin() + 1 == results["fit_best_epoch"]
    assert (folder / "recognizer" / "recognizer.json").is_file()
    assert (folder / "report.html").is_file()
    assert len(pd.read_csv(folder / "frame_predictions.csv")) == 16 * 12
    assert "Results" in out
