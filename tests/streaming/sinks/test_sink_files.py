"""Logs of events and rows hold whole lines, whatever happened to the process or the disk before."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinema.errors import KinemaError, UsageError
from kinema.events import Event
from kinema.streaming import Notice, Row, StreamInfo
from kinema.streaming.sinks.files import EventLog, RowLog
from kinema.streaming.sinks.line_file import LineFile
from kinema.streaming.sinks.runner import SinkRunner


def _row(time_: float = 1.5, captured: float = 0.0) -> Row:
    raw, smooth = np.array([0.25, 0.5, 0.25], np.float32), np.array([0.75, 0.125, 0.125], np.float32)
    return Row(0, "door.mp4", time_, raw, smooth, True, True, -1.0, captured, 0.0, 0.0, 0.0, 0.0, 0.03125)


def _folder(info: StreamInfo) -> Path:
    assert info.folder is not None
    return info.folder


def test_events_are_lines_of_json(info: StreamInfo, event: Callable[..., Event]) -> None:
    sink = EventLog()
    sink.open(info)
    sink.event(event(ended=False))
    sink.event(event(source="rtsp://admin:hunter2@10.0.0.7/door"))
    path = _folder(info) / "events.jsonl"
    (line,) = path.read_text().splitlines()  # on disk before it is closed
    values = json.loads(line)
    assert (values["label"], values["start"], values["end"], values["rows"]) == ("fall", 2.0, 4.5, 25)
    assert values["source"] == "rtsp://10.0.0.7/door"
    assert Event.from_dict(values).means == {"walk": 0.1, "fall": 0.85, "fight": 0.05}
    sink.close()

    sink = EventLog(begins=True)
    sink.open(info)
    sink.event(event(ended=False))
    sink.event(event())
    sink.close()
    assert [json.loads(line)["ended"] for line in path.read_text().splitlines()] == [True, False, True]


def test_half_a_line_of_a_killed_process_is_cut_off(info: StreamInfo, event: Callable[..., Event]) -> None:
    path = _folder(info) / "events.jsonl"
    path.parent.mkdir()
    path.write_text('{"label": "a"}\n{"label": "b", "st')
    for _ in range(2):
        sink = EventLog()
        sink.open(info)
        sink.close()
    assert path.read_text() == '{"label": "a"}\n'
    path.write_text('{"label": "a"}\n{"label": "b"}')  # only its end is missing
    sink = EventLog()
    sink.open(info)
    sink.event(event(label="c"))
    sink.close()
    assert [json.loads(line)["label"] for line in path.read_text().splitlines()] == ["a", "b", "c"]
    path.write_text('{"half of the very first')
    sink.open(info)
    sink.close()
    assert path.read_text() == ""


def test_events_are_a_table(info: StreamInfo, event: Callable[..., Event]) -> None:
    sink = EventLog("events.csv")
    sink.open(info)
    sink.event(event(label='fall, "hard"\nindeed'))
    sink.close()
    path = _folder(info) / "events.csv"
    path.write_bytes(path.read_bytes() + b"door.mp4,fall,3.0")  # a killed process
    sink.open(info)
    sink.event(event(id="second"))
    sink.close()
    with path.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first["label"] == 'fall, "hard" indeed'
    assert {
        name: second[name] for name in ("start", "end", "seconds", "rows", "difference", "mean fight", "id")
    } == {
        "start": "2.0",
        "end": "4.5",
        "seconds": "2.5",
        "rows": "25",
        "difference": "0.75",
        "mean fight": "0.05",
        "id": "second",
    }
    sink = EventLog("events.csv")
    sink.open(replace(info, classes=["walk", "fall"]))  # other classes, another table
    sink.close()
    assert (_folder(info) / "events-1.csv").read_text().count("\n") == 3
    assert path.read_text().strip().endswith("mean walk,mean fall")


def test_a_full_disk_is_told_once_and_no_event_is_lost(
    info: StreamInfo,
    event: Callable[..., Event],
    small_files: Callable[[], AbstractContextManager[None]],
    wait_for: Callable[..., None],
) -> None:
    path = _folder(info) / "events.jsonl"
    path.parent.mkdir()
    path.write_text("\n".join(["{}" + " " * 9997] * 105) + "\n")  # a megabyte and a bit
    before = path.stat().st_size
    told: list[Notice] = []
    runner = SinkRunner(EventLog(), told.append)
    with small_files():
        runner.open(info)
        for number in range(5):
            runner.event(event(id=str(number)))
        wait_for(lambda: runner.failures == 5)
        assert path.stat().st_size == before
        assert [notice.text for notice in told] == [f"{path}: cannot be written: File too large"]
    runner.event(event(id="5"))  # there is room again
    assert runner.close(5) == 0
    assert len(told) == 1
    ids = [json.loads(line).get("id") for line in path.read_text().splitlines()[105:]]
    assert ids == ["0", "1", "2", "3", "4", "5"]


def test_a_line_that_fits_in_part_leaves_nothing(
    tmp_path: Path, small_files: Callable[[], AbstractContextManager[None]]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * ((1 << 20) - 10) + b"\n")
    lines = LineFile(path, safe=True)
    with small_files():
        with pytest.raises(KinemaError, match="cannot be written"):
            lines.append(b"a line that is longer than what is left\n")
        assert path.stat().st_size == (1 << 20) - 9
        with pytest.raises(KinemaError, match="1 line lost"):
            lines.close()


def test_rows_are_a_table(info: StreamInfo) -> None:
    sink = RowLog()
    assert sink.wants_rows
    sink.open(info)
    now, clock = time.time(), time.monotonic()
    sink.row(_row(captured=clock - 3600))
    sink.close()
    with (_folder(info) / "rows.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    date = row.pop("date")
    assert row == {
        "source": "door.mp4",
        "time": "1.500000",
        "label": "fall",
        "known": "1",
        "walk": "0.250000",
        "fall": "0.500000",
        "fight": "0.250000",
        "latency": "0.031250",
    }
    from datetime import datetime

    assert abs(datetime.fromisoformat(date).timestamp() - (now - 3600)) < 1.0
    sink = RowLog("smooth.csv", smoothed=True)
    sink.open(info)
    sink.row(_row())
    sink.close()
    assert ",walk,1,0.750000,0.125000,0.125000," in (_folder(info) / "smooth.csv").read_text()


def test_a_table_of_rows_has_a_limit(info: StreamInfo) -> None:
    sink = RowLog(megabytes=0.01, keep=2)
    sink.open(info)
    for number in range(1000):  # about 90 bytes each
        sink.row(_row(float(number)))
    sink.close()
    folder = _folder(info)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["rows-1.csv", "rows-2.csv", "rows.csv"]
    assert all(path.stat().st_size < 21_000 for path in folder.iterdir())
    times: list[float] = []
    for name in ("rows-2.csv", "rows-1.csv", "rows.csv"):
        with (folder / name).open(newline="") as file:
            times += [float(row["time"]) for row in csv.DictReader(file)]
    assert times == [float(number) for number in range(1000 - len(times), 1000)]  # the newest, without a gap


def test_a_process_that_ends_early_leaves_whole_rows(info: StreamInfo) -> None:
    path = _folder(info) / "rows.csv"
    sink = RowLog()
    sink.open(info)
    for number in range(1001):
        sink.row(_row(float(number)))
    assert path.read_text().endswith("\n")  # not closed
    path.write_text(path.read_text() + "door.mp4,7.0,fa")
    again = RowLog()
    again.open(info)
    again.row(_row(2000.0))
    again.close()
    with path.open(newline="") as file:
        assert all(row["latency"] == "0.031250" for row in csv.DictReader(file))


def test_what_cannot_be_written_stops_the_start(info: StreamInfo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KinemaError, match=r"file/events\.jsonl: cannot be written"):
        EventLog().open(replace(info, folder=tmp_path / "file"))
    with pytest.raises(UsageError, match=r"events\.txt: events are written as \.jsonl or \.csv"):
        EventLog("events.txt")
    with pytest.raises(UsageError, match=r"begins = true needs \.jsonl"):
        EventLog("events.csv", begins=True)
    with pytest.raises(UsageError, match=r"rows are written as \.csv"):
        RowLog("rows.jsonl")
