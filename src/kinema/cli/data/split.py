"""`kinema data split`: train, valid and test that share no group and no footage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinema.cli.data.app import (
    Data,
    Fold,
    Format,
    Fps,
    GroupBlock,
    GroupColumn,
    GroupPattern,
    Videos,
    Workers,
    app,
    done,
    grouped,
    quoted,
    read,
    say,
)
from kinema.cli.data.likeness import LeakReport, comparing, say_likeness

if TYPE_CHECKING:
    from kinema.data.splits import Splitting

_NAMES = "a file of names (one a line, or a table with a column video), or names with commas between"


@app.command()
def split(
    data: Data,
    out: Annotated[Path, typer.Option(help="The manifest to write; with --folds, one for each fold.")],
    fractions: Annotated[str, typer.Option(help="Shares of train, valid and test.")] = "0.7,0.15,0.15",
    seed: Annotated[int, typer.Option(help="Another seed, another split.")] = 0,
    folds: Annotated[
        str | None, typer.Option(help="A number of folds, or 'group' to hold out one group at a time.")
    ] = None,
    valid: Annotated[float, typer.Option(help="With --folds: share of the rest to validate on.")] = 0.0,
    replace: Annotated[bool, typer.Option("--replace", help="Forget the splits that the data has.")] = False,
    test_videos: Annotated[str | None, typer.Option(help=f"The test videos: {_NAMES}.")] = None,
    valid_videos: Annotated[str | None, typer.Option(help="The valid videos, likewise.")] = None,
    train_videos: Annotated[
        str | None, typer.Option(help="The train videos, likewise; without it, all others.")
    ] = None,
    split_table: Annotated[
        Path | None, typer.Option(help="A table with the columns video and split to follow.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="group; or at random, which leaks: clip, or frame (stretches of a second).")
    ] = "group",
    allow_leakage: Annotated[
        bool, typer.Option("--allow-leakage", help="Accept a split that leaks; every report will say so.")
    ] = False,
    merge_groups: Annotated[
        str | None,
        typer.Option(
            help="Decode and join into one group what shows the same footage, or places: footage and places."
        ),
    ] = None,
    check_content: Annotated[
        bool, typer.Option("--check-content", help="Decode and look for the same footage in two splits.")
    ] = False,
    leak_report: LeakReport = None,
    workers: Workers = None,
    format: Format = None,
    videos: Videos = None,
    fps: Fps = None,
    fold: Fold = None,
    group_pattern: GroupPattern = None,
    group_column: GroupColumn = None,
    group_block: GroupBlock = None,
) -> None:
    """Split by group, classes in proportion: no subject or source video is in two splits.

    Exits with 3 and writes nothing when --check-content finds leaks, unless --allow-leakage accepts them.
    """
    from kinema.data.splits import SplitSettings, make_splits, parse_fractions
    from kinema.errors import UsageError

    lists = {"train": train_videos, "valid": valid_videos, "test": test_videos}
    settings = SplitSettings(
        fractions=parse_fractions(fractions),
        seed=seed,
        replace=replace,
        folds=int(folds) if folds is not None and folds.isdecimal() else folds,
        valid=valid,
        lists={name: names for name, names in lists.items() if names is not None},
        table=split_table,
        by=by,
        merge=merge_groups,
        check_content=check_content,
        allow_leakage=allow_leakage,
    )
    if leak_report is not None and not (check_content or merge_groups):
        raise UsageError("--leak-report shows what --check-content or --merge-groups finds; add one of them")
    manifest = read(data, format=format, videos=videos, fps=fps, fold=fold)
    manifest = grouped(manifest, group_pattern, group_column, group_block)
    with comparing() as progress:
        made = make_splits(manifest, settings, workers=workers, progress=progress)
    if made.likeness is not None:
        say_likeness(made.likeness, leak_report)
    if made.refused:
        again = " --replace" if manifest.splits else ""
        done(None, f"kinema data split {quoted(data)}{again} --merge-groups footage --out {quoted(out)}")
        raise typer.Exit(3)
    _write(made, out)


def _write(made: Splitting, out: Path) -> None:
    first, paths = made.manifests[0], made.write(out)
    if len(paths) == 1:
        say(first)
        following = "train" if first.classes else "data describe"
        done(f"{paths[0]}: {len(first):,} clips", f"kinema {following} {quoted(paths[0])}")
        return
    for note in first.notes[:-1]:
        typer.echo(note)
    for one, path in zip(made.manifests, paths, strict=True):
        typer.echo(f"{path}: {one.notes[-1]}")
    done(None, f"kinema train {quoted(paths[0])}")
