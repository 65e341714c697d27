"""`kinema mine next RUN POOL`: which clips people should review next, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinema.cli.mine.app import app, say_json


@app.command("next")
def next_(
    run: Annotated[Path, typer.Argument(help="A run folder, or a recognizer's.", show_default=False)],
    pool: Annotated[
        Path,
        typer.Argument(
            help="Clips, labelled or not: a manifest, the folder of kinema mine clips, or a folder of videos.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The manifest to write; default POOL-next.csv beside the pool.", show_default=False
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many clips.")] = 50,
    by: Annotated[
        str,
        typer.Option(
            help="mix (unsure, no twins), uncertainty, disagreement (with neighbours), coverage or all."
        ),
    ] = "mix",
    measure: Annotated[str, typer.Option(help="Of uncertainty: margin or entropy.")] = "margin",
    neighbours: Annotated[int, typer.Option(min=1, help="Of disagreement: how many are asked.")] = 5,
    labelled: Annotated[
        Path | None,
        typer.Option(help="What is labelled already; default the run's own data.", show_default=False),
    ] = None,
    book: Annotated[
        Path | None,
        typer.Option(
            help="Decisions of a review; its clips are passed over. Default that of kinema mine review POOL.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, torch (torch on the CPU) or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the clips as JSON.")] = False,
) -> None:
    """Put clips into the order in which their labels would teach a recognizer most."""
    from kinema.cli.console import done, progress_bar, quoted, say
    from kinema.data.readers.tables import refuse_suffix
    from kinema.mining.active import next_to_review

    home = pool.resolve()
    target = out or home.with_name(f"{home.stem}-next.csv")
    place, name = (home, home.name) if home.is_dir() else (home.parent, home.stem)
    decisions = book or place / f"{name}.review.jsonl"
    refuse_suffix(target)
    with progress_bar() as bar:
        task = bar.add_task("loading", total=None)

        def show(what: str, now: int, total: int) -> None:
            bar.update(task, description=what, completed=now, total=total)

        found = next_to_review(
            run,
            pool,
            count,
            strategy=by,
            measure=measure,
            neighbours=neighbours,
            labelled=labelled,
            book=decisions,
            device=device,
            progress=show,
        )
    found.manifest.write(target)
    rows = found.manifest.table
    if as_json:
        import json

        names = ["rank", "video", "start", "end", "label", "predicted", "score", "reason"]
        cells = json.loads(rows[names].to_json(orient="records"))
        told = {"manifest": str(target), "notes": found.notes, "clips": cells}
        say_json(told)
        return
    for note in found.notes:
        say(note)
    shown = rows[["rank", "video", "label", "reason"]].head(10)
    for rank, video, label, reason in shown.itertuples(index=False):
        say(f"{rank:3} {video} ({label}): {reason}")
    if len(rows) > 10:
        say(f"and {len(rows) - 10} more")
    done([target], [f"kinema mine review {quoted(target)} --book {quoted(decisions)}"])
