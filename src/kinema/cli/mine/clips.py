"""`kinema mine clips VIDEO…`: the stretches of long videos in which a recognizer, or a text, finds an action."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinema.cli.mine.app import AsJson, app, say_json
from kinema.errors import DataError, UsageError

if TYPE_CHECKING:
    from kinema.data import Manifest
    from kinema.mining.clips import ClipRules, Mined, Scorer

_TABLES = {".csv", ".tsv", ".parquet", ".pq"}
_CHOICE = "Which clips"
_TEXT = "Text in place of a recognizer"


@app.command()
def clips(
    videos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO...",
            help="Videos, folders of videos or frames, s3:// addresses, or one manifest.",
            show_default=False,
        ),
    ] = None,
    video_path: Annotated[
        str | None, typer.Option("--video-path", help="The same, as S3 calls it.", show_default=False)
    ] = None,
    recognizer: Annotated[
        Path | None,
        typer.Option(
            "--recognizer",
            "--image-classifier-checkpoint",
            help="A run folder, or a recognizer's folder: of images or of video.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "--out-dir", help="Where the clips go.")] = Path("mined"),
    class_names: Annotated[
        Path | None,
        typer.Option(help="A file of class names, checked against the recognizer's.", show_default=False),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(
            "--every",
            "--skip-frames",
            min=1,
            help="Score each so-many-th frame; default 2, a video recognizer's own rate.",
            show_default=False,
        ),
    ] = None,
    per_class: Annotated[
        int,
        typer.Option(
            "--per-class", "--n-clips", min=1, help="Clips a class a video.", rich_help_panel=_CHOICE
        ),
    ] = 2,
    seconds: Annotated[
        float,
        typer.Option("--seconds", "--clip-len", help="Length of a clip; S3: 5.", rich_help_panel=_CHOICE),
    ] = 10.0,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Only this class; repeatable.", rich_help_panel=_CHOICE, show_default=False),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            help="What a smoothed peak must reach; default twice chance, at most 0.5.",
            rich_help_panel=_CHOICE,
            show_default=False,
        ),
    ] = None,
    smoothing: Annotated[
        float,
        typer.Option(help="Seconds to each side that scores are averaged over.", rich_help_panel=_CHOICE),
    ] = 1.0,
    overlap: Annotated[
        float,
        typer.Option(
            help="Share of a clip that another of its label may hold, to 0.5.", rich_help_panel=_CHOICE
        ),
    ] = 0.25,
    diversity: Annotated[
        float,
        typer.Option(
            help="How much clips that look alike give way to others, 0 to 1.", rich_help_panel=_CHOICE
        ),
    ] = 0.5,
    keep: Annotated[
        float | None,
        typer.Option(
            help="At most this share of a video, all classes together.",
            rich_help_panel=_CHOICE,
            show_default=False,
        ),
    ] = None,
    short: Annotated[
        bool,
        typer.Option("--short", help="Keep clips of shots shorter than a clip.", rich_help_panel=_CHOICE),
    ] = False,
    names: Annotated[
        str | None,
        typer.Option(
            help="Names with commas between, or a file of them, in place of a recognizer.",
            rich_help_panel=_TEXT,
            show_default=False,
        ),
    ] = None,
    clip_model: Annotated[
        str, typer.Option(help="A model that open_clip knows.", rich_help_panel=_TEXT)
    ] = "ViT-B-16-SigLIP",
    clip_weights: Annotated[
        str | None,
        typer.Option(help="Its weights: a file, or a tag.", rich_help_panel=_TEXT, show_default=False),
    ] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            help="A sentence with {} for the name; repeatable.", rich_help_panel=_TEXT, show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Cut nothing; draw the score curves.")] = False,
    cache_file: Annotated[
        Path | None,
        typer.Option(help="Where score curves are kept; default OUT/scores.db.", show_default=False),
    ] = None,
    copy: Annotated[
        bool, typer.Option(help="Clips may begin at keyframes near by, and are copied then.")
    ] = True,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second of frame folders; default 25.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Videos read at a time; default one a core.", show_default=False)
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures computed at a time.")] = 16,
    device: Annotated[str, typer.Option(help="auto, cpu, torch (torch on the CPU) or cuda.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Cut candidate clips out of long videos, for review and training.

    The same command goes on where it was stopped; with other rules nothing is scored again. Exits with 3 only when no
    video at all could be read.
    """
    given = [*(videos or []), *([video_path] if video_path else [])]
    if not given:
        raise UsageError("no video given: name videos, folders or one manifest, or use --video-path")
    if (recognizer is None) == (names is None):
        raise UsageError(
            "give --recognizer RUN, or --names with names for a text-prompted model; one of the two"
        )
    if class_names is not None and recognizer is None:
        raise UsageError("--class-names: checks a recognizer; with --names leave it out")
    if fps is not None and not fps > 0:
        raise UsageError(f"--fps {fps:g}: give frames a second, above 0")
    for path in [*given, *([str(recognizer)] if recognizer else [])]:  # before seconds of importing
        if "://" not in path and not Path(path).exists():
            raise DataError(f"{path}: no such file or folder; check the path")
    from kinema.cli.console import progress_bar, warn
    from kinema.evaluation.video_inputs import video_inputs
    from kinema.mining.clips import ClipRules, mine_clips

    rules = ClipRules(seconds, per_class, smoothing, min_score, overlap, diversity, keep, short)
    data = _data(given)
    video_inputs(data, fps=fps, out=out)  # a wrong path is said before the weights are loaded
    with progress_bar(count=False) as bar:
        task = bar.add_task("loading", total=None)
        scorer = _scorer(recognizer, names, clip_model, clip_weights, prompt, device)
        note = _checked(scorer, class_names)
        if note and not as_json:
            warn(note)

        def show(done: float, total: int, what: str) -> None:
            bar.update(task, description=what, completed=done, total=total)

        mined = mine_clips(
            scorer,
            data,
            out,
            rules,
            every=every,
            labels=label or None,
            cache_file=cache_file,
            copy=copy,
            dry_run=dry_run,
            fps=fps,
            workers=workers,
            batch_size=batch_size,
            progress=show,
        )
    _tell(mined, rules, as_json)
    if mined.videos and len(mined.failed) == len(mined.videos):
        raise typer.Exit(3)


