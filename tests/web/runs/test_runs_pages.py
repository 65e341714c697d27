"""/runs/: the table, runs side by side, one run with its report, the clips behind a number."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_the_table_lists_sorts_and_filters_by_the_address(runs: Any, text_of: Callable[[Any], str]) -> None:
    assert "2 of " in text_of(runs.get("/runs/?q=moves"))
    order = text_of(runs.get("/runs/?q=moves&sort=name"))
    assert order.index(">moves<") < order.index(">moves-long<")
    order = text_of(runs.get("/runs/?q=moves&sort=name&order=backwards"))
    assert order.index(">moves-long<") < order.index(">moves<")
    page = text_of(runs.get("/runs/?q=moves+LONG"))
    assert (">moves-long<" in page, ">moves<" in page) == (True, False)
    assert "No run like that" in text_of(runs.get("/runs/?model=lrcn"))
    assert runs.get("/runs/?sort=nothing&q=%00").status_code == 200


def test_one_run_says_its_numbers_with_interval_and_protocol(
    runs: Any, key: str, runs_folder: Path, text_of: Callable[[Any], str]
) -> None:
    results = json.loads((runs_folder / "moves" / "results.json").read_text())
    page = text_of(runs.get(f"/runs/{key}/"))
    top1 = results["report"]["splits"]["test"]["video"]["top1"]["value"]
    assert f"{100 * top1:.1f}\u202f%" in page
    assert "A clip is 4 pictures at 5 a second" in page
    assert "Frame averaging (baseline)" in page
    assert "kinema runs prune" in page
    assert "clip.frames" in page


def test_the_report_is_shown_in_a_sandbox(runs: Any, key: str) -> None:
    answer = runs.get(f"/runs/{key}/report/")
    policy = answer.headers["Content-Security-Policy"]
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "sandbox allow-scripts" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy


def test_each_cell_opens_as_many_clips_as_it_counts(
    runs: Any, key: str, runs_folder: Path, text_of: Callable[[Any], str]
) -> None:
    report = json.loads((runs_folder / "moves" / "results.json").read_text())["report"]
    for split in report["splits"]:
        matrix = report["splits"][split]["video"]["confusion"]
        for true, counts in zip(report["classes"], matrix, strict=True):
            for taken, count in zip(report["classes"], counts, strict=True):
                page = text_of(
                    runs.get(f"/runs/{key}/clips/", {"split": split, "true": true, "predicted": taken})
                )
                assert f"{count} clip{'' if count == 1 else 's'} of {split}" in page
                assert "The matrix counts" not in page


def test_runs_side_by_side_differ_in_what_was_set(
    runs: Any, key: str, runs_folder: Path, text_of: Callable[[Any], str]
) -> None:
    from kinema.web.recognizers import key_of

    page = text_of(runs.get("/runs/compare/", {"run": [key, key_of(runs_folder / "moves-long")]}))
    assert page.count("<code>") == 1
    assert "<code>training.epochs</code></th><td>3</td><td>6</td>" in page
    assert "may be compared with moves" in page
    assert page.count('class="confusion') == 2
    assert "look1" in page  # both curves are on one picture
    assert runs.get("/runs/compare/", {"run": key}).status_code == 302


def test_the_api_lists_runs_and_describes_one(runs: Any, key: str) -> None:
    listed = runs.get("/api/runs/").json()
    assert [run["name"] for run in listed if run["name"].startswith("moves")] == ["moves-long", "moves"]
    one = runs.get(f"/api/runs/{key}").json()
    assert (one["tested_on"], one["model"], one["settings"]["training.epochs"]) == (
        "test",
        "motion_moments",
        3,
    )
    assert len(one["history"]) == 3
    assert "params.json" in [file["name"] for file in one["files"]]
    assert runs.get("/api/runs/no-such-12345678").status_code == 404
