"""`kinema data …`: what a newcomer types, what is printed, and the exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kinema.cli.data import app
from kinema.data import Manifest
from kinema.errors import UsageError

MakeVideo = Callable[..., Path]


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def clips(tmp_path: Path, make_video: MakeVideo) -> Path:
    for person in range(4):
        for label in ("run", "sit"):
            make_video(f"set of clips/{label}/person{person}_{label}.mp4")
    return tmp_path / "set of clips"


def test_import_then_describe(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.csv"
    result = _run("import", clips, "--out", out)
    assert result.exit_code == 0
    assert result.output.splitlines()[-2:] == [f"wrote {out}: 8 clips", f"next: kinema data check {out}"]
    text = _run("describe", out).output
    assert "8 clips of 8 videos, 2 classes, 4 groups" in text
    assert Manifest.read(out).segments()[0].video == clips / "run/person0_run.mp4"


def test_check_exits_with_3_unless_a_clean_manifest_is_written(clips: Path, tmp_path: Path) -> None:
    assert _run("check", clips).exit_code == 0
    (clips / "run/person0_run.mp4").write_bytes(b"")
    result = _run("check", clips)
    assert result.exit_code == 3
    assert "bad  run/person0_run.mp4  empty: the file has 0 bytes" in result.output
    assert result.output.splitlines()[-1] == f"next: kinema data check '{clips}' --out clean.csv"
    result = _run("check", clips, "--out", tmp_path / "clean.csv", "--report", tmp_path / "all.csv")
    assert result.exit_code == 0
    assert len(Manifest.read(tmp_path / "clean.csv")) == 7
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 9


def test_split_and_folds(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.csv"
    result = _run("split", clips, "--out", out, "--fractions", ".5,.25,.25")
    assert "train 4 clips (50%) of 2 groups, valid 2 clips (25%) of 1 group" in result.output
    assert f"next: kinema train {out}" in result.output
    assert Manifest.read(out).validate().splits == ["train", "valid", "test"]
    result = _run("split", clips, "--out", out, "--folds", "group")
    assert sorted(path.name for path in tmp_path.glob("s-fold*")) == [f"s-fold{n}.csv" for n in (1, 2, 3, 4)]
    assert Manifest.read(tmp_path / "s-fold3.csv").filter(split="test").groups == ["person2"]


def test_group_options(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.csv"
    result = _run("import", clips, "--out", out, "--group-pattern", "_(run|sit)")
    assert Manifest.read(out).groups == ["run", "sit"]
    assert "person" not in "".join(line for line in result.output.splitlines() if line.startswith("groups:"))


def test_bad_fractions(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--fractions 0.5,0.5: give three numbers"):
        _run("split", clips, "--out", tmp_path / "s.csv", "--fractions", "0.5,0.5")
