"""`kinema predict RUN VIDEO…`: what a trained recognizer says of videos, frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinema.errors import DataError, UsageError

if TYPE_CHECKING:
    from kinema.data import Manifest
    from kinema.evaluation.prediction_results import PredictionRun

_EVENTS = "Events"
_TABLES = {".csv", ".tsv", ".parquet", ".pq"}


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder, or a recognizer's folder.", show_default=False)],
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO...",
            help="Videos, folders of videos or frames, s3:// addresses, or one manifest.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where the results go; default RUN/predictions.", show_default=False)
    ] = None,
    annotate: Annotated[
        bool, typer.Option(help="Write a copy of each video with the prediction on it.")
    ] = True,
    subtitles: Annotated[bool, typer.Option(help="Write WebVTT subtitles of each video.")] = True,
    split: Annotated[
        str | None,
        typer.Option(help="Of a manifest, this split only: train, valid or test.", show_default=False),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second of frame folders; default 25.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many videos.", show_default=False)
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures computed at a time.")] = 16,
    device: Annotated[str, typer.Option(help="auto, cpu, torch (torch on the CPU) or cuda.")] = "auto",
    runtime: Annotated[
        str,
        typer.Option(help="auto, torch, onnx, onnx-int8, openvino, openvino-int8 or torchscript."),
    ] = "auto",
    events: Annotated[
        bool, typer.Option(help="Write events: what begins, peaks and ends.", rich_help_panel=_EVENTS)
    ] = True,
    rules: Annotated[
        Path | None,
        typer.Option(
            help="JSON or TOML file of what an event is; default the recognizer's own.",
            rich_help_panel=_EVENTS,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Predict videos: a label, a timeline and events for each, a line for every frame, subtitles, annotated
    copies.

    The same command goes on where it was stopped. Exits with 3 only when no video at all could be read.
    """
    if fps is not None and not fps > 0:
        raise UsageError(f"--fps {fps:g}: give frames a second, above 0")
    if rules is not None and not events:
        raise UsageError("--rules: says what events are, and --no-events wants none; leave one out")
    for path in (str(run), *videos):  # before seconds of importing
        if "://" not in path and not Path(path).exists():
            raise DataError(f"{path}: no such file or folder; check the path")
    from kinema.cli.console import progress_bar
    from kinema.evaluation.predictions import predict_to_folder
    from kinema.evaluation.video_inputs import video_inputs
    from kinema.events import EventRules
    from kinema.models import Recognizer

    data = _data(videos, split)
    folder = out or _default_out(run)
    video_inputs(data, fps=fps, out=folder)  # a wrong path is said before the weights are loaded
    event_rules = EventRules.read(rules) if rules is not None else None
    recognizer = Recognizer.load(run, device=device, runtime=runtime)
    with progress_bar(count=False) as bar:
        task = bar.add_task("loading", total=None)

        def show(done: float, total: int, what: str) -> None:
            bar.update(task, description=what, completed=done, total=total)

        result = predict_to_folder(
            recognizer,
            data,
            folder,
            annotate=annotate,
            subtitles=subtitles,
            batch_size=batch_size,
            fps=fps,
            limit=limit,
            rules=event_rules,
            events=events,
            progress=show,
        )
    _tell(result, run)
    if len(result.failed) == len(result.videos):
        raise typer.Exit(3)


def _data(videos: list[str], split: str | None) -> Manifest | list[str]:
    tables = [video for video in videos if Path(video).suffix.lower() in _TABLES]
    if not tables:
        if split:
            raise UsageError("--split: only a manifest has splits; give one, or leave the option out")
        return videos
    if len(videos) > 1:
        raise UsageError(f"{tables[0]}: give either one manifest or videos, not both")
    from kinema.data import read_data

    manifest = read_data(tables[0])
    return manifest.filter(split=split) if split else manifest


def _default_out(run: Path) -> Path:
    # A run folder holds its recognizer in a folder; a bare recognizer may lie where nothing should be added.
    if (run / "recognizer.json").is_file() and run.resolve().name != "recognizer":
        return Path("predictions")
    return (run.parent if (run / "recognizer.json").is_file() else run) / "predictions"


def _tell(result: PredictionRun, run: Path) -> None:
    from kinema.cli.console import done, quoted, say, warn

    for video in result.videos[:20]:
        if not video.failed:
            sure = f"{100 * (video.confidence or 0):.0f} %, {video.seconds:.1f} s"
            if video.event_count is not None:
                sure += f", {video.event_count} event{'' if video.event_count == 1 else 's'}"
            say(f"{video.video}: {video.label} {sure}{' (done before)' if video.reused else ''}")
    if len(result.videos) > 20:
        say(f"and {len(result.videos) - 20} more in {result.videos_csv}")
    for video in result.videos:
        if video.error:
            warn(video.error)
    known = [video for video in result.videos if video.truth is not None and not video.failed]
    if known:
        right = sum(video.label == video.truth for video in known)
        say(f"{right} of {len(known)} labelled videos right, video-level top-1 {right / len(known):.3f}")
    if result.failed:
        failed = f"{len(result.failed)} of {len(result.videos)} videos"
        warn(f"{failed} could not be read; listed in {result.videos_csv}")
    first = next((video for video in result.videos if not video.failed), None)
    files = first.files if first and len(result.videos) == 1 else []
    tables = [result.videos_csv, result.frame_predictions_csv]
    if result.with_events:
        tables.append(result.events_csv)
    done([*tables, *files], [f"kinema report {quoted(run)}"])
