"""`kinema mine images`: a folder of images for each name of an action."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinema.cli.mine.app import Actions, AsJson, Queries, Translations, app, counting, say_counts, say_json

if TYPE_CHECKING:
    from kinema.mining.images import MinedImages

_ASKED, _TAKEN, _MANNERS = "What is asked", "What is taken", "Manners"


@app.command()
def images(
    actions: Actions,
    out: Annotated[Path, typer.Option("--out-path", "--out", help="The folder to fill.")] = Path("images"),
    per_action: Annotated[
        int, typer.Option("--images-per-action", "--per-action", min=1, help="Images of each action.")
    ] = 100,
    workers: Annotated[
        int, typer.Option("--num-workers", "--workers", min=1, max=32, help="Downloads side by side.")
    ] = 4,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            help="openverse, bing, google, a folder of class folders, or a CSV of addresses; repeatable, asked in order. "
            "Default openverse.",
            rich_help_panel=_ASKED,
            show_default=False,
        ),
    ] = None,
    query: Queries = None,
    translations: Translations = None,
    licence: Annotated[
        str,
        typer.Option(
            "--licence", "--license", help="any, open, commercial or modification.", rich_help_panel=_ASKED
        ),
    ] = "any",
    min_side: Annotated[
        int, typer.Option(min=1, help="Pixels of the shorter side, at least.", rich_help_panel=_TAKEN)
    ] = 128,
    max_side: Annotated[
        int,
        typer.Option(
            min=0, help="Larger ones are shrunk to it, longer side; 0: never.", rich_help_panel=_TAKEN
        ),
    ] = 1024,
    distance: Annotated[
        int | None,
        typer.Option(
            help="Bits of 256 in which near-duplicates may differ.",
            rich_help_panel=_TAKEN,
            show_default=False,
        ),
    ] = None,
    contact: Annotated[
        str,
        typer.Option(
            envvar="KINEMA_CONTACT",
            help="A mail address or page, told to sites.",
            rich_help_panel=_MANNERS,
        ),
    ] = "",
    interval: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds between two requests to one host.", rich_help_panel=_MANNERS),
    ] = 0.5,
    despite_robots: Annotated[
        list[str] | None,
        typer.Option(
            help="A host that is asked although its robots.txt forbids it; you answer for that.",
            rich_help_panel=_MANNERS,
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Collect images of actions, a folder for each, without near-duplicates; the same command goes on where it stopped."""
    from contextlib import ExitStack, closing

    from kinema.cli.console import warn
    from kinema.mining.images import (
        EngineSettings,
        PictureRules,
        PoliteClient,
        mine_images,
        open_engine,
        read_translations,
    )
    from kinema.mining.images.likeness import DISTANCE
    from kinema.mining.names import read_names

    names = read_names(actions)
    texts = read_translations(translations, names) if translations else None
    rules = PictureRules(min_side=min_side, max_side=max_side or None)
    with ExitStack() as stack:
        progress = stack.enter_context(counting(per_action * len(names)))
        client = stack.enter_context(
            closing(
                PoliteClient(
                    contact=contact, interval=interval, despite_robots=despite_robots or (), say=warn
                )
            )
        )
        settings = EngineSettings(client, licence, warn)
        engines = [
            stack.enter_context(closing(open_engine(name, settings))) for name in engine or ["openverse"]
        ]
        if not contact and not all(Path(name).exists() for name in engine or ["openverse"]):
            warn("sites cannot reach you: give --contact, or set KINEMA_CONTACT, to a mail address or a page")
        mined = mine_images(
            names,
            out,
            engines,
            client,
            per_action=per_action,
            workers=workers,
            rules=rules,
            templates=query or ("NAME",),
            translations=texts,
            distance=DISTANCE if distance is None else distance,
            progress=progress,
        )
    _tell(mined, as_json)


def _tell(mined: MinedImages, as_json: bool) -> None:
    from kinema.cli.console import done, quoted, say, warn

    if as_json:
        say_json(mined.to_dict())
        return
    for problem in mined.engines:
        warn(problem)
    total = f"{sum(mined.counts.values())} images, {mined.new} new"
    say_counts(mined.counts, mined.wanted, total, mined.left_out)
    if mined.short:
        say("engines had no more; --query 'NAME person', --translations and further --engine find others")
    done(
        [mined.folder, mined.table, mined.left_out_table],
        [f"kinema mine classifier --data-dir {quoted(mined.folder)}"],
    )
