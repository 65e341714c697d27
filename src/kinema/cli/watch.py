"""`kinema watch RUN SOURCE…`: a live view, events and alerts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinema.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kinema.events import EventRules
    from kinema.streaming import Engine, Sink, Statistics

_SOURCES = "Sources"
_EVENTS = "Events and alerts"
_OUTPUT = "Output"
_SHOWN = 8  # sources at the end


def watch(
    run: Annotated[Path, typer.Argument(help="A run folder, or a recognizer's folder.", show_default=False)],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="A camera (0, /dev/video0), an address (rtsp://, http://), a video, a folder of frames, or - (raw frames).",
            show_default=False,
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="every-frame, freshest, auto or auto:SECONDS; default auto for live sources, every-frame for files.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop after so many seconds.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, torch (torch on the CPU) or cuda.")] = "auto",
    runtime: Annotated[
        str, typer.Option(help="auto, torch, onnx, onnx-int8, openvino, openvino-int8 or torchscript.")
    ] = "auto",
    realtime: Annotated[
        bool,
        typer.Option("--realtime", help="Files at their own pace, like a camera.", rich_help_panel=_SOURCES),
    ] = False,
    fps: Annotated[
        float | None,
        typer.Option(
            help="Frames a second of a camera, a frame folder or raw frames.",
            rich_help_panel=_SOURCES,
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="WIDTHxHEIGHT of a camera or of raw frames.", rich_help_panel=_SOURCES, show_default=False
        ),
    ] = None,
    pixel_format: Annotated[
        str,
        typer.Option(help="Of raw frames: rgb24, bgr24, gray or yuv420p.", rich_help_panel=_SOURCES),
    ] = "rgb24",
    udp: Annotated[
        bool, typer.Option("--udp", help="RTSP over UDP in place of TCP.", rich_help_panel=_SOURCES)
    ] = False,
    give_up: Annotated[
        float | None,
        typer.Option(
            help="End a source that was away for so many seconds; default never.",
            rich_help_panel=_SOURCES,
            show_default=False,
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            help="JSON or TOML file of event rules; default the recognizer's own.",
            rich_help_panel=_EVENTS,
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="An event setting, such as enter=0.7 or cooldown=60; repeat it for more.",
            rich_help_panel=_EVENTS,
            show_default=False,
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this label makes events; repeat it for more.",
            rich_help_panel=_EVENTS,
            show_default=False,
        ),
    ] = None,
    alerts: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of mail, webhook and MQTT receivers.", rich_help_panel=_EVENTS, show_default=False
        ),
    ] = None,
    test_alerts: Annotated[
        bool,
        typer.Option("--test-alerts", help="Try the receivers and stop.", rich_help_panel=_EVENTS),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where events and clips go; default RUN/watch.", rich_help_panel=_OUTPUT, show_default=False
        ),
    ] = None,
    clips: Annotated[
        bool, typer.Option(help="Keep a clip and a thumbnail of each event.", rich_help_panel=_OUTPUT)
    ] = True,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Keep the whole annotated video, in segments.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    rows: Annotated[
        bool, typer.Option("--rows", help="Keep every row in rows.csv.", rich_help_panel=_OUTPUT)
    ] = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print rows, events and notices as JSON, a line each.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    window: Annotated[
        bool, typer.Option("--window", help="Show the pictures in a window.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Watch cameras, streams or files: probabilities live, events with clips, alerts.

    Ctrl-C, SIGTERM and the end of the sources end it cleanly. Exits with 3 when no source could be read.
    """
    if test_alerts:
        _test_alerts(alerts, out or run / "watch")
        return
    if not sources:
        raise UsageError("no source given: name a camera (0), an address or a video")
    if seconds is not None and not seconds > 0:
        raise UsageError(f"--seconds {seconds:g}: give seconds above 0")
    from kinema.streaming import Policy

    chosen = Policy.parse(policy) if policy else None
    measure = _size(size)
    changes = [*(set_ or []), *(f"labels={name}" for name in label or [])]
    from kinema.models import Recognizer
    from kinema.streaming.sinks.files import RowLog
    from kinema.streaming.watching import open_sources, run_logged, watch_engine

    recognizer = Recognizer.load(run, device=device, runtime=runtime)
    wanted = _rules(rules, recognizer.folder, changes)
    wanted.alerting(recognizer.classes)
    folder = out or _default_out(run)
    settings: dict[str, Any] = {"realtime": realtime, "udp": udp, "give_up": give_up}
    if "-" in sources:
        settings |= {"stdin_size": measure, "stdin_fps": fps, "stdin_format": pixel_format}
    else:
        settings |= {"size": measure, "fps": fps}
    recognizer.follower  # noqa: B018  before the sources, whose first pictures would wait for it
    opened = open_sources(sources, on_refusal=_warn, **settings)
    stop: list[Callable[[], None]] = []
    others = _alerts(alerts, folder)
    if rows:
        others.append(RowLog())
    display = _display(json, window, lambda: stop[0](), lambda: engine.statistics())
    engine = watch_engine(
        recognizer,
        opened,
        folder,
        policy=chosen,
        rules=wanted,
        sinks=[*others, *display],
        clips=clips,
        video=record,
    )
    stop.append(engine.stop)
    _stop_on_terminate(engine)
    run_logged(engine, folder, seconds=seconds)
    statistics = engine.statistics()
    if not json:
        _say(statistics, [source.live for source in opened], folder)
    if len(engine.failed) == len(opened):
        raise typer.Exit(3)


