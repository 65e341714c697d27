"""What the verbs of `kinema data` share: the command, options that several take, how they read and how they end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kinema.data import Manifest

app = typer.Typer(no_args_is_help=True, help="Read, check, describe and split labelled video.")

Data = Annotated[Path, typer.Argument(help="A manifest, or a folder: a folder for each class is enough.")]
Fps = Annotated[float | None, typer.Option(help="labels.csv: frames a second of the frame folders (25).")]
Fold = Annotated[int | None, typer.Option(help="UCF101, HMDB51: which of the three official splits (1).")]
Format = Annotated[str | None, typer.Option(help="Read as this format in place of recognising it.")]
Videos = Annotated[Path | None, typer.Option(help="The folder of the videos, where a list lies elsewhere.")]
Tier = Annotated[str | None, typer.Option(help="ELAN: the tier to read (all).")]
Attribute = Annotated[str | None, typer.Option(help="VIA, CVAT: the attribute that is the label.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Videos read at a time (one a core).")]
MinSeconds = Annotated[float, typer.Option(min=0, help="Clips of less time are too short.")]
MinFrames = Annotated[int, typer.Option(min=1, help="Clips of fewer frames are too short.")]
GroupPattern = Annotated[
    str | None, typer.Option(help="A regular expression; what its first group finds in a path is the group.")
]
GroupColumn = Annotated[str | None, typer.Option(help="The column of a manifest that holds the group.")]
GroupBlock = Annotated[
    int | None, typer.Option(help="Group so many neighbours in the numbering of the names.")
]


def read(data: Path, **options: Any) -> Manifest:
    """Read a data set; options that are None are not passed on."""
    from kinema.data import read_data

    return read_data(data, **{name: value for name, value in options.items() if value is not None})


def grouped(manifest: Manifest, pattern: str | None, column: str | None, block: int | None) -> Manifest:
    """Return the manifest with the groups the user asked for."""
    from kinema.data import assign_groups

    if pattern is None and column is None and block is None:
        return manifest
    # What the reader guessed is not what the user now says.
    notes = [note for note in manifest.notes if not note.startswith("groups:")]
    return assign_groups(manifest.replace(manifest.table, notes), pattern=pattern, column=column, block=block)


def say(manifest: Manifest) -> None:
    """Print what was found."""
    for note in manifest.notes:
        typer.echo(note)
    typer.echo("")
    typer.echo(manifest.describe())


def done(result: str | None, following: str) -> None:
    """Print what was written, and what to type next."""
    typer.echo("")
    if result:
        typer.echo(f"wrote {result}")
    typer.echo(f"next: {following}")


def quoted(path: Path) -> str:
    """Return a path as the shell takes it."""
    import shlex

    return shlex.quote(str(path))
