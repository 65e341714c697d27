"""`kinema data labels`: times to frame labels and back, and frames against labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kinema.cli.data.app import Format, app, done, quoted


@app.command()
def labels(
    table: Annotated[
        Path,
        typer.Argument(
            help="Time ranges (video,time_start,time_end,label; ELAN, VIA, CVAT; a manifest); "
            "with --segments or --check, labels of frames (video,frame,label,split)."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="The table to write: .csv, .tsv or .parquet.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second of the labelled frames.")] = None,
    segments: Annotated[
        bool, typer.Option("--segments", help="The way back: frame labels to time ranges HH:MM:SS.")
    ] = False,
    check: Annotated[
        Path | None,
        typer.Option(help="Compare the labels with the frame folders in this folder; list each difference."),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(help="The folder of the videos, if not beside the table: tells where each video ends."),
    ] = None,
    background: Annotated[
        str | None, typer.Option(help="Label of the frames in no range; with --segments it is left out.")
    ] = None,
    overlap: Annotated[
        str,
        typer.Option(help="A frame in ranges of two labels: 'error', or the 'first' or 'last' range wins."),
    ] = "error",
    tier: Annotated[str | None, typer.Option(help="ELAN: the tier to read (all).")] = None,
    attribute: Annotated[str | None, typer.Option(help="VIA, CVAT: the attribute that is the label.")] = None,
    format: Format = None,
) -> None:
    """Labels of time ranges to labels of frames, the way back, and frames against labels.

    labels TIMES.csv --fps 5 --out labels.csv
    Label each frame by the range it is in; the first is called VIDEO_00001.jpg.

    labels labels.csv --segments --fps 5 --out times.csv
    The way back: runs of equal labels become ranges, exact to one frame.

    labels labels.csv --check FRAMES
    Has each label its frame, and each frame its label? Exits with 3 if not.
    """
    from kinema.errors import UsageError

    if check is not None:
        given = {"--segments": segments, "--fps": fps, "--videos": videos, "--background": background}
        wrong = [name for name, value in given.items() if value not in (None, False)]
        if wrong:
            raise UsageError(f"--check compares frames with labels and takes no {', '.join(wrong)}")
        _check(table, check, out)
        return
    if fps is None or out is None:
        missing = "--fps, the frames a second" if fps is None else "--out, the table to write"
        raise UsageError(f"give {missing}; or --check FOLDER to compare frames with labels")
    if segments:
        given = {"--videos": videos, "--tier": tier, "--attribute": attribute, "--format": format}
        wrong = [name for name, value in given.items() if value is not None]
        if wrong:
            raise UsageError(f"--segments reads labels of frames and takes no {', '.join(wrong)}")
        _to_ranges(table, out, fps, background)
    else:
        options = {"format": format, "videos": videos, "tier": tier, "attribute": attribute}
        _to_frames(table, out, fps, background, overlap, options)


def _to_frames(
    table: Path,
    out: Path,
    fps: float,
    background: str | None,
    overlap: str,
    options: dict[str, Any],
) -> None:
    from kinema.data.labels import frame_labels_of, last_frames, read_ranges
    from kinema.data.readers.tables import write_table

    ranges = read_ranges(table, **{name: value for name, value in options.items() if value is not None})
    frames = frame_labels_of(ranges, fps, background=background, overlap=overlap, lengths=last_frames(ranges))
    for note in [*(note for note in ranges.notes if not note.startswith("groups:")), *frames.attrs["notes"]]:
        typer.echo(note)
    _counts(frames["label"].value_counts().to_dict(), "frames")
    write_table(frames, out)
    done(f"{out}: {len(frames):,} frames", f"kinema data labels {quoted(out)} --check FRAMES_FOLDER")


def _to_ranges(table: Path, out: Path, fps: float, background: str | None) -> None:
    from kinema.data.labels import segments_of, timestamps_of
    from kinema.data.readers.labels_csv import frame_table
    from kinema.data.readers.tables import write_table

    ranges = segments_of(frame_table(table), fps, background=background)
    for note in ranges.notes:
        if not note.startswith("groups:"):
            typer.echo(note)
    _counts(ranges.table["label"].value_counts().to_dict(), "ranges")
    write_table(timestamps_of(ranges), out)
    following = f"kinema data import {quoted(out)} --videos VIDEOS --out manifest.csv"
    done(f"{out}: {len(ranges):,} time ranges", following)


def _check(table: Path, frames: Path, out: Path | None) -> None:
    from kinema.data.frame_check import check_frames, differences_text
    from kinema.data.readers.tables import write_table

    found = check_frames(table, frames)
    typer.echo(differences_text(found))
    if out is not None:
        write_table(found, out)
    wrote = f"{out}: {len(found):,} differences" if out is not None else None
    if len(found):
        listed = f"kinema data labels {quoted(table)} --check {quoted(frames)} --out differences.csv"
        done(wrote, f"correct the labels or the frames, then {listed}")
        raise typer.Exit(3)
    file = table / "labels.csv" if table.is_dir() else table
    home, copy = file, ""
    if file.parent.resolve() != frames.resolve():
        # Frames are looked for beside their table; one that is there already stays.
        home = frames / file.name
        home = home.with_stem(f"{file.stem}-checked") if home.exists() else home
        copy = f"cp {quoted(file)} {quoted(home)} && "
    done(wrote, f"{copy}kinema data import {quoted(home)} --fps FPS --out manifest.csv")


def _counts(numbers: dict[Any, int], noun: str) -> None:
    typer.echo("")
    width = max(len(label) for label in numbers)
    for label, number in numbers.items():
        typer.echo(f"{label:{width}}  {number:,} {noun if number != 1 else noun[:-1]}")
