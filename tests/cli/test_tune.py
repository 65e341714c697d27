"""`kinema tune` as a user meets it, on tiny synthetic videos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinema.cli.app import run

pytest.importorskip("optuna", reason="the tune extra is not installed")

TINY = {
    "model": "lrcn",
    "backbone": "test_resnet",
    "weights": "none",
    "size": 48,
    "frames": 4,
    "fps": 5,
    "epochs": 1,
}


@pytest.mark.slow
def test_tune_says_the_best_the_test_and_the_files(
    two_actions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = tmp_path / "grid.json"
    grid.write_text(json.dumps({**TINY, "head": ["mean", "max"]}))
    folder = tmp_path / "my search"
    command = [
        "tune",
        str(two_actions),
        "--grid",
        str(grid),
        "--run",
        str(folder),
        "--device",
        "torch",
        "--set",
        "flip=false",
    ]
    assert run(command) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "2 trials: 2 complete" in said.out
    assert "held-out groups (chosen by it, so too good)" in said.out
    assert "  flip = False" in said.out
    assert "test, video-level top-1:" in said.out
    assert f"kinema predict '{folder}/best' VIDEO" in said.out
    for name in ("tune.html", "trials.csv", "best.json", "study.db", "best/report.html"):
        assert (folder / name).is_file(), name
    assert run(command) == 0
    assert "note: test was looked at on" in capsys.readouterr().out
    assert run(["runs", str(tmp_path)]) == 0
    assert "my search/best" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--grid", "a.json", "--space", "b.json"], 2, "two ways to search"),
        (["--grid", "none.json"], 3, "none.json: No such file"),
        (["--model", "lrcm"], 2, "did you mean 'lrcn'?"),
        (["--model", "lrcn", "--set", "hiden=3"], 2, "did you mean 'hidden'?"),
        (["--set", "epochs"], 2, "write NAME=VALUE"),
        (["--set", "epochs=many"], 2, "setting epochs='many'"),
        (["--folds", "1"], 2, "--folds 1"),
        (["--pruner", "worst"], 2, "give median, hyperband or none"),
        (["--storage", "study.db"], 2, "--storage study.db: give an address"),
        (["--folds", "99"], 3, "cannot make 99 folds"),
    ],
)
def test_wrong_calls_are_one_line(
    two_actions: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (
        run(["tune", str(two_actions), "--run", str(tmp_path / "run"), "--device", "torch", *arguments])
        == code
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kinema: ")
    assert words in line
