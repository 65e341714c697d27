"""`kinema data explore`: a data set on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinema.cli.data.app import (
    Data,
    Fold,
    Format,
    Fps,
    GroupBlock,
    GroupColumn,
    GroupPattern,
    MinFrames,
    MinSeconds,
    Videos,
    Workers,
    app,
    done,
    grouped,
    quoted,
    read,
)
from kinema.cli.data.likeness import comparing


@app.command()
def explore(
    data: Data,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("explore.html"),
    per_class: Annotated[
        int | None, typer.Option(min=1, help="Clips of each class on the contact sheets (400 clips in all).")
    ] = None,
    most: Annotated[
        int | None, typer.Option(min=1, help="Look at no more clips, evenly chosen from each class (all).")
    ] = None,
    previews: Annotated[
        bool, typer.Option("--previews/--no-previews", help="Small H.264 videos that a click plays.")
    ] = True,
    page_mb: Annotated[
        float, typer.Option(min=0, help="Previews beyond so many MB go into a folder beside the page.")
    ] = 25.0,
    min_seconds: MinSeconds = 0.2,
    min_frames: MinFrames = 4,
    table: Annotated[
        Path | None, typer.Option(help="Write what was seen of every clip as .csv, .tsv or .parquet.")
    ] = None,
    workers: Workers = None,
    format: Format = None,
    videos: Videos = None,
    fps: Fps = None,
    fold: Fold = None,
    group_pattern: GroupPattern = None,
    group_column: GroupColumn = None,
    group_block: GroupBlock = None,
) -> None:
    """Show a data set on one page: the odd clips first, charts, and every class as pictures that play."""
    from kinema.data.explore import explore as explore_data

    manifest = grouped(
        read(data, format=format, videos=videos, fps=fps, fold=fold), group_pattern, group_column, group_block
    )
    with comparing() as progress:
        found = explore_data(
            manifest,
            out,
            per_class=per_class,
            previews=previews,
            most=most,
            page_bytes=round(page_mb * 1e6),
            min_seconds=min_seconds,
            min_frames=min_frames,
            workers=workers,
            progress=progress,
        )
    for note in manifest.notes:
        typer.echo(note)
    typer.echo(found.text())
    if table:
        from kinema.data.readers.tables import write_table

        write_table(found.table(), table)
        typer.echo(f"every clip: {table}")
    done(
        f"{out}: {found.page.size / 1e6:.1f} MB, {found.page.inside} previews",
        f"open {quoted(out)} in a browser; then kinema data check {quoted(data)}",
    )
