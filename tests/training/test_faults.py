"""A disk that is full and Ctrl-C while a run is written: one line, nothing half-written, and the run goes on."""

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

from kinema.cli.app import run as command

KINEMA = """
import resource, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
most = int(sys.argv.pop(1))
if most:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
from kinema.cli.app import main
try:
    main()
finally:  # what is pressed after the last word is not kinema's
    signal.signal(signal.SIGINT, signal.SIG_IGN)
"""
OPTIONS = [
    "--device", "torch", "--no-flip", "--model", "lrcn", "--set", "backbone=test_resnet", "--set", "weights=none",
    "--set", "frames=4", "--set", "fps=5", "--set", "height=48", "--set", "width=48",
]  # fmt: skip


def kinema(most: int, *arguments: str) -> subprocess.Popen[str]:
    """Start a process that may write files of up to `most` bytes (0: of any size)."""
    return subprocess.Popen(
        [sys.executable, "-c", KINEMA, str(most), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def half_written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


@pytest.mark.slow
def test_a_disk_without_room_for_the_first_checkpoint_leaves_nothing(
    two_actions: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = kinema(50_000, "train", str(two_actions), "--run", str(folder), "--epochs", "2", *OPTIONS)
    _, errors = process.communicate(timeout=120)
    expected = f"kinema: {folder}/checkpoint/fit.pt: cannot be written: File too large\n"
    assert (process.returncode, errors) == (1, expected)
    assert not folder.exists()


@pytest.mark.slow
def test_a_disk_without_room_for_the_recognizer_costs_no_epoch(
    two_actions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    arguments = ["train", str(two_actions), "--run", str(folder), "--epochs", "2", *OPTIONS]
    code = BREAKS.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr == (
        f"kinema: {folder}/recognizer/weights.safetensors: cannot be written: File too large; "
        f"kinema train --resume {folder} goes on from what is saved\n"
    )
    assert not half_written(folder) and not (folder / "results.json").exists()
    assert command(["train", "--resume", str(folder)]) == 0
    assert "video-level top-1" in capsys.readouterr().out
    assert len(pd.read_csv(folder / "fit_history.csv")) == 2


# The disk is full from the moment at which the fit has ended.
BREAKS = """
import resource, sys
import kinema.training
train = sys.modules["kinema.training.train"]
measure = train.measure_speed
def full(*data):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    return measure(*data)
train.measure_speed = full
from kinema.cli.app import main
main({arguments!r})
"""


@pytest.mark.slow
def test_a_second_ctrl_c_says_how_to_go_on(two_actions: Path, tmp_path: Path) -> None:
    """The first ends the fit with what was learned, the second leaves the run as its checkpoint has it."""
    folder = tmp_path / "run"
    process = kinema(0, "train", str(two_actions), "--run", str(folder), "--epochs", "100000", *OPTIONS)
    end = time.monotonic() + 120
    while not (folder / "checkpoint" / "fit.pt").exists() and time.monotonic() < end:
        time.sleep(0.02)
    for _ in range(200):  # the second may fall into any of the steps that follow
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    _, errors = process.communicate(timeout=60)
    expected = f"kinema: stopped; kinema train --resume {folder} goes on from what is saved"
    assert (process.returncode, errors.splitlines()[-1]) == (130, expected)
    assert "Traceback" not in errors
    assert not half_written(folder)
    assert json.loads((folder / "checkpoint" / "plan.json").read_text())["training"]["epochs"] == 100000
