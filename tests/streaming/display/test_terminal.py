"""The live view: what it shows, at every size of terminal and where there is none."""

from __future__ import annotations

import io
import re
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from kinema.events import Event, EventRules
from kinema.streaming.display import LiveDisplay
from kinema.streaming.rows import Notice, Row
from kinema.streaming.sinks import StreamInfo
from kinema.streaming.statistics import SourceStats, Statistics

CLASSES = ["walk", "fall", "sit down", "standing up from a chair very slowly", "跌倒"]
ONE = SourceStats(
    "lobby", "running", 1200, 400, 390, 10, 25.0, 7.9,
    latency=(41.2, 63.4, 80.0), waited=(1.0, 2.0, 3.0), decode=(2.1, 3.0, 4.0), backbone=(12.3, 15.0, 20.0),
    head=(0.42, 0.6, 0.8), recent=(39.6, 60.2, 70.0),
)  # fmt: skip


def statistics(names: list[str], **changes: object) -> Statistics:
    sources = [replace(ONE, name=name, **changes) for name in names]  # type: ignore[arg-type]
    return Statistics("auto (0.5 s)", "ONNX Runtime", 48.0, 100, sources)


def row(
    source: int, probabilities: list[float], at: float = 12.4, *, known: bool = True, full: bool = True
) -> Row:
    values = np.array(probabilities, np.float32)
    return Row(source, "", at, values, values, full, known, 0.0, 0.0, 0.0, 0.0, 0.01, 0.001, 0.02)


def terminal(width: int, height: int, **settings: object) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, record=True, legacy_windows=False,
        **settings,  # type: ignore[arg-type]
    )  # fmt: skip


def shown(display: LiveDisplay, console: Console) -> list[str]:
    console.print(display)
    return console.export_text().splitlines()


def opened(numbers: Statistics, console: Console) -> LiveDisplay:
    display = LiveDisplay(lambda: numbers, console=console, per_second=0.001)
    names = [source.name for source in numbers.sources]
    display.open(StreamInfo(CLASSES, names, EventRules(), None))
    display.close()
    console.export_text(clear=True)
    return display


FALL = Event("fall", 10.0, 12.4, 0.95, 11.0, 0.8, source="lobby", id="c", ended=False)


def test_a_source_has_a_panel_with_bars_rates_and_times() -> None:
    console = terminal(60, 24)
    display = opened(statistics(["lobby"]), console)
    display.row(row(0, [0.2, 0.5, 0.25, 0.04, 0.01]))
    display.event(Event("walk", 3.0, 5.5, 0.91, 4.0, 0.8, source="lobby", id="a"))
    display.event(replace(FALL))
    display.notice(Notice("back", "lobby", "lobby: back after 4 s", 0.0))
    assert shown(display, console) == [
        "╭─ lobby · running ────────────────────────────────────────╮",
        "│ fall   EVENT fall for 2.4 s                              │",
        "│ fall               ███████████████▌                 50 % │",
        "│ sit down           ███████▊                         25 % │",
        "│ walk               ██████▎                          20 % │",
        "│ frames/s  25.0 seen  7.9 used  0.0 dropped (10)          │",
        "│ latency   p50 40 ms  p95 60 ms                           │",
        "│ decode 2.1  backbone 12  head 0.4 ms (p50)               │",
        "╰──────────────────────────────────────────────────────────╯",
        "0:03.0  walk  91 %  2.5 s",
        "0:10.0  fall  95 %  goes on",
        "lobby: back after 4 s",
        "policy auto (0.5 s) · ONNX Runtime · Ctrl-C stops",
    ]


def test_what_the_rules_do_not_accept_is_not_called_a_label() -> None:
    console = terminal(60, 24)
    display = opened(statistics(["lobby"]), console)
    assert "no result yet" in shown(display, console)[1]
    display.row(row(0, [0.9, 0.1, 0, 0, 0], known=False, full=False))
    assert "window not full yet" in shown(display, console)[1]
    display.row(row(0, [0.9, 0.1, 0, 0, 0], known=False))
    assert "│ unknown " in shown(display, console)[1]


@pytest.mark.parametrize("count", [1, 2, 7, 40])
@pytest.mark.parametrize("size", [(60, 24), (40, 12), (80, 24), (200, 60), (20, 6)])
def test_it_fits_into_every_terminal(size: tuple[int, int], count: int) -> None:
    names = [f"rtsp://camera{k}.example/a-stream-with-a-long-name" for k in range(count)]
    console = terminal(*size)
    display = opened(statistics(names), console)
    for k in range(count):
        display.row(row(k, [0.2, 0.1, 0.1, 0.55, 0.05]))
        display.event(replace(FALL, source=names[k], id=str(k), ended=k % 2 == 0))
        display.notice(Notice("lost", names[k], f"{names[k]}: lost (timed out); trying again", 0.0))
    lines = shown(display, console)
    assert len(lines) < size[1] + 1
    assert max(cell_len(line) for line in lines) <= size[0]
    assert len(lines) > 3 or size[1] < 7


