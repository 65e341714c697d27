"""`kinema runs [FOLDER]`: finished runs as a table, two of them side by side, and old ones cleared away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from kinema.errors import UsageError

if TYPE_CHECKING:
    from kinema.runs import RunRecord


class _ListByDefault(TyperGroup):
    """`kinema runs FOLDER` is `kinema runs list FOLDER`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_ListByDefault, help="List, compare and prune runs: `kinema runs [FOLDER]`.")

Folder = Annotated[Path, typer.Argument(help="The folder of the runs.")]


@app.command("list")
def list_runs(
    folder: Folder = Path("runs"),
    sort: Annotated[str, typer.Option(help="accuracy, date, size, speed, name, data or model.")] = "date",
    csv: Annotated[Path | None, typer.Option(help="Write the table here, with unrounded numbers.")] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Two runs to put side by side: names in the table, or folders."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the table as JSON, numbers unrounded.")
    ] = False,
) -> None:
    """List finished runs: what they were trained on, what they reached, how large they are."""
    import json

    from kinema.cli.console import done, say, warn
    from kinema.files import atomic_path
    from kinema.runs import find_runs, run_rows, run_table, sort_runs, unfinished_runs

    if compare is not None:
        _compare(folder, *compare)
        return
    found, problems = find_runs(folder)
    for problem in problems:
        warn(f"left out: {problem}")
    if as_json:
        print(json.dumps(run_rows(sort_runs(found, sort)), indent=2, ensure_ascii=False))
        return
    begun = unfinished_runs(folder)
    if not found:
        say(f"{folder}: no finished run; `kinema train DATA` makes one")
        _say_unfinished(begun)
        return
    found = sort_runs(found, sort)
    _show(found)
    leaky = [run for run in found if run.leak]
    for run in leaky:
        say(f"warning: {run.name}: its splits leak ({run.leak}); its accuracy is not that of unseen groups")
    _say_unfinished(begun)
    paths: list[Path] = []
    if csv is not None:
        with atomic_path(csv) as temporary:
            run_table(found).to_csv(temporary, index=False)
        paths.append(csv)
    newest = max(found, key=lambda run: run.date.timestamp() if run.date else 0)
    done(paths, [f"kinema report {_quoted(newest.folder)}"])


def _say_unfinished(begun: Sequence[Path]) -> None:
    from kinema.cli.console import say
    from kinema.runs import at_work

    for path in begun:
        if at_work(path):
            say(f"being trained now: {path}")
        else:
            say(f"not finished: kinema train --resume {_quoted(path)}")


@app.command("prune")
def prune_runs(
    folder: Folder = Path("runs"),
    keep_best: Annotated[
        int | None, typer.Option(min=0, help="Keep so many of the best on each data set.")
    ] = None,
    older_than: Annotated[
        float | None, typer.Option(min=0, help="Only runs older than so many days.")
    ] = None,
    recognizers: Annotated[
        bool, typer.Option("--recognizers", help="Delete their recognizers and reports too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete logs, tables and pictures of runs that are no longer wanted; recognizers and reports stay unless told."""
    from kinema.cli.console import say, warn
    from kinema.runs import find_runs, prunable_bytes, prune, to_prune

    found, problems = find_runs(folder)
    for problem in problems:
        warn(f"not touched: {problem}")
    chosen = to_prune(found, keep_best=keep_best, older_than=older_than)
    if not recognizers:
        chosen = [run for run in chosen if prunable_bytes(run)]
    if not chosen:
        say("nothing to prune")
        return
    _show(chosen)
    size = sum(prunable_bytes(run, recognizer=recognizers) for run in chosen)
    what = "everything in them" if recognizers else "logs, tables and pictures; recognizers and reports stay"
    say(f"\n{len(chosen)} of {len(found)} runs, {size / 1e6:.1f} MB: {what}")
    if not yes and not _agreed():
        say("nothing was deleted")
        return
    freed = 0
    for run in chosen:
        count, left = prune(run, recognizer=recognizers)
        freed += count
        for path in left:
            say(f"left, not of kinema's making: {path}")
    say(f"freed {freed / 1e6:.1f} MB")


def _agreed() -> bool:
    import sys

    try:
        return typer.confirm("Delete?", default=False)
    except typer.Abort:
        if sys.stdin.isatty():  # Ctrl-C
            raise
        raise UsageError("nobody is there to ask, and nothing was deleted; add --yes") from None


_NUMBERS = ("accuracy", "95 %", "baseline", "params", "MB", "frames/s", "difference")


# What is said of a run besides its accuracy, in both tables.
_FACTS: tuple[tuple[str, Callable[[RunRecord], str]], ...] = (
    ("tested on", lambda run: f"{run.how}, {run.items}"),
    ("baseline", lambda run: _rate(run.baseline)),
    ("params", lambda run: "–" if run.parameters is None else f"{run.parameters:,}"),
    ("MB", lambda run: "–" if run.megabytes is None else f"{run.megabytes:.1f}"),
    ("frames/s", lambda run: "–" if run.frames_per_second is None else f"{run.frames_per_second:.0f}"),
    ("date", lambda run: run.date.astimezone().strftime("%Y-%m-%d %H:%M") if run.date else "–"),
    ("rows", lambda run: run.fingerprint[:8] or "–"),
)


def _show(runs: list[RunRecord]) -> None:
    rows = [
        (
            run.name,
            Path(run.data).name,
            run.model,
            _rate(run.accuracy),
            _interval(run),
            *(cell(run) for _, cell in _FACTS),
            "LEAKS" if run.leak else "",
        )
        for run in runs
    ]
    _say_table(("run", "data", "model", "accuracy", "95 %", *(name for name, _ in _FACTS), ""), rows)


def _say_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns, however wide: a name that was cut could not be copied."""
    from kinema.cli.console import say

    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        cells = [
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        ]
        say("  ".join(cells).rstrip())


def _compare(folder: Path, first: str, second: str) -> None:
    from kinema.cli.console import say
    from kinema.runs import compare, read_run

    one, other = (read_run(_place(folder, name)) for name in (first, second))
    found = compare(one, other)
    rows = []
    for name, a, b in found.metrics:
        difference = f"{b - a:+.3f}" if a is not None and b is not None and found.comparable else ""
        rows.append((name, _rate(a), _rate(b), difference))
        if name == "top-1":
            rows.append(("  95 % interval", _interval(one), _interval(other), ""))
    rows += [(name, cell(one), cell(other), "") for name, cell in _FACTS]
    rows += [(name, _plain(a), _plain(b), "") for name, a, b in found.settings]
    _say_table(("", first, second, "difference"), rows)
    say(f"\naccuracy {'comparable' if found.comparable else 'NOT comparable'}: {found.why}")
    for run in (one, other):
        if run.leak:
            say(f"warning: {run.name}: its splits leak ({run.leak})")


def _place(folder: Path, name: str) -> Path:
    for place in (folder / name, Path(name)):
        if (place / "results.json").is_file():
            return place
    raise UsageError(
        f"--compare {name}: no finished run of that name in {folder}; `kinema runs {folder}` lists them"
    )


def _interval(run: RunRecord) -> str:
    return "–" if run.low is None or run.high is None else f"{run.low:.3f}–{run.high:.3f}"


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _plain(value: Any) -> str:
    return "–" if value is None else str(value)


def _quoted(path: Path) -> str:
    from kinema.cli.console import quoted

    return quoted(path)
