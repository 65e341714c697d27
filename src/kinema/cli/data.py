"""`kinema data …`: read any data set as a manifest, look at it, check it, split it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kinema.data import Manifest

app = typer.Typer(no_args_is_help=True, help="Read, check, describe and split labelled video.")

Data = Annotated[Path, typer.Argument(help="A manifest, or a folder: a folder for each class is enough.")]
Fps = Annotated[float | None, typer.Option(help="labels.csv: frames a second of the frame folders (25).")]
Fold = Annotated[int | None, typer.Option(help="UCF101: which of its three official splits (1).")]
GroupPattern = Annotated[
    str | None, typer.Option(help="A regular expression; what its first group finds in a path is the group.")
]
GroupColumn = Annotated[str | None, typer.Option(help="The column of a manifest that holds the group.")]
GroupBlock = Annotated[
    int | None, typer.Option(help="Group so many neighbours in the numbering of the names.")
]


@app.command("import")
def import_data(
    data: Data,
    out: Annotated[Path, typer.Option(help="The manifest to write: .csv, .tsv or .parquet.")],
    fps: Fps = None,
    fold: Fold = None,
    group_pattern: GroupPattern = None,
    group_column: GroupColumn = None,
    group_block: GroupBlock = None,
) -> None:
    """Read a data set in any known layout and write it as a manifest."""
    manifest = _grouped(_read(data, fps=fps, fold=fold), group_pattern, group_column, group_block)
    _say(manifest)
    _done(f"{manifest.write(out)}: {len(manifest):,} clips", f"kinema data check {_quoted(out)}")


@app.command()
def describe(data: Data, fps: Fps = None, fold: Fold = None) -> None:
    """Print what a data set holds: clips of each class and split, groups, and what will hurt."""
    manifest = _read(data, fps=fps, fold=fold)
    _say(manifest)
    _done(None, f"kinema data check {_quoted(data)}")


@app.command()
def check(
    data: Data,
    out: Annotated[Path | None, typer.Option(help="Write a manifest without the bad clips.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the outcome of every clip as a table.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Videos decoded at a time (one a core).")] = None,
    min_seconds: Annotated[float, typer.Option(min=0, help="Shorter clips are bad.")] = 0.2,
    min_frames: Annotated[int, typer.Option(min=1, help="Clips of fewer frames are bad.")] = 4,
    fps: Fps = None,
    fold: Fold = None,
) -> None:
    """Decode every clip; list the unreadable, truncated, empty, duplicate and too short ones.

    Exits with 3 when clips are bad, unless --out writes the manifest without them.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from kinema.data import check as check_videos

    manifest = _read(data, fps=fps, fold=fold)
    columns = (TextColumn("decoding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("decoding", total=None)
        found = check_videos(
            manifest,
            workers=workers,
            min_seconds=min_seconds,
            min_frames=min_frames,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for note in manifest.notes:
        typer.echo(note)
    typer.echo(found.text())
    from kinema.data.readers.tables import write_table

    if report:
        write_table(found.table(), report)
        typer.echo(f"every clip: {report}")
    if out:
        clean = found.clean()
        _done(
            f"{clean.write(out)}: {len(clean):,} clips", f"kinema data split {_quoted(out)} --out split.csv"
        )
    elif found.bad:
        _done(None, f"kinema data check {_quoted(data)} --out clean.csv")
        raise typer.Exit(3)
    else:
        _done(None, f"kinema data split {_quoted(data)} --out split.csv")


@app.command()
def split(
    data: Data,
    out: Annotated[Path, typer.Option(help="The manifest to write; with --folds, one for each fold.")],
    fractions: Annotated[str, typer.Option(help="Shares of train, valid and test.")] = "0.7,0.15,0.15",
    seed: Annotated[int, typer.Option()] = 0,
    folds: Annotated[
        str | None, typer.Option(help="A number of folds, or 'group' to hold out one group at a time.")
    ] = None,
    valid: Annotated[float, typer.Option(help="With --folds: share of the rest to validate on.")] = 0.0,
    replace: Annotated[bool, typer.Option("--replace", help="Forget the splits that the data has.")] = False,
    fps: Fps = None,
    fold: Fold = None,
    group_pattern: GroupPattern = None,
    group_column: GroupColumn = None,
    group_block: GroupBlock = None,
) -> None:
    """Split by group, classes in proportion: no subject or source video is in two splits."""
    from kinema.data import folds as make_folds
    from kinema.data import split_by_group

    manifest = _grouped(_read(data, fps=fps, fold=fold), group_pattern, group_column, group_block)
    if folds is None:
        manifest = split_by_group(manifest, _fractions(fractions), seed, replace=replace)
        _say(manifest)
        _done(f"{manifest.write(out)}: {len(manifest):,} clips", f"kinema train {_quoted(out)}")
        return
    made = make_folds(manifest, int(folds) if folds.isdecimal() else folds, seed, valid=valid)
    digits = len(str(len(made)))
    paths = [out.with_name(f"{out.stem}-fold{n:0{digits}}{out.suffix}") for n in range(1, len(made) + 1)]
    for note in manifest.notes:
        typer.echo(note)
    for one, path in zip(made, paths, strict=True):
        one.write(path)
        typer.echo(f"{path}: {one.notes[-1]}")
    _done(None, f"kinema train {_quoted(paths[0])}")


def _read(data: Path, **options: Any) -> Manifest:
    from kinema.data import read_data

    return read_data(data, **{name: value for name, value in options.items() if value is not None})


def _grouped(manifest: Manifest, pattern: str | None, column: str | None, block: int | None) -> Manifest:
    from kinema.data import assign_groups

    if pattern is None and column is None and block is None:
        return manifest
    # What the reader guessed is not what the user now says.
    notes = [note for note in manifest.notes if not note.startswith("groups:")]
    return assign_groups(manifest.replace(manifest.table, notes), pattern=pattern, column=column, block=block)


def _fractions(text: str) -> dict[str, float]:
    from kinema.errors import UsageError

    try:
        train, valid, test = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--fractions {text}: give three numbers for train,valid,test: 0.7,0.15,0.15"
        ) from error
    return {"train": train, "valid": valid, "test": test}


def _say(manifest: Manifest) -> None:
    for note in manifest.notes:
        typer.echo(note)
    typer.echo("")
    typer.echo(manifest.describe())


def _done(result: str | None, following: str) -> None:
    typer.echo("")
    if result:
        typer.echo(f"wrote {result}")
    typer.echo(f"next: {following}")


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
