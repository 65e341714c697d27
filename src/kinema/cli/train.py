"""`kinema train DATA`: labelled videos in, a run folder with a recognizer and a report out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kinema.errors import DataError, UsageError


def train(
    data: Annotated[Path, typer.Argument(help="A manifest, or a folder: a folder for each class is enough.")],
    model: Annotated[
        str | None, typer.Option(help="A registered model; `kinema train DATA --model help` lists them.")
    ] = None,
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
    device: Annotated[str, typer.Option(help="auto, cpu, torch (torch on the CPU) or cuda.")] = "auto",
) -> None:
    """Train a recognizer; splits are made by group where the data has none, and the report says how."""
    from kinema.cli.console import console, done, progress_bar
    from kinema.data import read_data
    from kinema.models import model_entry, model_names
    from kinema.training import Listener
    from kinema.training import train as train_recognizer
    from kinema.training.train import DEFAULT_MODEL

    if model == "help":
        for name in model_names():
            console.print(f"{name:16} {model_entry(name).summary}")
        return
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
    for note in manifest.notes:
        console.print(note, markup=False, highlight=False)
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

        result = train_recognizer(
            manifest,
            model=model,
            run=run,
            k=_folds(folds) if folds else settings.folds,
            clip=settings.clip,
            settings=settings.training,
            device=device,
            listener=Listener(stage, items, epoch),
            **settings.model_settings,
        )
    say_result(result.folder, result.results["report"])
    done(
        [
            result.folder / "report.html",
            result.folder / "recognizer",
            result.folder / "frame_predictions.csv",
        ],
        [f"kinema predict {_quoted(result.folder)} VIDEO", f"kinema report {_quoted(result.folder)}"],
    )


class Settings:
    """Settings of the command line, sorted into those of the training, the clip and the model."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.folds: int | str | None = None
        self.training: dict[str, Any] = {}
        self.clip: dict[str, Any] = {}
        self.model_settings: dict[str, Any] = {}

    @classmethod
    def like(cls, run: Path) -> Settings:
        """Read the settings of a run's params.json."""
        import json

        path = run / "params.json"
        try:
            params = json.loads(path.read_text(encoding="utf-8"))
            found = cls()
            found.model = params["architecture"]
            found.training, found.clip = dict(params["training"]), dict(params["clip"])
            found.model_settings, found.folds = dict(params["model"]), params.get("folds")
        except FileNotFoundError as error:
            raise DataError(f"{path}: missing; --like takes the folder of a finished run") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: damaged ({error}); give another run to --like") from error
        return found

    def put(self, text: str, model_settings: list[str]) -> None:
        """Take `NAME=VALUE`; the value is read as JSON where it can be. Unknown names raise `UsageError`."""
        import json
        from dataclasses import fields

        from kinema.data import ClipSpec
        from kinema.errors import closest
        from kinema.training import TrainSettings

        name, equals, word = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise UsageError(f"--set {text}: write NAME=VALUE, such as --set frames=32")
        try:
            value = json.loads(word.lower() if word.lower() in ("true", "false") else word)
        except ValueError:
            value = word
        training, clip = [f.name for f in fields(TrainSettings)], [f.name for f in fields(ClipSpec)]
        homes = ((training, self.training), (clip, self.clip), (model_settings, self.model_settings))
        for names, home in homes:
            if name in names:
                home[name] = value
                return
        raise UsageError(
            f"--set {name}: no such setting; {closest(name, [*training, *clip, *model_settings])}"
        )


def say_result(folder: Path, report: dict[str, Any]) -> None:
    """Print the headline, its baselines and the report's warnings."""
    from kinema.cli.console import console

    split = report["headline"]["split"]
    video = report["splits"][split]["video"]
    top1 = video["top1"]
    console.print(
        f"\n{split}, video-level top-1: {top1['value']:.3f}{_interval(top1)}, {video['items']} videos",
        highlight=False,
    )
    for name, by_split in report["baselines"].items():
        if split in by_split:
            console.print(f"  {name}: {by_split[split]['top1']['value']:.3f}", highlight=False)
    for caveat in report["caveats"]:
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
