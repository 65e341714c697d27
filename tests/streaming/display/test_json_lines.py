"""JSON lines: what stands in them, and what happens when nobody reads them."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np

from kinema.events import Event, EventRules
from kinema.streaming.display import JsonLines
from kinema.streaming.rows import Notice, Row
from kinema.streaming.sinks import StreamInfo

INFO = StreamInfo(["walk", "fall"], ["door"], EventRules(), None)


def row(at: float, energy: float = -3.25) -> Row:
    probabilities, smoothed = np.array([0.1, 0.9], np.float32), np.array([0.4, 0.6], np.float32)
    return Row(
        0, "door", at, probabilities, smoothed, True, False, energy, 5.0, 0.001, 0.002, 0.012, 0.0004, 0.0251
    )


def test_each_line_is_an_object_with_a_type() -> None:
    out = io.StringIO()
    with JsonLines(out) as sink:
        sink.open(INFO)
        sink.row(row(1 / 3))
        sink.event(Event("fall", 1.0, 2.0, 0.9, 1.5, 0.8, {"fall": 0.8}, 3, "door", "a"))
        sink.notice(Notice("lost", "door", "door: lost \u2013 “again”", 12.3456))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["type"] for line in lines] == ["start", "row", "event", "notice", "end"]
    assert lines[0]["classes"] == ["walk", "fall"] and lines[0]["sources"] == ["door"]
    assert lines[0]["rules"]["smoothing"] == "exponential"
    assert lines[1] == {
        "type": "row", "source": "door", "time": 0.333333, "label": "fall", "probabilities": [0.1, 0.9],
        "smoothed": [0.4, 0.6], "full": True, "known": False, "energy": -3.25, "waited_ms": 1.0, "decoding_ms": 2.0,
        "backbone_ms": 12.0, "head_ms": 0.4, "latency_ms": 25.1,
    }  # fmt: skip
    assert (lines[2]["label"], lines[2]["start"], lines[2]["id"], lines[2]["ended"]) == (
        "fall",
        1.0,
        "a",
        True,
    )
    assert lines[3] == {
        "type": "notice",
        "kind": "lost",
        "name": "door",
        "text": "door: lost – “again”",
        "at": 12.346,
    }
    assert (lines[4]["rows"], lines[4]["events"]) == (1, 1)


def test_what_json_cannot_say_is_null() -> None:
    out = io.StringIO()
    sink = JsonLines(out)
    sink.open(INFO)
    sink.row(row(0.0, energy=float("nan")))
    assert json.loads(out.getvalue().splitlines()[1])["energy"] is None


def test_rows_can_be_left_out() -> None:
    assert not JsonLines(io.StringIO(), rows=False).wants_rows
    assert JsonLines(io.StringIO()).wants_rows


READ_BY_NOBODY = """
import sys
sys.path[:0] = {path!r}
from test_json_lines import *
stopped = []
sink = JsonLines(stop=lambda: stopped.append(1))
sink.open(INFO)
for at in range(5000):
    sink.row(row(at))
sink.close()
print("what a command says at its end", flush=True)
print(len(stopped), file=sys.stderr)
"""


def test_a_reader_that_leaves_ends_the_run_without_a_word() -> None:
    from pathlib import Path

    code = READ_BY_NOBODY.format(path=[str(Path(__file__).parent), *sys.path])
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["type"] == "start"
        process.stdout.close()
        assert process.stderr.read().decode().split() == ["1"]  # told once to stop, and no traceback
        assert process.wait() == 0
