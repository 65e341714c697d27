"""`kinema data upload`: a data set into an object store, so that only what changed travels."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from kinema.cli.data.app import Data, app, done, quoted, read
from kinema.cli.data.transfers import transfers


@app.command()
def upload(
    data: Data,
    url: Annotated[
        str, typer.Argument(help="Where to: s3://bucket/folder (or gs://, az:// with their libraries).")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Also write a manifest here that names the stored videos: train from the store with it."
        ),
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=64, help="Files on their way at a time.")] = 4,
    endpoint_url: Annotated[
        str | None, typer.Option(help="Address of an S3 service that is not Amazon's (AWS_ENDPOINT_URL).")
    ] = None,
) -> None:
    """Send a folder, or a manifest and its videos, to an object store; files that are there already stay.

    Credentials come from the usual places: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, the files of
    aws configure, the role of the machine. An upload that broke off goes on when it is typed again.
    """
    from kinema.data.stores import addressed
    from kinema.data.stores import upload as send
    from kinema.data.wording import count

    whole = data.is_dir() and out is None
    chosen = data if whole else read(data)
    remote = addressed(chosen, url) if out is not None and not isinstance(chosen, Path) else None
    with transfers() as (show, _):
        sent = send(
            chosen,
            url,
            endpoint=endpoint_url,
            connections=connections,
            progress=lambda moved, total: show(moved, total, "sending"),
        )
    typer.echo(f"{count(sent.sent, 'file')} sent ({sent.bytes / 1e6:,.1f} MB), {sent.present:,} were there")
    service = f"AWS_ENDPOINT_URL={shlex.quote(endpoint_url)} " if endpoint_url else ""
    if remote is not None and out is not None:
        remote.write(out)
        typer.echo(f"wrote {sent.manifest or sent.address}")
        done(f"{out}: {len(remote):,} clips in {sent.address}", f"{service}kinema train {quoted(out)}")
    else:
        done(sent.manifest or sent.address, f"{service}kinema data fetch {sent.address} --out DIR")
