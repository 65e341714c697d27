"""Runs as rows of JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from kinema.runs import RunRecord, run_rows


def test_what_a_run_does_not_know_is_null_and_numbers_are_whole() -> None:
    run = RunRecord(
        folder=Path("runs/fälle"), name="fälle", model="lrcn", data="falls", accuracy=1 / 3, low=None, high=None, split="test",
        items=3, protocol="", baseline=None, parameters=7, megabytes=None, frames_per_second=None, seconds=2.5,
        date=datetime(2026, 5, 21, 9, 30, tzinfo=UTC), fingerprint="ab", tested="", leak=None,
    )  # fmt: skip
    (row,) = run_rows([run])
    assert row["name"] == "fälle"
    assert row["accuracy"] == 0.333333333333333
    assert (row["low"], row["high"], row["baseline"], row["megabytes"], row["leak"]) == (None,) * 5
    assert (row["items"], row["parameters"], row["train_seconds"]) == (3, 7, 2.5)
    assert row["date"] == "2026-05-21T09:30:00+00:00"
    json.dumps(row, allow_nan=False)
    assert run_rows([]) == []
