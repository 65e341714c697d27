"""What the verbs of `kinema mine` share: the command, options that several take, and how they show what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help="From action names to reviewed clips.")
"""`kinema mine …`: from action names to images, an image classifier, candidate clips and reviewed clips; one file a verb."""

_ASKED = "What is asked"

Actions = Annotated[
    list[str],
    typer.Option(help="Names with commas between, or a file with a name a line.", show_default=False),
]
Queries = Annotated[
    list[str] | None,
    typer.Option(
        "--query",
        help="What to ask, NAME for the name: 'NAME person'; repeatable.",
        rich_help_panel=_ASKED,
        show_default=False,
    ),
]
Translations = Annotated[
    Path | None,
    typer.Option(
        help="A CSV of name,translation that are asked too.", rich_help_panel=_ASKED, show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@contextmanager
def counting(total: int) -> Iterator[Callable[[int, int, str], None]]:
    """Show a progress bar for the block; what it yields is told how many there are, of how many, and what was last."""
    from kinema.cli.console import progress_bar

    with progress_bar() as bar:
        task = bar.add_task("", total=total)
        yield lambda kept, wanted, text: bar.update(task, completed=kept, total=wanted, description=text[:60])


def say_json(result: Mapping[str, Any]) -> None:
    """Print a result for programs."""
    import json

    typer.echo(json.dumps(result, indent=2, ensure_ascii=False))


def say_counts(counts: Mapping[str, int], wanted: int, total: str, left_out: Mapping[str, int]) -> None:
    """Print how many of each action were found, a line for all, and how many were left out for which reason."""
    from kinema.cli.console import say

    for label, count in counts.items():
        say(f"{label}: {count}" + (f" of {wanted}" if count < wanted else ""))
    left = ", ".join(f"{count} {why}" for why, count in left_out.items())
    say(total + (f"; left out: {left}" if left else ""))
