"""`kinema mine classifier`: folders of pictures in, a recognizer of single pictures out, with which videos are mined."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinema.cli.mine.app import AsJson, app, say_json
from kinema.errors import UsageError

if TYPE_CHECKING:
    from kinema.training import Run

_NONE = "None of these"


@app.command()
def classifier(
    images: Annotated[
        Path | None,
        typer.Argument(
            metavar="IMAGES", help="A folder with a folder of pictures a class.", show_default=False
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="The same, as S3 calls it.", show_default=False)
    ] = None,
    save_checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--save-checkpoint",
            "--out",
            help="The folder of the recognizer and its report; default one below runs/.",
            show_default=False,
        ),
    ] = None,
    feature_extractor: Annotated[
        str, typer.Option(help="Any backbone of timm, such as densenet121.")
    ] = "tf_efficientnet_lite0",
    weights: Annotated[
        str | None,
        typer.Option(
            help="bundled, pretrained (from the model hub), none, or a file; default bundled where there are, else "
            "pretrained.",
            show_default=False,
        ),
    ] = None,
    fine_tune: Annotated[
        bool, typer.Option("--fine-tune", help="Train the backbone too, not only a head on its features.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Default 30; with --fine-tune 8.", show_default=False)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Pictures a step; default 64, with --fine-tune 32.", show_default=False),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Highest one: of the head, default 2e-3; with --fine-tune of everything.", show_default=False
        ),
    ] = None,
    class_weights: Annotated[
        str, typer.Option(help="balanced (rare classes count as much as others) or none.")
    ] = "balanced",
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this class; repeatable. Of the others comes 'none of these'.",
            rich_help_panel=_NONE,
            show_default=False,
        ),
    ] = None,
    negatives: Annotated[
        Path | None,
        typer.Option(
            help="A folder of other pictures, or videos, that show none of the classes.",
            rich_help_panel=_NONE,
            show_default=False,
        ),
    ] = None,
    most_negatives: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Learn from so many of them, half at random, half those most like the classes; default as many as "
            "pictures of the classes.",
            rich_help_panel=_NONE,
            show_default=False,
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option("--flip/--no-flip", help="Also learn from mirrored pictures.", show_default=False),
    ] = None,
    seed: Annotated[int | None, typer.Option(show_default=False)] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any training, clip or model setting; repeatable.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, torch (torch on the CPU) or cuda.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Train an image classifier for mining; pictures that show the same never stand on both sides of a split."""
    if (images is None) == (data_dir is None):
        raise UsageError("give one folder of pictures: IMAGES, or --data-dir IMAGES")
    from kinema.cli.console import say, warn
    from kinema.cli.settings import Settings
    from kinema.cli.train import listening
    from kinema.mining.classifier import train_classifier
    from kinema.models import model_entry, torch_device

    torch_device(device)
    settings = Settings()
    for text in set_ or []:
        settings.put(text, list(model_entry("frame_mlp").settings))
    for name in ("backbone", "weights", "freeze", "frames"):
        if name in settings.model_settings or name in settings.clip:
            option = {"backbone": "--feature-extractor", "weights": "--weights", "freeze": "--fine-tune"}.get(
                name
            )
            raise UsageError(
                f"--set {name}: {f'use {option}' if option else 'pictures are looked at one by one'}"
            )
    for name, value in (
        ("epochs", epochs), ("batch_size", batch_size), ("flip", flip), ("seed", seed), ("class_weights", class_weights),
    ):  # fmt: skip
        if value is not None:
            settings.training.setdefault(name, value)
    if learning_rate is not None and learning_rate < 2e-4 and not fine_tune:
        warn(
            f"learning rate {learning_rate:g} is one for a whole network (--fine-tune); a head on features learns little "
            "with less than 2e-4"
        )
    with listening() as listener:
        run = train_classifier(
            data_dir or images or Path(),
            save_checkpoint,
            feature_extractor=feature_extractor,
            weights=weights,
            fine_tune=fine_tune,
            only=only or None,
            negatives=negatives,
            most_negatives=most_negatives,
            learning_rate=learning_rate,
            clip=settings.clip,
            settings=settings.training,
            device=device,
            listener=listener,
            told=(lambda note: None) if as_json else say,
            **settings.model_settings,
        )
    _tell(run, as_json)


def _tell(run: Run, as_json: bool) -> None:
    from kinema.cli.console import done, quoted
    from kinema.cli.train import say_result

    report: dict[str, Any] = run.results["report"]
    if as_json:
        split = report["headline"]["split"]
        found = {
            "run": str(run.folder),
            "recognizer": str(run.folder / "recognizer"),
            "classes": run.recognizer.classes,
            "split": split,
            "top1": report["splits"][split]["video"]["top1"],
            "items": report["splits"][split]["video"]["items"],
        }
        say_json(found)
        return
    say_result(run.folder, report, "pictures")
    done(
        [run.folder / "report.html", run.folder / "recognizer"],
        [f"kinema mine clips VIDEO --recognizer {quoted(run.folder)}"],
    )
