"""A split that leaks with consent: from the manifest through the run to every report, the number is called inflated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kinema.cli.train import say_result
from kinema.data import Manifest, read_data
from kinema.data.splits import random_split
from kinema.errors import DataError
from kinema.evaluation import evaluate
from kinema.models import Recognizer
from kinema.training import Run, train

QUICK: dict[str, Any] = {
    "clip": {"frames": 5, "fps": 5, "height": 48, "width": 48},
    "settings": {"epochs": 2, "flip": False}, "device": "torch", "backbone": "test_resnet", "weights": "none",
}  # fmt: skip
SENTENCE = "The splits were made at random by clip, on purpose (--allow-leakage)"


@pytest.fixture(scope="module")
def leaky_run(actions: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("leaky")
    split = random_split(read_data(actions), {"train": 0.5, "test": 0.5}, allow_leakage=True)
    return train(split.write(folder / "split.csv"), run=str(folder / "run"), **QUICK)


def test_report_and_results_say_so_first(leaky_run: Run) -> None:
    page = (leaky_run.folder / "report.html").read_text(encoding="utf-8")
    assert SENTENCE in page and page.index(SENTENCE) < page.index('class="headline"')
    text = (leaky_run.folder / "results.json").read_text(encoding="utf-8")
    results = json.loads(text)
    assert next(iter(results)) == "warning" and SENTENCE in results["warning"]
    first = results["report"]["caveats"][0]
    assert (first["level"], first["code"]) == ("serious", "inflated") and first["text"].startswith(
        "INFLATED. "
    )
    kept = Recognizer.load(leaky_run.folder).provenance
    assert kept["split_by"] == "clip" and kept["metrics"]["inflated_by"] == "clip"


def test_the_mark_stays_with_the_run(
    leaky_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = Manifest.read(leaky_run.folder / "data.csv")
    assert copied.split_by == "clip"
    again = evaluate(leaky_run.folder, copied, out=tmp_path)
    assert (
        again["report"]["caveats"][0]["code"] == "inflated"
        and SENTENCE in (tmp_path / "report.html").read_text()
    )
    capsys.readouterr()
    say_result(leaky_run.folder, json.loads((leaky_run.folder / "results.json").read_text())["report"])
    lines = " ".join(capsys.readouterr().out.split())
    assert lines.index(SENTENCE) < lines.index("video-level top-1")


def test_other_data_is_reported_with_a_doubt(leaky_run: Run, actions: Path) -> None:
    caveats = evaluate(leaky_run.folder, actions)["report"]["caveats"]
    assert caveats[0]["code"] == "inflated"
    assert caveats[0]["text"].startswith("The recognizer was trained on splits that leak")


def test_folds_by_group_are_not_called_inflated(leaky_run: Run, tmp_path: Path) -> None:
    marked = Manifest.read(leaky_run.folder / "data.csv")
    run = train(marked, run=str(tmp_path / "folds"), k=2, **QUICK)
    assert "inflated" not in {item["code"] for item in run.results["report"]["caveats"]}
    assert Manifest.read(run.folder / "data.csv").split_by is None


def test_without_the_mark_such_a_split_is_refused(leaky_run: Run) -> None:
    marked = Manifest.read(leaky_run.folder / "data.csv")
    bare = marked.replace(marked.table.drop(columns="split_by"))
    with pytest.raises(DataError, match="in more than one split, which leaks"):
        train(bare, **QUICK)


def test_honest_runs_are_not_called_inflated(tiny_run: Run) -> None:
    assert "warning" not in tiny_run.results
    assert "inflated" not in {item["code"] for item in tiny_run.results["report"]["caveats"]}
    assert 'class="inflated"' not in (tiny_run.folder / "report.html").read_text(encoding="utf-8")