def _data(given: list[str]) -> Manifest | list[str]:
    tables = [video for video in given if Path(video).suffix.lower() in _TABLES]
    if not tables:
        return given
    if len(given) > 1:
        raise UsageError(f"{tables[0]}: give either one manifest or videos, not both")
    from kinema.data import read_data

    return read_data(tables[0])


def _scorer(
    recognizer: Path | None,
    names: str | None,
    model: str,
    weights: str | None,
    prompts: list[str] | None,
    device: str,
) -> Scorer:
    from kinema.mining.clips import load_scorer

    if recognizer is not None:
        return load_scorer(recognizer, device=device)
    from kinema.mining.clips.prompts import TEMPLATES, prompt_scorer
    from kinema.mining.names import read_names

    return prompt_scorer(
        read_names([names or ""]), model, weights, templates=prompts or TEMPLATES, device=device
    )


def _checked(scorer: Scorer, class_names: Path | None) -> str | None:
    from kinema.mining.clips import check_names
    from kinema.mining.names import read_names

    if class_names is None:
        return None
    if not class_names.is_file():
        raise DataError(f"{class_names}: no such file; --class-names takes a text file with a name a line")
    return check_names(scorer, read_names([str(class_names)]), str(class_names))


def _tell(mined: Mined, rules: ClipRules, as_json: bool) -> None:
    from kinema.cli.console import done, quoted, say, warn
    from kinema.data.wording import count

    if as_json:
        say_json(mined.to_dict())
        return
    for video in mined.videos[:20]:
        if not video.error:
            again = " (scores known)" if video.reused else ""
            say(f"{video.video} ({video.seconds:.1f} s): {count(len(video.clips), 'clip')}{again}")
    if len(mined.videos) > 20:
        say(f"and {count(len(mined.videos) - 20, 'more video')}")
    for video in mined.videos:
        for text in [*([video.error] if video.error else []), *video.problems]:
            warn(text)
    for note in mined.notes:
        say(note)
    counts = ", ".join(f"{label} {number}" for label, number in mined.counts().items())
    say(count(mined.clips, "clip") + (f": {counts}" if counts else ""))
    if mined.left_out_short:
        say(
            f"{count(mined.left_out_short, 'peak')} left out: the shot is shorter than {rules.seconds:g} s "
            "(--short keeps them, --seconds shortens all)"
        )
    if not mined.clips and not mined.left_out_short and len(mined.failed) < len(mined.videos):
        say(
            "nothing reached the score that a peak must have; --min-score lowers it, --dry-run shows the curves"
        )
    if mined.manifest is None:
        files = [path for video in mined.videos for path in video.files]
        done(files[:20], ["the same command without --dry-run"])
    else:
        to_review = [f"kinema mine review {quoted(mined.manifest)}"] if mined.clips else []
        done([mined.manifest, mined.folder / "mining.json"], to_review)
