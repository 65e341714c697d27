"""`kinema data check`: decode every clip and list the bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinema.cli.data.app import (
    Data,
    Fold,
    Fps,
    MinFrames,
    MinSeconds,
    Workers,
    app,
    done,
    quoted,
    read,
)
from kinema.cli.data.likeness import LeakReport, comparing, say_likeness


@app.command()
def check(
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Write a manifest without the bad clips.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the outcome of every clip as a table.")] = None,
    workers: Workers = None,
    min_seconds: MinSeconds = 0.2,
    min_frames: MinFrames = 4,
    leaks: Annotated[
        bool, typer.Option("--leaks", help="Look for the same footage in two splits (or groups) as well.")
    ] = False,
    leak_report: LeakReport = None,
    allow_leakage: Annotated[
        bool, typer.Option("--allow-leakage", help="With --leaks: do not exit with 3 for leaks.")
    ] = False,
    fps: Fps = None,
    fold: Fold = None,
) -> None:
    """Decode every clip; list the unreadable, truncated, empty, duplicate and too short ones.

    Exits with 3 when clips are bad, unless --out writes the manifest without them, and when --leaks finds the same
    footage in two splits, unless --allow-leakage accepts it.
    """
    from kinema.data import check as check_videos
    from kinema.data import near_duplicates
    from kinema.data.readers.tables import write_table

    manifest = read(data, fps=fps, fold=fold)
    with comparing() as progress:
        found = check_videos(
            manifest,
            workers=workers,
            min_seconds=min_seconds,
            min_frames=min_frames,
            progress=lambda made, total: progress("decoding", made, total),
        )
    for note in manifest.notes:
        typer.echo(note)
    typer.echo(found.text())
    if report:
        write_table(found.table(), report)
        typer.echo(f"every clip: {report}")
    divided, merge = 0, ""
    if leaks or leak_report:
        with comparing() as progress:
            alike = near_duplicates(
                found.clean() if found.bad else manifest, workers=workers, progress=progress
            )
        say_likeness(alike, leak_report)
        divided = 0 if allow_leakage else len(alike.leaks())
        merge = " --merge-groups footage" if alike.pairs else ""
    if out:
        clean = found.clean()
        done(f"{clean.write(out)}: {len(clean):,} clips", f"kinema data split {quoted(out)} --out split.csv")
    elif found.bad:
        done(None, f"kinema data check {quoted(data)} --out clean.csv")
        raise typer.Exit(3)
    elif not divided:
        done(None, f"kinema data split {quoted(data)}{merge} --out split.csv")
    if divided:
        done(None, f"kinema data split {quoted(data)} --replace --merge-groups footage --out split.csv")
        raise typer.Exit(3)
