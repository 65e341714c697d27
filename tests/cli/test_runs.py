"""`kinema runs`: the table, two runs side by side, and pruning that never takes what is not a run."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kinema.cli.app import run
from kinema.runs import compare, find_runs, prune, read_run, to_prune

NOW = datetime.now(UTC)


def make_run(
    folder: Path, accuracy: float, *, days: float = 0, fingerprint: str = "a" * 64, low: float | None = None,
    split_by: str | None = None, folds: Any = None, head: str = "lstm", test: str = "x.mp4",
) -> Path:  # fmt: skip
    """Write what `kinema train` leaves, as far as `kinema runs` reads it."""
    (folder / "recognizer").mkdir(parents=True)
    (folder / "tensorboard").mkdir()
    (folder / "tensorboard" / "events").write_bytes(b"e" * 1000)
    (folder / "frame_predictions.csv").write_bytes(b"f" * 5000)
    (folder / "recognizer" / "weights.safetensors").write_bytes(b"w" * 2_000_000)
    high = None if low is None else 1.0
    video = {
        "top1": {"value": accuracy, "low": low, "high": high}, "items": 20, "log_loss": 1.5 - accuracy,
        "balanced_accuracy": {"value": accuracy}, "macro": {"f1": accuracy}, "ece": 0.1,
    }  # fmt: skip
    report = {
        "headline": {"split": "test"}, "splits": {"test": {"video": video}}, "protocol": "Splits: by group.",
        "baselines": {"frame averaging": {"test": {"top1": {"value": 0.5}}}}, "split_by": split_by, "leaks": [],
    }  # fmt: skip
    about = {
        "date": (NOW - timedelta(days=days)).isoformat(), "data": "/somewhere/clips", "data_fingerprint": fingerprint,
        "seconds": 12.0,
    }  # fmt: skip
    params = {"architecture": "lrcn", "model": {"head": head}, "training": {"epochs": 3}, "folds": folds}
    (folder / "results.json").write_text(json.dumps({"model_param_count": 12345, "report": report}))
    (folder / "recognizer" / "recognizer.json").write_text(json.dumps({"model": "lrcn", "provenance": about}))
    (folder / "params.json").write_text(json.dumps(params))
    (folder / "report.html").write_text("page")
    (folder / "data.csv").write_text(
        f"video,start,end,label,split,group\n{test},,,a,test,g\ny.mp4,,,b,train,h\n"
    )
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    make_run(folder / "old", 0.7, days=40, low=0.55)
    make_run(folder / "new", 0.8, days=1, head="gru")
    make_run(folder / "search" / "best", 0.9, days=2, fingerprint="b" * 64, split_by="frame", test="z.mp4")
    (folder / "not a run").mkdir()
    (folder / "not a run" / "notes.txt").write_text("mine")
    return folder


def test_the_table_says_what_each_run_is(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", str(runs)]) == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert lines["old"].split()[1:8] == ["clips", "lrcn", "0.700", "0.550–1.000", "test,", "20", "0.500"]
    assert "12,345" in lines["old"] and "2.0" in lines["old"] and "aaaaaaaa" in lines["old"]
    assert (NOW - timedelta(days=40)).astimezone().strftime("%Y-%m-%d") in lines["old"]
    assert lines["search/best"].rstrip().endswith("LEAKS")
    assert "warning: search/best: its splits leak (split at random by frame)" in out
    assert [out.index(name) for name in ("new ", "search/best", "old ")] == sorted(
        out.index(name) for name in ("new ", "search/best", "old ")
    )  # newest first


def test_the_table_as_json(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", str(runs), "--sort", "accuracy", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert run(["runs", str(runs), "--sort", "accuracy", "--csv", str(runs / "table.csv")]) == 0
    table = pd.read_csv(runs / "table.csv")
    assert [row["name"] for row in rows] == table["name"].tolist()
    assert {type(row["accuracy"]) for row in rows} <= {float, type(None)}


def test_sorting_and_csv(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", str(runs), "--sort", "accuracy", "--csv", str(tmp_path / "table.csv")]) == 0
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["name"].tolist() == ["search/best", "new", "old"]
    assert table["accuracy"].tolist() == [0.9, 0.8, 0.7]
    assert table["data_fingerprint"].tolist() == ["b" * 64, "a" * 64, "a" * 64]
    assert run(["runs", str(runs), "--sort", "acuracy"]) == 2
    assert "did you mean 'accuracy'?" in capsys.readouterr().err


def test_runs_on_the_same_rows_compare_and_others_do_not(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["runs", str(runs), "--compare", "old", "new"]) == 0
    out = capsys.readouterr().out
    assert "accuracy comparable: the same rows, splits and test" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["top-1", "0.700", "0.800", "+0.100"] in rows
    assert ["model.head", "lstm", "gru"] in rows
    assert not any(row[:1] == ["training.epochs"] for row in rows)  # only what differs
    assert run(["runs", str(runs), "--compare", "old", "search/best"]) == 0
    out = capsys.readouterr().out
    assert "accuracy NOT comparable: other data or other splits" in out
    assert ["top-1", "0.700", "0.900"] in [line.split() for line in out.splitlines()]  # and no difference
    assert run(["runs", str(runs), "--compare", "old", "nothing"]) == 2


def test_the_same_test_learned_from_other_rows_and_folds(tmp_path: Path) -> None:
    first = read_run(make_run(tmp_path / "one", 0.7))
    other = read_run(make_run(tmp_path / "two", 0.8, fingerprint="c" * 64))
    found = compare(first, other)
    assert found.comparable
    assert found.why.startswith("the same test segments, learned from other rows")
    folds = read_run(make_run(tmp_path / "three", 0.8, folds="group"))
    found = compare(first, folds)
    assert not found.comparable
    assert found.why == "one was tested on test, the other on folds: one group out"


def test_what_is_pruned(runs: Path) -> None:
    found, _ = find_runs(runs)

    def names(**which: Any) -> list[str]:
        return [record.name for record in to_prune(found, **which)]

    assert names(keep_best=1) == ["old"]  # the best of each data set stays
    assert sorted(names(keep_best=0)) == ["new", "old", "search/best"]
    assert names(older_than=1.5) == ["search/best", "old"]
    assert names(older_than=1.5, keep_best=1) == ["old"]


def test_prune_keeps_recognizers_unless_told(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "prune", str(runs), "--keep-best", "1", "--yes"]) == 0
    assert "freed 0.0 MB" in capsys.readouterr().out
    left = {path.name for path in (runs / "old").iterdir()}
    assert left == {"recognizer", "results.json", "params.json", "report.html", "data.csv"}
    assert (runs / "new" / "frame_predictions.csv").is_file()
    assert run(["runs", "prune", str(runs), "--keep-best", "1", "--yes"]) == 0
    assert "nothing to prune" in capsys.readouterr().out
    (runs / "old" / "notes.txt").write_text("mine")
    assert run(["runs", "prune", str(runs), "--older-than", "30", "--recognizers", "--yes"]) == 0
    assert {path.name for path in (runs / "old").iterdir()} == {"notes.txt"}  # not of kinema's making
    assert f"left, not of kinema's making: {runs}/old/notes.txt" in capsys.readouterr().out
    assert run(["runs", "prune", str(runs), "--keep-best", "0", "--recognizers", "--yes"]) == 0
    assert not (runs / "new").exists()
    assert (runs / "not a run" / "notes.txt").read_text() == "mine"


def test_prune_asks(runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    assert run(["runs", "prune", str(runs), "--older-than", "30", "--recognizers"]) == 0
    assert "nothing was deleted" in capsys.readouterr().out
    assert (runs / "old" / "recognizer" / "weights.safetensors").is_file()
    assert run(["runs", "prune", str(runs)]) == 2
    assert "--keep-best N, --older-than DAYS" in capsys.readouterr().err


def test_a_damaged_run_is_named_and_never_pruned(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "new" / "results.json").write_text('{"fit_test_acc": 0.8}')  # of another program
    assert run(["runs", str(runs)]) == 0
    said = capsys.readouterr()
    assert "left out:" in said.err and "new/results.json" in said.err
    assert "old" in said.out
    assert run(["runs", "prune", str(runs), "--keep-best", "0", "--recognizers", "--yes"]) == 0
    assert (runs / "new" / "recognizer" / "weights.safetensors").is_file()


def test_a_users_own_files_are_left_whatever_their_names(runs: Path) -> None:
    old = runs / "old"
    own = ["report-for-the-boss.pdf", "checkpoint-notes.txt", "best.ckpt", "confusion_matrix_mine.png"]
    for name in own:
        (old / name).write_text("mine")
    (old / "report-other").mkdir()  # of `kinema report RUN DATA`
    (old / "report-other" / "results.json").write_text("{}")
    _, left = prune(read_run(old), recognizer=True)
    assert sorted(path.name for path in left) == sorted(own)
    assert sorted(path.name for path in old.iterdir()) == sorted(own)


def test_reports_of_other_data_are_no_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "elsewhere").mkdir()
    (runs / "elsewhere" / "results.json").write_text((runs / "old" / "results.json").read_text())
    found, problems = find_runs(runs)
    assert sorted(record.name for record in found) == ["new", "old", "search/best"]
    assert problems == []


def test_runs_that_are_not_finished_say_how_to_go_on(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("killed run", "search2/best"):
        (runs / name / "checkpoint").mkdir(parents=True)
        (runs / name / "checkpoint" / "plan.json").write_text("{}")
    assert run(["runs", str(runs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("not finished")] == [
        f"not finished: kinema train --resume '{runs}/killed run'",
        f"not finished: kinema train --resume {runs}/search2/best",
    ]


def test_speed_is_in_the_table_and_in_the_comparison(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = runs / "new" / "recognizer" / "recognizer.json"
    about = json.loads(path.read_text())
    about["provenance"]["speed"] = {"frames_per_second": 411.7, "frames": 4117, "seconds": 10.0}
    path.write_text(json.dumps(about))
    assert run(["runs", str(runs), "--sort", "speed"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[0] == "new" and " 412 " in lines[1]
    assert run(["runs", str(runs), "--compare", "old", "new"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["frames/s", "–", "412"] in rows
    assert ["95", "%", "interval", "0.550–1.000", "–"] in rows
    assert ["MB", "2.0", "2.0"] in rows


def test_prune_without_anybody_to_ask_deletes_nothing(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(["runs", "prune", str(runs), "--keep-best", "1"]) == 2
    assert "add --yes" in capsys.readouterr().err
    assert (runs / "old" / "frame_predictions.csv").is_file()


def test_a_link_to_a_run_is_not_deleted(runs: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(runs / "old")
    from kinema.errors import DataError

    with pytest.raises(DataError, match="not a run folder"):
        prune(read_run(link), recognizer=True)
    assert (runs / "old" / "results.json").is_file()


def test_no_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", str(tmp_path)]) == 0
    assert "no finished run" in capsys.readouterr().out
    assert run(["runs", str(tmp_path / "none")]) == 3
    assert "no such folder of runs" in capsys.readouterr().err
