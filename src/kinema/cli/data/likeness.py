"""What `kinema data split` and `check` share: the search for near-duplicates as people see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import TaskID

    from kinema.data.likeness import LikenessReport

LeakReport = Annotated[
    Path | None, typer.Option(help="Write the near-duplicates found as a page with pictures (.html).")
]


@contextmanager
def comparing() -> Iterator[Callable[[str, int, int], None]]:
    """Yield what `near_duplicates` and `explore` tell of their progress: a bar on stderr for each stage."""
    from kinema.cli.console import progress_bar

    with progress_bar() as bar:
        stages: dict[str, TaskID] = {}

        def progress(stage: str, made: int, total: int) -> None:
            task = stages.get(stage)
            if task is None:
                task = stages[stage] = bar.add_task(stage, total=total)
            bar.update(task, completed=made, total=total)

        yield progress


def say_likeness(found: LikenessReport, page: Path | None) -> None:
    """Print what was found; write it as a page with pictures too, where that was asked for."""
    from kinema.data.likeness import write_leak_page

    typer.echo(found.text())
    if page is not None:
        typer.echo(f"near-duplicates in pictures: {write_leak_page(page, found)}")