def test_many_sources_are_a_line_each_and_those_with_events_come_first() -> None:
    names = [f"rtsp://10.0.0.{k}/live" for k in range(40)]
    console = terminal(80, 24)
    display = opened(statistics(names), console)
    display.event(replace(FALL, source=names[33]))
    lines = shown(display, console)
    assert lines[0].split() == ["source", "now", "seen/used/lost", "/s", "p50/p95", "ms"]
    assert lines[1].split() == ["10.0.0.33", "EVENT", "fall", "25/7.9/0.0", "40/60"]
    assert lines[2].split() == ["10.0.0.0", "running", "25/7.9/0.0", "40/60"]
    assert "and 20 more sources" in lines[-2]


def test_without_colour_and_with_ascii_alone_nothing_is_lost() -> None:
    written = io.BytesIO()
    file = io.TextIOWrapper(written, encoding="ascii", errors="strict")
    console = Console(
        file=file, force_terminal=True, no_color=True, color_system="standard", width=60, height=24, legacy_windows=False,
    )  # fmt: skip
    display = LiveDisplay(lambda: statistics(["lobby"]), console=console, per_second=0.001)
    display.open(StreamInfo(CLASSES, ["lobby"], EventRules(), None))
    display.row(row(0, [0.0, 0.5, 0.2, 0.0, 0.3]))
    display.notice(Notice("lost", "lobby", "lobby: lost … 跌", 0.0))
    display.close()
    file.flush()
    text = written.getvalue().decode("ascii")
    bare = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
    last = bare[bare.rindex("+- lobby") :].splitlines()
    assert last[0].startswith("+- lobby - running ---") and len(last[0]) == 60
    assert "fall " in last[2] and "################..............." in last[2] and "50 %" in last[2]
    assert "???? " in last[3]  # as wide as the two letters that ASCII lacks
    assert "lobby: lost . ??" in last
    assert re.search(r"\x1b\[[0-9;]*(3|4|9)\d", text) is None  # no colour


def test_names_cannot_steer_the_terminal_or_be_taken_for_markup() -> None:
    name = "[bold]\x1b[2Jcam\n2[/bold]"
    console = terminal(60, 24)
    display = opened(statistics([name]), console)
    display.notice(Notice("lost", name, f"{name}: lost\x07\nnow", 0.0))
    text = "\n".join(shown(display, console))
    assert "[bold]?[2Jcam 2[/bold]" in text
    assert "\x1b" not in text and "\x07" not in text


def test_dropped_frames_are_a_rate() -> None:
    console = terminal(60, 24)
    display = LiveDisplay(lambda: numbers, console=console, per_second=0.001)
    numbers = statistics(["lobby"], dropped=0)
    display.open(StreamInfo(CLASSES, ["lobby"], EventRules(), None))
    for second in range(1, 21):
        numbers = replace(numbers, seconds=48.0 + second, sources=[replace(ONE, dropped=2 * second)])
        lines = shown(display, console)
    assert any("2.0 dropped (40)" in line for line in lines)
    display.close()


def test_it_draws_from_its_own_thread_at_most_eight_times_a_second() -> None:
    calls: list[str] = []

    def snapshot() -> Statistics:
        calls.append(threading.current_thread().name)
        return statistics(["lobby"])

    display = LiveDisplay(snapshot, console=terminal(80, 24), per_second=100)
    display.open(StreamInfo(CLASSES, ["lobby"], EventRules(), None))
    before = len(calls)
    began = time.monotonic()
    time.sleep(1.0)
    drawn, passed = len(calls) - before, time.monotonic() - began
    display.close()
    assert 2 <= drawn <= 8 * passed + 1
    assert threading.main_thread().name not in calls[before : before + drawn]


def test_where_there_is_no_terminal_events_and_notices_are_lines() -> None:
    out, errors = io.StringIO(), io.StringIO()
    display = LiveDisplay(
        lambda: statistics(["lobby"]),
        console=Console(file=out, width=20),
        errors=Console(file=errors, width=20),
        summary_seconds=0.2,
    )
    display.open(StreamInfo(CLASSES, ["lobby"], EventRules(), None))
    for at in range(50):
        display.row(row(0, [1, 0, 0, 0, 0], at))
    display.event(replace(FALL))
    display.event(replace(FALL, end=16.8, peak=0.97, ended=True, alert=False, clip="clips/c.mp4"))
    display.notice(Notice("lost", "lobby", "lobby: lost; trying again [in 2 s]", 0.0))
    time.sleep(0.5)
    display.close()
    assert out.getvalue().splitlines() == [
        "event begins: fall in lobby at 0:10.0",
        "event ended: fall in lobby, 0:10.0 to 0:16.8 (6.8 s), peak 0.97, silenced by its cooldown, clips/c.mp4",
    ]
    lines = errors.getvalue().splitlines()
    assert lines[0] == "lobby: lost; trying again [in 2 s]"
    assert 2 <= len(lines) - 1 <= 4
    assert lines[1] == (
        "after 48 s: lobby: 1200 frames seen (25.0/s), 390 used (7.9/s), 10 dropped (0.0/s), latency 40/60 ms"
    )


def test_an_engine_that_cannot_tell_its_numbers_yet_does_not_end_the_view() -> None:
    def snapshot() -> Statistics:
        raise RuntimeError("not started")

    console = terminal(60, 24)
    display = LiveDisplay(snapshot, console=console)
    display.open(StreamInfo(CLASSES, ["lobby"], EventRules(), None))
    display.close()
    assert "starting" in console.export_text()
