"""A run whose process is killed goes on to the last bit; a finished one and one whose data changed are refused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from kinema.cli.app import run as command
from kinema.data import read_data
from kinema.errors import DataError, UsageError
from kinema.training import Run, resume, train
from kinema.training.progress import Done, load_checkpoint, restore_random, save_checkpoint
from kinema.training.run_state import RunState

CLIP: dict[str, Any] = {"frames": 4, "fps": 5, "height": 32, "width": 32}
SETTINGS: dict[str, Any] = {
    "epochs": 3, "batch_size": 4, "windows": 2, "workers": 1, "checkpoint_minutes": 0.0, "ema": 0.9, "mixup": 0.2,
    "cutmix": 1.0, "rand_augment": 2, "stages": "1,all", "layer_decay": 0.8, "accumulate": 2,
}  # fmt: skip
MODEL: dict[str, Any] = {"model": "lrcn", "freeze": False, "backbone": "test_resnet", "weights": "none"}

# A process of its own that trains and is killed by itself at its n-th write of a checkpoint: before it, or just after it.
TRAINER = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from kinema.training import module, resume, train
data, folder, when, place = sys.argv[1:5]
count, write = [0], module.save_checkpoint
def killed(path, done, **states):
    count[0] += 1
    if count[0] == int(when) and place == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, done, **states)
    if count[0] == int(when) and place == "after":
        os.kill(os.getpid(), signal.SIGKILL)
module.save_checkpoint = killed
if os.path.exists(folder):
    resume(folder)
else:
    from kinema.data import read_data
    few = read_data(data).filter(where="group in ['person01', 'person02', 'person03', 'person04']")
    train(few, run=folder, clip={clip!r}, settings={settings!r}, device="torch", **{model!r})
"""


def start(data: Path, folder: Path, when: int = 0, place: str = "never") -> subprocess.Popen[str]:
    code = TRAINER.format(clip=CLIP, settings=SETTINGS, model=MODEL)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(data), str(folder), str(when), place],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], code: int) -> None:
    _, errors = process.communicate(timeout=250)
    assert process.returncode == code, errors[-2000:]


