"""`kinema data import` and `describe`: any layout as a manifest, and what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinema.cli.data.app import (
    Attribute,
    Data,
    Fold,
    Format,
    Fps,
    GroupBlock,
    GroupColumn,
    GroupPattern,
    Tier,
    Videos,
    app,
    done,
    grouped,
    quoted,
    read,
    say,
)

if TYPE_CHECKING:
    from kinema.data import Manifest


@app.command("import")
def import_data(
    data: Data,
    out: Annotated[Path, typer.Option(help="The manifest to write: .csv, .tsv or .parquet.")],
    format: Format = None,
    videos: Videos = None,
    fps: Fps = None,
    fold: Fold = None,
    tier: Tier = None,
    attribute: Attribute = None,
    group_pattern: GroupPattern = None,
    group_column: GroupColumn = None,
    group_block: GroupBlock = None,
    absent: Annotated[
        Path | None,
        typer.Option(help="A table of all that is listed and absent: line of the list, path, label, why."),
    ] = None,
) -> None:
    """Read a data set in any known layout and write it as a manifest."""
    from kinema.data.readers.tables import refuse_suffix
    from kinema.data.wording import count
    from kinema.errors import UsageError

    for table in (out, absent or out):
        refuse_suffix(table)
    if absent is not None and absent.absolute() == out.absolute():
        raise UsageError(f"{absent}: --absent and --out name the same file; give each its own")
    manifest = grouped(
        read(data, format=format, videos=videos, fps=fps, fold=fold, tier=tier, attribute=attribute),
        group_pattern,
        group_column,
        group_block,
    )
    say(manifest)
    _say_absent(manifest, absent)
    clips = count(len(manifest), "clip")
    done(f"{manifest.write(out)}: {clips}", f"kinema data check {quoted(out)}")


@app.command()
def describe(
    data: Data,
    format: Format = None,
    videos: Videos = None,
    fps: Fps = None,
    fold: Fold = None,
    tier: Tier = None,
    attribute: Attribute = None,
) -> None:
    """Print what a data set holds: clips of each class and split, groups, and what will hurt."""
    manifest = read(data, format=format, videos=videos, fps=fps, fold=fold, tier=tier, attribute=attribute)
    say(manifest)
    done(None, f"kinema data check {quoted(data)}")


def _say_absent(manifest: Manifest, table: Path | None) -> None:
    """Write the whole table of what is absent where that was asked for, else tell how to get it."""
    from kinema.data.readers.tables import write_table
    from kinema.data.wording import count

    number = count(len(manifest.absent), "listed video or range", "listed videos and ranges")
    if table is not None:
        write_table(manifest.absent, table)
        typer.echo(f"\n{number} absent from the manifest: {table}")
    elif len(manifest.absent):
        typer.echo(f"\n{number} absent from the manifest; all of them: add --absent absent.csv")
