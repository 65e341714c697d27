"""The live view as text in a terminal: a panel a source, or a line each where there are many."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kinema.events import Event
from kinema.streaming.display.pulse import Pulse
from kinema.streaming.display.wording import clock, latency_of, milliseconds, printable, short_names
from kinema.streaming.rows import Row
from kinema.streaming.statistics import SourceStats, Statistics

_PANEL_WIDTH = 58  # columns that a panel needs to say all
_NARROW = 50  # columns, below which a line of a source leaves the latency out
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_STATES = {"running": "green", "lost": "bold red", "failed": "bold red", "ended": "dim", "starting": "yellow"}


class Screen:
    """Draws what a `Pulse` has taken and the engine's `Statistics` into the size of a terminal.

    `classes`: of the recognizer; `top`: how many of them have a bar.
    """

    def __init__(self, classes: Sequence[str], pulse: Pulse, *, top: int = 3) -> None:
        self._classes = [printable(name) for name in classes]
        self._pulse = pulse
        self._top = min(top, len(self._classes))

    def draw(self, statistics: Statistics, options: ConsoleOptions) -> RenderableType:
        """Return the view of this moment; it is never higher than the terminal."""
        width, height = options.max_width, max(4, (options.height or options.size.height) - 1)
        rows, dropped = self._pulse.rows(), self._pulse.dropped(statistics)
        foot: list[RenderableType] = [
            *self._event_lines(width, len(statistics.sources) > 1),
            *self._notice_lines(),
            _line(f"policy {statistics.policy} · {statistics.engine} · Ctrl-C stops", "dim"),
        ]
        columns = max(1, min(width // _PANEL_WIDTH, len(statistics.sources)))
        needed = -(-len(statistics.sources) // columns) * (self._top + 6)
        wide = width // columns
        if needed + len(foot) <= height or (needed + 1 <= height and len(statistics.sources) == 1):
            head: list[RenderableType] = [
                self._panels(statistics.sources, rows, dropped, columns, wide, options.ascii_only)
            ]
        else:
            needed = len(statistics.sources) + 1
            foot = foot[-max(1, height - needed) :]
            head = self._table(statistics.sources, rows, dropped, height - len(foot), width)
        used = needed if needed < height else height - 1
        return Group(*head, *foot[-max(1, height - used) :])

    def _panels(
        self,
        sources: Sequence[SourceStats],
        rows: dict[int, Row],
        dropped: list[float],
        columns: int,
        width: int,
        ascii_only: bool,
    ) -> RenderableType:
        panels = [
            self._panel(source, rows.get(index), lost, width, ascii_only)
            for index, (source, lost) in enumerate(zip(sources, dropped, strict=True))
        ]
        grid = Table.grid()
        for _ in range(columns):
            grid.add_column(width=width)
        for line in zip_longest(*[iter(panels)] * columns, fillvalue=""):
            grid.add_row(*line)
        return grid

    def _panel(
        self, source: SourceStats, row: Row | None, lost: float, width: int, ascii_only: bool
    ) -> RenderableType:
        inner = width - 4
        # What was said last of a source that is away is old.
        old = "dim" if source.state in ("lost", "failed", "ended") else ""
        lines = [self._label(row, self._going_on(source.name))]
        order = [] if row is None else row.smoothed.argsort(kind="stable")[::-1][: self._top].tolist()
        for place in range(self._top):
            lines.append(self._bar(row, order[place] if row is not None else None, place, inner, ascii_only))
        p50, p95, _ = latency_of(source)
        lines.append(
            _line(
                f"frames/s  {source.fps_in:.1f} seen  {source.fps_used:.1f} used  {lost:.1f} dropped ({source.dropped})"
            )
        )
        lines.append(_line(f"latency   p50 {milliseconds(p50)} ms  p95 {milliseconds(p95)} ms"))
        parts = (("decode", source.decode), ("backbone", source.backbone), ("head", source.head))
        times = "  ".join(f"{name} {milliseconds(spread[0])}" for name, spread in parts)
        lines.append(_line(f"{times} ms (p50)"))
        title = Text(_shortened(printable(source.name), inner - len(source.state) - 6), style="bold")
        state = Text(source.state, style=_STATES.get(source.state, ""))
        return Panel(
            Group(*lines),
            style=old,
            box=box.ASCII if ascii_only else box.ROUNDED,
            title=Text.assemble(title, " · ", state),
            title_align="left",
            border_style="red" if self._going_on(source.name) else "dim",
            width=width,
        )

    def _going_on(self, name: str) -> list[Event]:
        return [event for event in self._pulse.events() if event.source == name and not event.ended]

    def _label(self, row: Row | None, going_on: list[Event]) -> Text:
        if row is None:
            return _line("no result yet", "dim")
        name = self._classes[row.best] if row.known else "unknown" if row.full else "window not full yet"
        events = ", ".join(
            f"{event.label} for {max(0.0, row.time - event.start):.1f} s" for event in going_on
        )
        text = _line(name, "bold" if row.known else "dim")
        return text.append(f"   EVENT {printable(events)}", "bold red") if going_on else text

    def _bar(self, row: Row | None, k: int | None, place: int, width: int, ascii_only: bool) -> Text:
        if row is None or k is None:
            return Text("")
        names = max(4, min(width // 3, max(cell_len(name) for name in self._classes)))
        value = min(1.0, max(0.0, float(row.smoothed[k])))
        name = _shortened(self._classes[k], names)
        length = max(4, width - names - 7)
        return Text.assemble(
            name + " " * (names - cell_len(name) + 1),
            (_bar_text(value, length, ascii_only), "cyan" if place == 0 else "blue"),
            f"{value * 100:4.0f} %",
        )

    def _table(
        self,
        sources: Sequence[SourceStats],
        rows: dict[int, Row],
        dropped: list[float],
        height: int,
        width: int,
    ) -> list[RenderableType]:
        shown = len(sources) if len(sources) < height else max(1, height - 2)
        # Where not all fit, those first at which something happens.
        order = list(range(len(sources)))
        if shown < len(sources):
            order.sort(key=lambda k: (not self._going_on(sources[k].name), sources[k].state == "running"))
        table = Table(box=None, padding=(0, 1, 0, 0), width=width, header_style="dim")
        table.add_column("source", ratio=3, no_wrap=True)
        table.add_column("now", ratio=4, no_wrap=True, overflow="ellipsis")
        table.add_column("seen/used/lost /s", justify="right", no_wrap=True)
        if width >= _NARROW:
            table.add_column("p50/p95 ms", justify="right", no_wrap=True)
        names = short_names([source.name for source in sources])
        for index in order[:shown]:
            source, row, lost = sources[index], rows.get(index), dropped[index]
            p50, p95, _ = latency_of(source)
            cells: list[RenderableType] = [
                _Middle(printable(names[index])),
                self._now(source, row),
                f"{source.fps_in:.0f}/{source.fps_used:.1f}/{lost:.1f}",
                f"{milliseconds(p50)}/{milliseconds(p95)}",
            ]
            table.add_row(*cells[: len(table.columns)])
        rest = len(sources) - shown
        return [table, _line(f"and {rest} more sources", "dim")] if rest else [table]

    def _now(self, source: SourceStats, row: Row | None) -> Text:
        if going_on := self._going_on(source.name):
            return Text(printable(f"EVENT {going_on[-1].label}"), style="bold red")
        if source.state != "running" or row is None:
            return Text(source.state, style=_STATES.get(source.state, ""))
        best = f"{row.smoothed[row.best] * 100:3.0f} %"
        return Text(f"{best} {self._classes[row.best] if row.known else 'unknown'}")

    def _event_lines(self, width: int, several: bool) -> list[Text]:
        lines = []
        for event in self._pulse.events():
            how = f"{event.seconds:.1f} s" if event.ended else "goes on"
            where = f"  {event.source}" if several else ""
            silenced = "" if event.alert else "  silenced"
            text = f"{clock(event)}  {event.label}  {event.peak * 100:.0f} %  {how}{silenced}{where}"
            lines.append(_line(text, "" if event.ended else "bold red"))
        return lines

    def _notice_lines(self) -> list[Text]:
        return [_line(notice.text, "yellow") for notice in self._pulse.notices()]


def _line(text: str, style: str = "") -> Text:
    return Text(_spaced(text), style=style, no_wrap=True, overflow="ellipsis")


def _spaced(text: str) -> str:
    """Return a line as `printable` does, with its columns kept apart."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


class _Middle:
    """A name that loses its middle where it is too long: those of cameras often begin alike."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        text = self._text
        if cell_len(text) > width:
            tail = max(1, (width - 1) // 2)
            text = f"{text[: max(0, width - 1 - tail)]}…{text[-tail:]}"
        yield Text(text, no_wrap=True, overflow="ellipsis")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(8, cell_len(self._text)), cell_len(self._text))


def _shortened(text: str, width: int) -> str:
    line = Text(text)
    line.truncate(max(1, width), overflow="ellipsis")
    return line.plain


def _bar_text(value: float, length: int, ascii_only: bool) -> str:
    if ascii_only:
        return ("#" * round(value * length)).ljust(length, ".")
    eighths = round(value * length * 8)
    text = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    return text.ljust(length)
