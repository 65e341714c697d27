"""`kinema train DATA`: labelled videos in, a run folder with a recognizer and a report out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinema.errors import KinemaError, UsageError

if TYPE_CHECKING:
    from kinema.training import Listener, Run


def train(
    data: Annotated[
        Path | None, typer.Argument(help="A manifest, or a folder: a folder for each class is enough.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="A registered model; `kinema models` lists them.")] = None,
    run: Annotated[str | None, typer.Option(help="A name below runs/, or a path.")] = None,
    folds: Annotated[
        str | None, typer.Option(help="A number of folds, or 'group' to hold out one group at a time.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="Only rows for which this holds, such as \"group != 'p1'\".")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Clips a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip", help="Also learn from mirrored pictures; not where left and right matter."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any training, clip or model setting; repeatable."),
    ] = None,
    like: Annotated[Path | None, typer.Option(help="Take all settings of this run.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on with a run that was killed, where it was; without DATA and settings.", metavar="RUN"
        ),
    ] = None,
    like_seed: Annotated[
        str | None,
        typer.Option("--like-seed", metavar="SYSTEM", help="Train as another system did: s4, with --params."),
    ] = None,
    params: Annotated[
        Path | None, typer.Option(help="That system's parameter file, such as params.json.")
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            help="auto (a GPU where there is one), cpu, torch (torch on the CPU), cuda, cuda:N or mps."
        ),
    ] = "auto",
    processes: Annotated[
        int,
        typer.Option(min=1, help="Share the work among this many processes; with GPUs, one for each."),
    ] = 1,
) -> None:
    """Train a recognizer; splits are made by group where the data has none, and the report says how."""
    _share_work(processes, device)
    from kinema.cli.console import console
    from kinema.cli.settings import Settings
    from kinema.data import read_data
    from kinema.models import model_entry, model_names
    from kinema.training import train as train_recognizer
    from kinema.training.like_seed import consecutive_fps
    from kinema.training.train import DEFAULT_MODEL

    if model == "help":
        for name in model_names():
            console.print(f"{name:16} {model_entry(name).summary}")
        return
    if resume:
        given = {
            "DATA": data, "--model": model, "--run": run, "--folds": folds, "--where": where, "--epochs": epochs,
            "--batch-size": batch_size, "--learning-rate": learning_rate, "--seed": seed, "--flip": flip, "--set": set_,
            "--like": like, "--like-seed": like_seed, "--params": params,
        }  # fmt: skip
        _go_on(resume, [name for name, value in given.items() if value is not None and value != []], device)
        return
    if data is None:
        raise UsageError("DATA is missing: give labelled videos, as in kinema train videos/, or --resume RUN")
    if like_seed or params:
        if like or model:
            raise UsageError(f"--like-seed says which model: leave out {'--like' if like else '--model'}")
        settings = Settings.like_seed(like_seed, params)
    else:
        settings = Settings.like(like) if like else Settings()
    model = model or settings.model or DEFAULT_MODEL
    for name, value in (
        ("epochs", epochs), ("batch_size", batch_size), ("learning_rate", learning_rate), ("seed", seed), ("flip", flip),
    ):  # fmt: skip
        if value is not None:
            settings.training[name] = value
    for text in set_ or []:
        settings.put(text, list(model_entry(model).settings))

    manifest = read_data(data)
    if where:
        manifest = manifest.filter(where=where)
    if like_seed:
        settings.clip.setdefault("fps", consecutive_fps(manifest))
    for note in [*manifest.notes, *settings.notes]:
        console.print(note, markup=False, highlight=False)
    with listening() as listener:
        result = train_recognizer(
            manifest,
            model=model,
            run=run,
            k=_folds(folds) if folds else settings.folds,
            clip=settings.clip,
            settings=settings.training,
            device=device,
            listener=listener,
            **settings.model_settings,
        )
    _say_run(result)


def _share_work(processes: int, device: str) -> None:
    """Start the processes that are asked for, or be one of them; return in the one that leads."""
    import os
    import sys

    from kinema.models import torch_device
    from kinema.training.distributed import is_follower
    from kinema.training.launch import LAUNCHED, launch
    from kinema.training.train import follow

    if is_follower():
        follow(device)
    torch_device(device)  # a word that means nothing is said before data is read
    if processes > 1 and LAUNCHED not in os.environ:
        raise typer.Exit(launch(sys.argv[1:], processes))


def _go_on(run: Path, given: list[str], device: str) -> None:
    from kinema.training import resume

    if given:
        raise UsageError(
            f"--resume {run}: goes on with the run's own data and settings; leave out {', '.join(given)}"
        )
    with listening() as listener:
        result = resume(run, device=None if device == "auto" else device, listener=listener)
    _say_run(result)


@contextmanager
def listening() -> Iterator[Listener]:
    """Show how far the training is; what a user must know stays on stderr."""
    from kinema.cli.console import progress_bar, warn
    from kinema.training import Listener

    with progress_bar() as bar:
        task = bar.add_task("reading", total=None)

        def stage(text: str) -> None:
            bar.update(task, description=text, completed=0, total=None)

        def items(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        def epoch(done: int, total: int, row: dict[str, float]) -> None:
            found = f"training, loss {row['train_loss']:.3f}"
            if row["valid_loss"] == row["valid_loss"]:
                found += f", valid {row['valid_loss']:.3f}, accuracy {row['valid_accuracy']:.3f}"
            bar.update(task, description=found, completed=done, total=total)

        runs: list[Path] = []
        try:
            yield Listener(stage, items, epoch, warn, runs.append)
        except (KeyboardInterrupt, KinemaError) as error:
            if runs and (runs[0] / "checkpoint" / "plan.json").exists():
                raise _UnfinishedError(error, runs[0]) from error
            raise


class _UnfinishedError(KinemaError):
    """A run that stopped and can be gone on with."""

    def __init__(self, cause: BaseException, run: Path) -> None:
        super().__init__(
            f"{str(cause) or 'stopped'}; kinema train --resume {_quoted(run)} goes on from what is saved"
        )
        self.exit_code = cause.exit_code if isinstance(cause, KinemaError) else 130


def _say_run(run: Run) -> None:
    from kinema.cli.console import done

    say_result(run.folder, run.results["report"])
    done(
        [run.folder / "report.html", run.folder / "recognizer", run.folder / "frame_predictions.csv"],
        [f"kinema predict {_quoted(run.folder)} VIDEO", f"kinema report {_quoted(run.folder)}"],
    )


def say_result(folder: Path, report: dict[str, Any], items: str = "videos") -> None:
    """Print the headline, its baselines and the report's warnings; `items` is what was told apart."""
    from kinema.cli.console import console

    split = report["headline"]["split"]
    video = report["splits"][split]["video"]
    top1 = video["top1"]
    level = "video-level " if items == "videos" else ""
    for caveat in report["caveats"]:
        if caveat["code"] == "inflated":  # before the number, not after it
            console.print(f"\n{caveat['text']}", style="bold red", markup=False, highlight=False)
    console.print(
        f"\n{split}, {level}top-1: {top1['value']:.3f}{_interval(top1)}, {video['items']} {items}",
        highlight=False,
    )
    for name, by_split in report["baselines"].items():
        if split in by_split:
            console.print(f"  {name}: {by_split[split]['top1']['value']:.3f}", highlight=False)
    for caveat in report["caveats"]:
        if caveat["code"] == "inflated":
            continue
        console.print(f"{caveat['level']}: {caveat['text']}", markup=False, highlight=False)


def _interval(interval: dict[str, Any]) -> str:
    if interval["low"] is None:
        return " (too few groups for an interval)"
    return f" (95 % interval {interval['low']:.3f} to {interval['high']:.3f}, {interval['groups']} groups)"


def _folds(text: str | None) -> int | str | None:
    if text is None or text == "group":
        return text
    if not text.isdigit() or int(text) < 2:
        raise UsageError(f"--folds {text}: give a number of at least 2, or 'group'")
    return int(text)


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
