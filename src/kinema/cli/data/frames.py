"""`kinema data frames`: pictures of videos, for those who need files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kinema.cli.data.app import Data, Fold, Fps, Videos, Workers, app, done, quoted, read


@app.command()
def frames(
    data: Data,
    out: Annotated[Path | None, typer.Option(help="The folder for the images and tables.")] = None,
    every: Annotated[int | None, typer.Option(min=1, help="Every N-th frame (without this: all).")] = None,
    fps_out: Annotated[float | None, typer.Option(help="So many frames a second.")] = None,
    per_video: Annotated[
        int | None, typer.Option(min=1, help="So many frames of each clip, evenly spread.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Pixels of the shorter side, 128, or WIDTHxHEIGHT, 128x128.")
    ] = None,
    image_format: Annotated[str, typer.Option("--format", help="jpg, or png without loss.")] = "jpg",
    quality: Annotated[int | None, typer.Option(min=1, max=100, help="Of jpg (95).")] = None,
    layout: Annotated[
        str, typer.Option(help="video: VIDEO/VIDEO_00001.jpg and labels.csv; class: CLASS/VIDEO_00001.jpg.")
    ] = "video",
    classes: Annotated[str | None, typer.Option(help="Only these classes: run,sit.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split, or these: train,valid.")] = None,
    workers: Workers = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove the images of other settings or data.")
    ] = False,
    check_space: Annotated[bool, typer.Option(help="Stop before the disk would be too small.")] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; list the images below DATA that cannot be read.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="With --check: remove them, from the tables too.")
    ] = False,
    read_as: Annotated[str | None, typer.Option(help="Read DATA as this format.")] = None,
    videos: Videos = None,
    fps: Fps = None,
    fold: Fold = None,
) -> None:
    """Write frames of videos as images, with tables of their labels. Training needs none: it reads videos.

    A run that was stopped goes on with the same command. Exits with 3 only when nothing could be written.
    """
    from kinema.data.frames import FrameSettings, parse_names, parse_size
    from kinema.errors import UsageError

    if check:
        check_folder(data, remove, workers)
        return
    if remove:
        raise UsageError("--remove goes with --check")
    if out is None:
        raise UsageError("Missing option --out: the folder for the images and tables")
    settings = FrameSettings(
        every=every,
        fps=fps_out,
        per_video=per_video,
        size=None if size is None else parse_size(size),
        quality=quality,
        format="jpg" if image_format.lower() == "jpeg" else image_format.lower(),
        layout=layout,
    )
    manifest = read(data, format=read_as, videos=videos, fps=fps, fold=fold)
    notes = manifest.notes
    if classes is not None:
        manifest = manifest.filter(label=parse_names(classes, manifest.classes))
    if split is not None:
        manifest = manifest.filter(split=parse_names(split))
    for note in notes:
        typer.echo(note)
    extract(data, manifest, out, settings, workers=workers, replace=replace, check_space=check_space)


def extract(data: Path, manifest: Any, out: Path, settings: Any, **options: Any) -> None:
    """Extract with a progress bar, and print what came of it."""
    from kinema.cli.console import error_console, progress_bar
    from kinema.data.frames import TABLES, extract_frames
    from kinema.data.wording import count

    with progress_bar() as bar:
        task = bar.add_task("frames", total=None)
        found = extract_frames(
            manifest,
            out,
            settings,
            **options,
            progress=lambda clips, total, images: bar.update(
                task, completed=clips, total=total, description=f"{images:,} images, clips"
            ),
            announce=lambda room: error_console.print(f"kinema: {room}", markup=False),
        )
    typer.echo(found.text())
    tables = [name for name in TABLES if (out / name).exists()]
    following = f"kinema data frames {quoted(out)} --check"
    if "manifest.csv" in tables:
        following = f"kinema data check {quoted(out)}"
    elif manifest.classes:
        following = f"kinema train {quoted(data)}"
    done(f"{out}: {count(found.images, 'image')}, {', '.join(tables)}", following)


def check_folder(folder: Path, remove: bool, workers: int | None) -> None:
    """List the images that cannot be read; exit with 3 when there are some and they are not removed."""
    from kinema.cli.console import progress_bar
    from kinema.data.frames import check_images, remove_images
    from kinema.data.wording import count

    with progress_bar() as bar:
        task = bar.add_task("images", total=None)
        total, bad = check_images(
            folder, workers=workers, progress=lambda made, of: bar.update(task, completed=made, total=of)
        )
    for image in bad:
        typer.echo(f"  bad  {image.path.relative_to(folder)}  {image.reason}")
    typer.echo(f"{count(total, 'image')} read, {len(bad):,} bad")
    if bad and not remove:
        done(None, f"kinema data frames {quoted(folder)} --check --remove")
        raise typer.Exit(3)
    notes = remove_images(folder, bad)
    for note in notes:
        typer.echo(note)
    done(
        f"{folder}: {count(len(bad), 'image')} removed" if bad else None,
        f"kinema data check {quoted(folder)}",
    )
