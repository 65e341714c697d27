"""Runs are listed without loading torch, and looking at one that is not finished changes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kinema.errors import UsageError
from kinema.runs import at_work, held, unfinished_runs


def test_runs_are_read_without_torch() -> None:
    code = (
        "import sys, kinema.runs; print(sorted({'torch', 'lightning', 'kinema.models'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


def test_which_runs_are_not_finished(tmp_path: Path) -> None:
    for name in ("one", "search/best", "far/too/deep", "done", "empty"):
        (tmp_path / name / "checkpoint").mkdir(parents=True)
        if name != "empty":
            (tmp_path / name / "checkpoint" / "plan.json").write_text("{}")
    (tmp_path / "done" / "results.json").write_text("{}")
    assert unfinished_runs(tmp_path) == [tmp_path / "one", tmp_path / "search" / "best"]
    assert unfinished_runs(tmp_path / "one") == [tmp_path / "one"]
    assert unfinished_runs(tmp_path / "absent") == []


def test_a_run_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert not at_work(run)
    assert not run.exists()  # nothing was written by looking
    with held(run):
        assert at_work(run)
        with pytest.raises(UsageError, match="another process is training it"), held(run):
            raise AssertionError("held twice")
    assert not at_work(run)


def test_a_folder_that_cannot_be_written_is_looked_at_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "checkpoint" / "lock").mkdir(parents=True)  # no user, root included, can open this to write
    assert not at_work(tmp_path)
