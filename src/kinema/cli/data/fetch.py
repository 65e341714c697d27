"""`kinema data fetch`: published data sets, downloaded whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinema.cli.data.app import app, done, quoted
from kinema.cli.data.retyping import given, retyped
from kinema.cli.data.transfers import Show, transfers

if TYPE_CHECKING:
    from kinema.data.fetch import DataSet, Fetched

_KINETICS, _STORES = "Kinetics", "object stores"


@app.command()
def fetch(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="A data set of the table, or s3://BUCKET/PREFIX; none: the table.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder to fill (./NAME).")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Only what failed before.")] = False,
    connections: Annotated[int, typer.Option(min=1, max=32, help="Downloads side by side.")] = 4,
    show: Annotated[bool, typer.Option("--list", help="Print what there is, and download nothing.")] = False,
    keep_archives: Annotated[
        bool, typer.Option("--keep-archives", help="Leave the archives beside what was in them.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to size and terms unasked.")] = False,
    classes: Annotated[
        list[str] | None,
        typer.Option(help="Classes to fetch, separated by commas.", rich_help_panel=_KINETICS),
    ] = None,
    per_class: Annotated[
        int | None, typer.Option(min=1, help="At most so many clips a class.", rich_help_panel=_KINETICS)
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Only train, valid or test.", rich_help_panel=_KINETICS)
    ] = None,
    seed: Annotated[int, typer.Option(help="Which clips --per-class takes.", rich_help_panel=_KINETICS)] = 0,
    lists: Annotated[
        Path | None,
        typer.Option(help="A CSV, or a folder of them, in place of the official.", rich_help_panel=_KINETICS),
    ] = None,
    short_side: Annotated[
        int, typer.Option(min=16, help="Pixels of a clip's shorter side, at most.", rich_help_panel=_KINETICS)
    ] = 360,
    endpoint_url: Annotated[
        str | None,
        typer.Option(
            help="Address of an S3 service that is not Amazon's (AWS_ENDPOINT_URL).",
            rich_help_panel=_STORES,
        ),
    ] = None,
) -> None:
    """Download a published data set, check and unpack it; run it again to go on where it stopped."""
    from kinema.data.fetch import describing, find

    if name is None:
        typer.echo(describing.table())
        done(None, "kinema data fetch NAME --list")
        return
    if "://" in name:
        _refuse(context, f"{name} is in an object store", panels=[_KINETICS])
        _refuse(
            context, f"{name} is in an object store", names=["show", "retry_failed", "keep_archives", "yes"]
        )
        _end(name, "file", _stored(name, out, connections, endpoint_url), retyped(context))
        return
    data_set = find(name)
    folder = out or Path(data_set.name)
    again = retyped(context, without=["show", "retry_failed"], name=data_set.name, out=folder)
    if show:
        typer.echo(describing.details(data_set))
        done(None, again if data_set.how != "page" else "kinema data import FOLDER --out manifest.csv")
        return
    if data_set.how == "clips":
        _refuse(context, f"{data_set.name} comes clip by clip", panels=[_STORES], names=["keep_archives"])
        typer.echo(f"{data_set.name}: {data_set.what}\nterms: {data_set.terms}", err=True)
        from kinema.data.fetch.kinetics import fetch_kinetics

        with _counts() as count:
            fetched = fetch_kinetics(
                data_set.name,
                folder,
                classes=_split(classes),
                per_class=per_class,
                split=split,
                seed=seed,
                connections=connections,
                retry_failed=retry_failed,
                lists=lists,
                short_side=short_side,
                progress=count,
            )
        _end(data_set.name, "clip", fetched, again, retry=" --retry-failed")
        return
    if data_set.how == "files":
        _refuse(context, f"{data_set.name} comes whole", panels=[_KINETICS, _STORES])
        _agree(data_set, folder, yes)
    from kinema.data.fetch import fetch_data_set

    with transfers() as (transfer, say):
        fetched = fetch_data_set(
            data_set,
            folder,
            connections=connections,
            retry_failed=retry_failed,
            keep_archives=keep_archives,
            progress=transfer,
            say=say,
        )
    _end(data_set.name, "file", fetched, again, retry=" --retry-failed")


def _stored(url: str, out: Path | None, connections: int, endpoint: str | None) -> Fetched:
    from kinema.data.stores import fetch_store

    with transfers() as (transfer, _):
        return fetch_store(
            url,
            out or Path(url.rstrip("/").rpartition("/")[2] or "data"),
            connections=connections,
            progress=lambda count, total: transfer(count, total, url),
            endpoint=endpoint,
        )


def _end(name: str, what: str, fetched: Fetched, command: str, retry: str = "") -> None:
    """Print the outcome; exit with 1 when it is not what was asked for."""
    from kinema.data.wording import count
    from kinema.errors import KinemaError

    typer.echo(
        f"{name}: {count(fetched.done, what)} fetched, {fetched.present:,} there before, {fetched.failed:,} failed"
    )
    if what == "clip" and fetched.in_vain:
        raise KinemaError(
            f"{name}: no clip could be had; {fetched.failures} says why of each; again: {command}{retry}"
        )
    if what == "clip" and fetched.failed:  # some are always gone from the site
        typer.echo(f"what failed, and why: {fetched.failures}; again: {command}{retry}")
    elif fetched.failed:
        done(str(fetched.failures or fetched.folder), f"{command}{retry}")
        raise typer.Exit(1)
    if fetched.manifest:
        done(str(fetched.manifest), f"kinema data check {quoted(fetched.manifest)}")
    else:
        manifest = fetched.folder / "manifest.csv"
        done(str(fetched.folder), f"kinema data import {quoted(fetched.folder)} --out {quoted(manifest)}")


def _agree(data_set: DataSet, folder: Path, yes: bool) -> None:
    """Have the user agree to the size and the terms."""
    from kinema.data.fetch.describing import size_of
    from kinema.data.fetch.rar import PACKAGES, rar_tools
    from kinema.errors import UsageError

    size = size_of(data_set) or "an unknown size"
    typer.echo(f"{data_set.name}: {data_set.what}\n{size} to {folder}/; terms: {data_set.terms}", err=True)
    if any(file.name.endswith(".rar") for file in data_set.files) and not rar_tools():
        typer.echo(f"no tool to unpack compressed RARs is installed yet: {PACKAGES}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{data_set.name}: add --yes to agree to {size} and to the terms ({data_set.terms})")
    typer.confirm("Download?", default=True, abort=True, err=True)


def _refuse(
    context: typer.Context, but: str, panels: Collection[str] = (), names: Collection[str] = ()
) -> None:
    """Refuse options that would be passed over in silence."""
    from kinema.errors import UsageError

    for panel in panels:
        for flag in given(context, panels=[panel]):
            raise UsageError(f"{flag} is for {panel}; {but}: leave it out")
    for flag in given(context, names=names):
        raise UsageError(f"{flag} is for data sets that come whole; {but}: leave it out")


def _split(classes: list[str] | None) -> list[str] | None:
    names = [name.strip() for part in classes or () for name in part.split(",")]
    return [name for name in names if name] or None


@contextmanager
def _counts() -> Iterator[Show]:
    from kinema.cli.console import progress_bar

    with progress_bar() as bar:
        task = bar.add_task("", total=None)
        yield lambda count, total, text: bar.update(
            task, completed=count, total=total or None, description=text
        )
