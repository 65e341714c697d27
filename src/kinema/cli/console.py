"""What all verbs print with: results on stdout; progress and warnings on stderr."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress

# Lines are never wrapped: a path that was cut in two cannot be copied.
console = Console(soft_wrap=True, highlight=False)
error_console = Console(stderr=True, soft_wrap=True, highlight=False)


def progress_bar(*, count: bool = True) -> Progress:
    """Return a progress bar with the time left, on stderr; where that is no terminal, nothing is shown.

    `count=False` leaves out "3/10", for work that is not counted in whole things.

    >>> with progress_bar() as bar:
    ...     task = bar.add_task("reading", total=10)
    ...     bar.update(task, completed=4)
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    numbers = [MofNCompleteColumn()] if count else [TextColumn("{task.percentage:>3.0f} %")]
    return Progress(
        SpinnerColumn(),
        # A description is text: a file may be called "[bold].mp4".
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *numbers,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=error_console,
        transient=True,
        disable=not error_console.is_terminal,
    )


def say(text: str) -> None:
    """Print a line on stdout as it is, square brackets and all."""
    console.print(text, markup=False)


def warn(text: str) -> None:
    """Print one line of warning on stderr."""
    error_console.print(f"kinema: warning: {' '.join(text.split())}", markup=False)


def done(paths: Sequence[str | os.PathLike[str]], next_commands: Sequence[str] = ()) -> None:
    """Print the end of every verb: where the results are, and what to run next."""
    if paths:
        console.print("\n[bold]Results[/bold]")
        for path in paths:
            say(f"  {os.fspath(path)}")
    if next_commands:
        console.print("[bold]Next[/bold]")
        for command in next_commands:
            say(f"  {command}")


def quoted(path: str | os.PathLike[str]) -> str:
    """Return a path as a shell takes it."""
    return shlex.quote(os.fspath(path))
