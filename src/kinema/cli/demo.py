"""`kinema demo`: the whole job on a synthetic data set, from drawing the videos to an annotated prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="The run folder.")] = Path("runs/demo"),
    data: Annotated[Path, typer.Option(help="Where the synthetic videos go.")] = Path("runs/demo-data"),
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Draw a synthetic data set of six actions, train, report, and predict an unseen long video."""
    import shutil

    from kinema.cli.console import console, done, progress_bar
    from kinema.cli.train import say_result
    from kinema.data.demo import render_demo
    from kinema.evaluation.predictions import predict_to_folder
    from kinema.training import Listener, train

    with progress_bar() as bar:
        task = bar.add_task("drawing synthetic videos", total=None)

        def items(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        def stage(text: str) -> None:
            bar.update(task, description=text, completed=0, total=None)

        manifest = render_demo(data, seed=seed, progress=items)
        if out.exists():
            shutil.rmtree(out)
        listener = Listener(stage, items, lambda n, total, row: items(n, total))
        run = train(manifest, run=str(out.absolute()), listener=listener)
        stage("predicting the untrimmed video")
        predict_to_folder(run.recognizer, [data / "untrimmed.mp4"], out / "predictions")
    console.print(
        "All numbers below are of synthetic videos, drawn by kinema: they say that the installation works."
    )
    say_result(out, run.results["report"])
    done(
        [out / "report.html", out / "predictions" / "untrimmed.mp4", out / "predictions"],
        [
            f"kinema train {data} --run again",
            f"kinema predict {out} YOUR_VIDEO.mp4",
            "kinema train YOUR_FOLDER_OF_CLASS_FOLDERS",
        ],
    )