def _rules(path: Path | None, folder: Path | None, changes: list[str]) -> EventRules:
    from kinema.events import EventRules
    from kinema.named_values import name_and_value

    found = EventRules.read(path) if path else EventRules.of(folder)
    values: dict[str, Any] = {}
    for change in changes:
        name, value = name_and_value(change)
        if name in ("labels", "background"):
            value = [*values.get(name, []), *(value if isinstance(value, list) else str(value).split(","))]
        values[name] = value
    return found.changed(values)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise UsageError(f"--size {text}: write WIDTHxHEIGHT, such as 640x480")
    return int(width), int(height)


def _alerts(path: Path | None, folder: Path) -> list[Sink]:
    if path is None:
        return []
    from kinema.streaming.sinks import read_sinks, unclaimed

    sinks = read_sinks(path, folder)
    for line in unclaimed(folder, sinks):
        _warn(line)
    return sinks


def _test_alerts(path: Path | None, folder: Path) -> None:
    from kinema.cli.console import say, warn
    from kinema.errors import KinemaError

    if path is None:
        raise UsageError("--test-alerts: name the file of receivers with --alerts")
    failed = 0
    for sink in _alerts(path, folder):
        try:
            say(sink.check())
        except KinemaError as error:
            failed += 1
            warn(str(error))
    if failed:
        raise typer.Exit(1)


def _display(
    json: bool, window: bool, stop: Callable[[], None], snapshot: Callable[[], Statistics]
) -> list[Sink]:
    from kinema.streaming.display import JsonLines, LiveDisplay, WindowSink

    found: list[Sink] = [JsonLines(stop=stop) if json else LiveDisplay(snapshot)]
    if window:
        found.append(WindowSink(stop))
    return found


def _stop_on_terminate(engine: Engine) -> None:
    import signal

    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, lambda *_: engine.stop())


def _warn(text: str) -> None:
    from kinema.cli.console import warn

    warn(text)


def _default_out(run: Path) -> Path:
    # A run folder holds its recognizer in a folder; a bare recognizer may lie where nothing should be added.
    if (run / "recognizer.json").is_file() and run.resolve().name != "recognizer":
        return Path("watch")
    return (run.parent if (run / "recognizer.json").is_file() else run) / "watch"


def _say(statistics: Statistics, live: list[bool], folder: Path) -> None:
    from kinema.cli.console import done, say

    say(f"{statistics.engine}, policy {statistics.policy}, {statistics.seconds:.1f} s")
    for source, is_live in list(zip(statistics.sources, live, strict=True))[:_SHOWN]:
        p50, p95, p99 = source.latency
        # How long a file's pictures waited for each other says nothing.
        latency = f"latency p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f} ms; " if is_live else ""
        say(
            f"{source.name}: {source.state}; {source.seen} frames seen, {source.used} used, {source.dropped} dropped; "
            f"{latency}per picture decode {source.decode[0]:.1f}, "
            f"backbone {source.backbone[0]:.1f}, head {source.head[0]:.1f} ms"
        )
    if len(live) > _SHOWN:
        say(f"and {len(live) - _SHOWN} more in {folder / 'statistics.jsonl'}")
    done([folder / "events.jsonl", folder / "statistics.jsonl"])
