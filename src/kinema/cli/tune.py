"""`kinema tune DATA`: the settings that score best on held-out groups, trained for good and tested once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinema.errors import UsageError


def tune(
    data: Annotated[Path, typer.Argument(help="A manifest, or a folder: a folder for each class is enough.")],
    space: Annotated[
        Path | None,
        typer.Option(help="JSON or TOML: names of settings with lists of values, or low and high."),
    ] = None,
    grid: Annotated[
        Path | None,
        typer.Option(help="JSON or TOML: lists of values; every combination is tried. S4's names too."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Search among these models with their usual settings; repeatable."),
    ] = None,
    run: Annotated[str | None, typer.Option(help="A name below runs/, or a path; the same goes on.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all (not for --grid).")] = 50,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no trial after so many minutes.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes at work.")] = 1,
    storage: Annotated[
        str | None, typer.Option(help="Database of the study, to share it: postgresql+psycopg://HOST/NAME.")
    ] = None,
    folds: Annotated[
        str | None, typer.Option(help="Score on so many folds by group, or 'group', in place of valid.")
    ] = None,
    pruner: Annotated[
        str | None, typer.Option(help="Give up poor trials early: median, hyperband or none.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Fix a setting; repeatable.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="Only rows for which this holds, such as \"group != 'p1'\".")
    ] = None,
    seed: Annotated[int, typer.Option()] = 0,
    final: Annotated[
        bool, typer.Option("--final/--no-final", help="Train the chosen settings and look at test.")
    ] = True,
    again: Annotated[
        bool, typer.Option("--again", help="Look at test although an earlier call of this search has.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, torch (torch on the CPU) or cuda.")] = "auto",
) -> None:
    """Search settings on shared features; train the best on train and valid; report on test, once."""
    if space and grid:
        raise UsageError("--space and --grid are two ways to search; give one")
    if model and (space or grid):
        raise UsageError("--model and a file: name the models in the file")
    if pruner not in (None, "median", "hyperband", "none"):
        raise UsageError(f"--pruner {pruner}: give median, hyperband or none")
    held_out: int | str | None = folds
    if folds not in (None, "group"):
        if not str(folds).isdigit() or int(str(folds)) < 2:
            raise UsageError(f"--folds {folds}: give a number of at least 2, or 'group'")
        held_out = int(str(folds))

    from kinema.cli.console import console, done, progress_bar, quoted, say
    from kinema.cli.train import say_result
    from kinema.data import read_data
    from kinema.named_values import name_and_value
    from kinema.training import Listener
    from kinema.tuning import Space
    from kinema.tuning import tune as search
    from kinema.tuning.storage import import_optuna

    import_optuna()  # before anything is read, where it is missing
    file = grid or space
    chosen = Space.read(file, grid=grid is not None) if file else Space.default(model or ())
    fixed = dict(name_and_value(text) for text in set_ or [])
    if fixed:
        chosen = chosen.fix(fixed)
    manifest = read_data(data)
    if where:
        manifest = manifest.filter(where=where)
    for note in manifest.notes:
        say(note)
    with progress_bar() as bar:
        searching = bar.add_task("searching", total=None)
        inside = bar.add_task("", total=None, visible=False)

        def told(finished: int, total: int | None, best: float | None) -> None:
            text = "searching" if best is None else f"searching, best {best:.3f}"
            bar.update(searching, description=text, completed=finished, total=total)
            bar.update(inside, visible=False)

        def stage(text: str) -> None:
            bar.update(inside, description=text, completed=0, total=None, visible=True)

        def items(finished: int, total: int) -> None:
            bar.update(inside, completed=finished, total=total, visible=True)

        result = search(
            manifest,
            chosen,
            grid=grid is not None,
            run=run,
            trials=trials,
            minutes=minutes,
            jobs=jobs,
            storage=storage,
            k=held_out,
            pruner=pruner,  # type: ignore[arg-type]
            seed=seed,
            device=device,
            final=final,
            again=again,
            listener=Listener(stage, items),
            told=told,
        )
    counts = ", ".join(f"{count} {state}" for state, count in result.table["state"].value_counts().items())
    say(f"\n{len(result.table)} trials: {counts}")
    say(f"best: trial {result.trial}, {result.accuracy:.3f} on held-out groups (chosen by it, so too good)")
    for name, value in result.settings.items():
        say(f"  {name} = {value:.4g}" if isinstance(value, float) else f"  {name} = {value}")
    if result.note:
        console.print(f"\nnote: {result.note}", markup=False)
    paths = [result.folder / "tune.html", result.folder / "trials.csv", result.folder / "best.json"]
    if result.run is not None:
        say_result(result.run.folder, result.run.results["report"])
        done([*paths, result.run.folder], [f"kinema predict {quoted(result.run.folder)} VIDEO"])
    else:
        done(paths, [])