@pytest.fixture(scope="module")
def unbroken(actions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    finish(start(actions, folder), 0)
    return folder


def same(folder: Path, other: Path) -> None:
    assert (folder / "fit_history.csv").read_bytes() == (other / "fit_history.csv").read_bytes()
    assert (folder / "frame_predictions.csv").read_bytes() == (other / "frame_predictions.csv").read_bytes()
    stored = [(path / "recognizer" / "weights.safetensors").read_bytes() for path in (folder, other)]
    assert stored[0] == stored[1]


@pytest.mark.slow
def test_killed_again_and_again_it_goes_on_to_the_last_bit(
    unbroken: Path, actions: Path, tmp_path: Path
) -> None:
    """Pixels, two rounds, EMA, mixing, augmentation and parts; killed within an epoch, at its end and between rounds."""
    history = pd.read_csv(unbroken / "fit_history.csv")
    assert history["round"].tolist() == [1, 1, 1, 2, 2, 2]
    folder = tmp_path / "run"
    # 6 train clips of two windows in batches of 4: three batches an epoch, so three saves; six epochs are 18.
    for when, place in ((2, "after"), (3, "before"), (5, "after"), (4, "before")):
        finish(start(actions, folder, when, place), -signal.SIGKILL)
        assert not (folder / "results.json").exists()
    finish(start(actions, folder), 0)
    same(folder, unbroken)
    assert not (folder / "checkpoint").exists()


@pytest.mark.slow
def test_killed_by_the_clock_it_goes_on_to_the_last_bit(
    unbroken: Path, actions: Path, tmp_path: Path
) -> None:
    folder, kills = tmp_path / "run", 0
    for seconds in (0.4, 1.3, 2.1):
        process = start(actions, folder)
        until = time.monotonic() + 60
        while not (folder / "checkpoint" / "plan.json").exists() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(seconds)
        process.kill()
        process.wait()
        kills += not (folder / "results.json").exists()
        if (folder / "results.json").exists():
            break
    assert kills
    if (folder / "checkpoint" / "plan.json").exists():
        finish(start(actions, folder), 0)
    same(folder, unbroken)


@pytest.fixture
def stopped(actions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of heads in folds that broke in its report; its data is a copy."""
    data = tmp_path / "actions"
    shutil.copytree(actions, data)
    begin(data, tmp_path / "run", monkeypatch, k=2)
    return tmp_path / "run"


QUICK: dict[str, Any] = {
    "clip": CLIP, "settings": {"epochs": 2, "flip": False}, "device": "torch", "backbone": "test_resnet", "weights": "none",
}  # fmt: skip


def begin(data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["kinema.training.train"], "write_frame_predictions", full)
        with pytest.raises(OSError, match="no space"):
            train(data, run=str(folder), **QUICK, **more)


def test_folds_that_were_done_are_not_done_again(stopped: Path, tmp_path: Path) -> None:
    whole = train(tmp_path / "actions", run=str(tmp_path / "whole"), k=2, **QUICK)
    before = {path.name: path.stat().st_mtime_ns for path in (stopped / "checkpoint").glob("fold-*.pt")}
    assert sorted(before) == ["fold-1.pt", "fold-2.pt"]
    found = resume(stopped)
    same(found.folder, whole.folder)
    assert found.results["report"]["splits"] == whole.results["report"]["splits"]


def test_a_run_that_is_not_finished_is_not_overwritten(stopped: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not finished; go on with kinema train --resume"):
        train(tmp_path / "actions", run=str(stopped), **QUICK)


def test_two_processes_do_not_train_one_run(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = RunState(stopped)
    assert not state.at_work
    with state.held():
        assert RunState(stopped).at_work
        assert command(["train", "--resume", str(stopped)]) == 2
        assert f"{stopped}: another process is training it" in capsys.readouterr().err
        assert command(["runs", str(stopped.parent)]) == 0
        assert f"being trained now: {stopped}\n" in capsys.readouterr().out
    assert command(["runs", str(stopped.parent)]) == 0
    assert f"not finished: kinema train --resume {stopped}\n" in capsys.readouterr().out


def test_a_finished_run_says_so(tiny_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["train", "--resume", str(tiny_run.folder)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "this run is finished" in line and "kinema report" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resume", "no/such/run"], "holds no run that was begun"),
        (["--resume", "no/such/run", "--epochs", "3", "--set", "ema=0.9"], "leave out --epochs, --set"),
        (["data", "--resume", "no/such/run"], "leave out DATA"),
        ([], "DATA is missing"),
    ],
)
def test_wrong_calls_are_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["train", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_changed_data_is_refused_with_what_differs(
    stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "actions"
    video = data / "still" / "person01_still.mp4"
    whole = video.read_bytes()
    video.write_bytes(whole + b"\0")
    with pytest.raises(DataError, match=r"'still/person01_still.mp4' changed; put the data back"):
        resume(stopped)
    video.unlink()
    with pytest.raises(DataError, match=r"'still/person01_still.mp4' cannot be read any more"):
        resume(stopped)
    video.write_bytes(whole)
    shutil.copy(video, data / "still" / "person01_new.mp4")  # what came later is no part of the run
    assert command(["train", "--resume", str(stopped)]) == 0
    assert "video-level top-1" in capsys.readouterr().out


def test_other_labels_are_refused(actions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_data(actions)
    table = tmp_path / "labels.csv"
    manifest.write(table)
    begin(table, tmp_path / "run", monkeypatch)
    text = table.read_text()
    first = text.splitlines()[1]
    table.write_text(text.replace(first, first.replace(",move2,", ",still,")))
    with pytest.raises(DataError, match="labelled otherwise now"):
        resume(tmp_path / "run")


def test_a_checkpoint_needs_no_pickled_objects_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    path = tmp_path / "fit.pt"
    torch.manual_seed(3)
    save_checkpoint(path, Done(rows=[[1, 0.1, float("nan"), 0.5, 0.5, 1e-3, 1]], best={"w": torch.ones(2)}))
    drawn = torch.rand(3)
    assert set(torch.load(path, weights_only=True)) == {"format", "done", "random"}
    found = load_checkpoint(path)
    assert found is not None and found[0].rows[0][1] == 0.1
    restore_random(found[1]["random"])
    assert torch.equal(torch.rand(3), drawn)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"fit\.pt: cannot be read"):
        load_checkpoint(path)
    assert load_checkpoint(tmp_path / "none.pt") is None
