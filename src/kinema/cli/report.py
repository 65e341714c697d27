"""`kinema report RUN`: the numbers of a run again, or of its recognizer on other labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    data: Annotated[
        Path | None, typer.Argument(help="Labelled data to score instead of the run's own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the new report; default RUN/report-DATA.")
    ] = None,
    events: Annotated[
        bool, typer.Option("--events", help="Score events in the whole videos of test, too.")
    ] = False,
) -> None:
    """Show a run's report, or score its recognizer on other labelled videos and write a report of that."""
    import json

    from kinema.cli.console import done, progress_bar, quoted
    from kinema.cli.train import say_result
    from kinema.errors import DataError, UsageError
    from kinema.evaluation import evaluate

    if events and data is None:
        raise UsageError("--events: give labelled videos too, such as the run's data.csv")
    if data is None:
        path = run / "results.json"
        if not path.is_file():
            raise DataError(f"{path}: missing; give a finished run's folder, or labelled data to score")
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            found["report"]["headline"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: damaged ({error}); train again, or give labelled data to score"
            ) from error
        folder = run
    else:
        folder = out or run / f"report-{data.resolve().stem}"
        with progress_bar() as bar:
            task = bar.add_task("extracting features", total=None)
            found = evaluate(
                run,
                data,
                out=folder,
                events=events,
                progress=lambda n, total: bar.update(task, completed=n, total=total),
            )
    say_result(folder, found["report"])
    done([folder / "report.html", folder / "results.json"], [f"kinema predict {quoted(run)} VIDEO"])
