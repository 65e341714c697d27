"""What is shown while files travel: a bar for each, with bytes, rate and time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kinema.cli.console import error_console

Show = Callable[[int, int, str], None]  # bytes so far, bytes in all (0: unknown), what it is


@contextmanager
def transfers() -> Iterator[tuple[Show, Callable[[str], None]]]:
    """Yield a function that moves the bar of a file, and one that prints a line above the bars.

    They are shown on stderr; where that is no terminal, only the lines are.
    """
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=error_console, transient=True, disable=not error_console.is_terminal
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def show(count: int, total: int, name: str) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total or None)
            bar.update(tasks[name], completed=count, total=total or None)
            if count == total:
                bar.update(tasks[name], visible=False)

        yield show, lambda text: error_console.print(text, markup=False)
