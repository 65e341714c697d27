"""`kinema mine videos`: candidate videos for names of actions, as a list that `kinema data fetch` takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinema.cli.mine.app import Actions, AsJson, Queries, Translations, app, counting, say_counts, say_json

if TYPE_CHECKING:
    from kinema.mining.videos import FoundVideos

_WHICH = "Which videos"


@app.command()
def videos(
    actions: Actions,
    out: Annotated[Path, typer.Option(help="The list to write.")] = Path("videos.csv"),
    per_action: Annotated[
        int, typer.Option("--videos-per-action", "--per-action", min=1, help="Videos of each action.")
    ] = 50,
    query: Queries = None,
    translations: Translations = None,
    licence: Annotated[
        str,
        typer.Option(
            "--licence",
            "--license",
            help="any, or open: Creative Commons, each video asked.",
            rich_help_panel=_WHICH,
        ),
    ] = "any",
    min_seconds: Annotated[
        float, typer.Option(min=0, help="Shorter ones are left out.", rich_help_panel=_WHICH)
    ] = 10.0,
    max_seconds: Annotated[
        float, typer.Option(min=0, help="Longer ones are left out.", rich_help_panel=_WHICH)
    ] = 1200.0,
    site: Annotated[
        str, typer.Option(help="The prefix of a site's search in yt-dlp.", rich_help_panel=_WHICH)
    ] = "ytsearch",
    as_json: AsJson = False,
) -> None:
    """Search a site for videos of actions; titles, durations and licences go into a list to look through and fetch.

    The same command goes on where it stopped, and asks nothing for actions that have enough.
    """
    from kinema.mining.images import read_translations
    from kinema.mining.names import read_names
    from kinema.mining.videos import VideoRules, mine_videos

    names = read_names(actions)
    texts = read_translations(translations, names) if translations else None
    rules = VideoRules(licence, min_seconds, max_seconds)
    with counting(per_action * len(names)) as progress:
        found = mine_videos(
            names,
            out,
            per_action=per_action,
            rules=rules,
            templates=query or ("NAME",),
            translations=texts,
            site=site,
            progress=progress,
        )
    _tell(found, as_json)


def _tell(found: FoundVideos, as_json: bool) -> None:
    from kinema.cli.console import done, quoted, warn

    if as_json:
        say_json(found.to_dict())
        return
    for problem in found.problems:
        warn(problem)
    total = f"{sum(found.counts.values())} videos, {found.seconds / 3600:.1f} h, {found.new} new"
    say_counts(found.counts, found.wanted, total, found.left_out)
    folder = found.table.with_suffix("")
    command = f"kinema data fetch kinetics-400 --lists {quoted(found.table)} --out {quoted(folder)}"
    done([found.table, found.left_out_table], [command] if found.fetchable else [])
