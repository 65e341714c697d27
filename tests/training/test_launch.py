"""`kinema train --processes N` and torchrun: one line when something fails, all end together, a run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

PIXELS = [
    "--model", "lrcn", "--set", "freeze=false", "--set", "backbone=test_vit", "--set", "weights=none", "--set",
    'head_settings={"dropout": 0}', "--set", "height=160", "--set", "width=160", "--set", "frames=2", "--set",
    "windows=1", "--batch-size", "5", "--device", "torch", "--set", "workers=1", "--learning-rate", "0.0005",
]  # fmt: skip
ENDS = 240.0


def start(*arguments: str, torchrun: bool = False) -> subprocess.Popen[str]:
    """Start kinema as a shell does: Ctrl-C reaches it, even where the tests run in the background."""
    module = [sys.executable, "-m"]
    if torchrun:
        module += ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*module, "kinema", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, errors = process.communicate(timeout=ENDS)
    finally:
        process.kill()
    return process.returncode, out, errors


def ranks(launcher: int) -> dict[int, int]:
    """Return the process of each rank that `launcher` has started."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            entries = (folder / "environ").read_bytes().split(b"\0") if parent == launcher else []
        except OSError:
            continue
        found.update({int(e[5:]): int(folder.name) for e in entries if e.startswith(b"RANK=")})
    return found


def gone(processes: list[int]) -> bool:
    """Whether all of them are gone, within ten seconds."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        alive = [p for p in processes if Path(f"/proc/{p}").exists()]
        if not alive:
            return True
        time.sleep(0.1)
    return False


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + ENDS
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_processes_and_torchrun_have_the_losses_of_one(actions: Path, tmp_path: Path) -> None:
    """Clips that are decoded in shares, mixing across processes, a running mean; 12 clips in batches of five."""
    asked = [str(actions), *PIXELS, "--epochs", "2", "--set", "mixup=0.3", "--set", "ema=0.9", "--no-flip"]
    histories, printed = [], []
    for name, more, torchrun in (("one", [], False), ("two", ["--processes", "2"], False), ("run", [], True)):
        code, out, errors = ended(
            start("train", *asked, *more, "--run", str(tmp_path / name), torchrun=torchrun)
        )
        assert code == 0, errors
        histories.append(pd.read_csv(tmp_path / name / "fit_history.csv"))
        printed.append(out.replace(f"/{name}", "/NAME"))
        assert not (tmp_path / name / "checkpoint").exists()
    for history in histories[1:]:
        assert (history - histories[0]).abs().max().max() < 1e-5
    for out in printed:
        assert out.count("video-level top-1") == 1 and out.count("report.html") == 1


@pytest.mark.slow
def test_frozen_features_are_extracted_in_shares(actions: Path, tmp_path: Path) -> None:
    code, out, errors = ended(
        start(
            "train", str(actions), "--model", "frame_mlp", "--set", "backbone=test_resnet", "--set", "weights=none",
            "--set", "height=32", "--set", "width=32", "--epochs", "2", "--device", "torch", "--processes", "2",
            "--run", str(tmp_path / "run"),
        )
    )  # fmt: skip
    assert code == 0, errors
    assert out.count("video-level top-1") == 1
    assert (tmp_path / "run" / "results.json").exists()


@pytest.mark.slow
def test_ctrl_c_stops_all_after_their_step_and_keeps_what_was_learned(actions: Path, tmp_path: Path) -> None:
    process = start(
        "train", str(actions), *PIXELS, "--epochs", "500", "--processes", "2", "--run", str(tmp_path / "run")
    )
    wait_for(tmp_path / "run" / "fit_history.csv", process)
    team = ranks(process.pid)
    assert sorted(team) == [0, 1]
    process.send_signal(signal.SIGINT)
    code, out, errors = ended(process)
    assert code == 0, errors
    assert "video-level top-1" in out and (tmp_path / "run" / "recognizer" / "weights.safetensors").exists()
    assert gone(list(team.values()))


@pytest.mark.slow
def test_a_killed_process_ends_all_with_one_line_and_the_run_goes_on(actions: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    asked = [str(actions), *PIXELS, "--no-flip", "--epochs", "6"]
    process = start("train", *asked, "--processes", "2", "--run", str(run))
    wait_for(run / "fit_history.csv", process)
    team = ranks(process.pid)
    os.kill(team[1], signal.SIGKILL)
    code, _, errors = ended(process)
    assert code == 1
    assert errors.strip().splitlines() == [
        "kinema: process 2 of 2 was killed (SIGKILL), and all were ended; kinema train --resume RUN goes on from the last "
        "checkpoint"
    ]
    assert gone(list(team.values()))
    assert not (run / "results.json").exists()
    code, _, errors = ended(start("train", "--resume", str(run), "--processes", "2"))
    assert code == 0, errors
    whole = tmp_path / "whole"
    assert ended(start("train", *asked, "--processes", "2", "--run", str(whole)))[0] == 0
    assert (run / "fit_history.csv").read_bytes() == (whole / "fit_history.csv").read_bytes()


@pytest.mark.slow
def test_a_killed_launcher_takes_its_processes_with_it(actions: Path, tmp_path: Path) -> None:
    process = start(
        "train", str(actions), *PIXELS, "--epochs", "500", "--processes", "2", "--run", str(tmp_path / "run")
    )
    wait_for(tmp_path / "run" / "fit_history.csv", process)
    team = list(ranks(process.pid).values())
    process.kill()
    assert len(team) == 2 and gone(team)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "line", "expected"),
    [
        (["nowhere"], "nowhere: no such file or folder", 3),
        (["DATA", "--model", "lrcm"], "did you mean 'lrcn'?", 2),
        (["DATA", "--device", "gpu"], "--device gpu: no such device", 2),
    ],
)
def test_what_fails_is_said_once(
    arguments: list[str], line: str, expected: int, actions: Path, tmp_path: Path
) -> None:
    asked = [word.replace("DATA", str(actions)) for word in arguments]
    code, out, errors = ended(start("train", *asked, "--processes", "2", "--run", str(tmp_path / "run")))
    assert code == expected, errors
    assert "Results" not in out and errors.count("\n") == 1 and line in errors
    assert not (tmp_path / "run").exists()


def test_a_number_below_one_is_refused() -> None:
    code, _, errors = ended(start("train", "videos", "--processes", "0"))
    assert (
        code == 2 and errors.startswith("kinema: Invalid value for '--processes'") and errors.count("\n") == 1
    )
