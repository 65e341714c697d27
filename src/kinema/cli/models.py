"""`kinema models`: what there is to train, what it costs, and which settings it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def models(
    name: Annotated[
        str | None, typer.Argument(help="A model, to read what it is and which settings it takes.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(help="Put the table into this page of Markdown, between its two marks.", metavar="PAGE"),
    ] = None,
) -> None:
    """List the models with their parameters and GFLOPs beside the published figures."""
    from kinema.errors import UsageError

    if name and write:
        raise UsageError(f"--write {write}: writes the table of all models; leave out {name}")
    if name:
        _describe(name)
    else:
        _table(write)


def _describe(name: str) -> None:
    from dataclasses import asdict

    from kinema.cli.console import done, say
    from kinema.models import model_entry

    entry = model_entry(name)
    say(entry.description)
    for title, values in (("clip", asdict(entry.spec)), ("settings", entry.settings)):
        say(f"\n{title}: {' '.join(f'{key}={value}' for key, value in values.items())}")
    done([], [f"kinema train DATA --model {name} --set NAME=VALUE"])


def _table(page: Path | None) -> None:
    from rich.table import Table

    from kinema.cli.console import console, done, progress_bar, say
    from kinema.models import model_names
    from kinema.models.catalogue import COLUMNS, CONVENTION, around_table, markdown, row, write_table
    from kinema.models.cost import model_cost

    if page:
        around_table(page)  # before the counting, not after it
    names = model_names()
    with progress_bar() as bar:
        task = bar.add_task("counting", total=len(names))
        costs = []
        for name in names:
            costs.append(model_cost(name))
            bar.advance(task)
    if page:
        write_table(page, markdown(costs))
        done([page], ["kinema models NAME"])
        return
    shown = Table(*COLUMNS, box=None, pad_edge=False)
    for cost in costs:
        shown.add_row(*row(cost))
    console.print(shown)
    say(f"\n{CONVENTION}")
    done([], ["kinema models NAME"])
