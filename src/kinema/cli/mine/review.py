"""`kinema mine review MANIFEST`: candidate clips in a player, one key a decision, and the accepted ones as a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinema.cli.mine.app import app, say_json
from kinema.errors import DataError, UsageError

if TYPE_CHECKING:
    from kinema.data import Manifest
    from kinema.mining.review import Candidate, Families, ReviewRules, Session

_MINED = "clips.csv"  # kinema.mining.clips.results.MANIFEST, without what comes with it
_AGREEMENT = "Agreement"


@app.command()
def review(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST",
            help="A manifest of candidate clips, or the folder of kinema mine clips.",
            show_default=False,
        ),
    ],
    reviewer: Annotated[
        str | None, typer.Option(help="Who decides; default the name of this user.", show_default=False)
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Only clips proposed as this; repeatable.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The accepted clips; default MANIFEST's name with .accepted.csv.", show_default=False
        ),
    ] = None,
    book: Annotated[
        Path | None,
        typer.Option(
            help="Where decisions are kept, by several reviewers too; default MANIFEST's name with .review.jsonl.",
            show_default=False,
        ),
    ] = None,
    player: Annotated[
        str | None,
        typer.Option(
            help="The program that shows a clip, such as 'mpv --loop'; default the system's.",
            show_default=False,
        ),
    ] = None,
    opens: Annotated[
        bool, typer.Option("--open/--no-open", help="Open each clip, or print where it lies.")
    ] = True,
    near: Annotated[
        bool,
        typer.Option("--near/--no-near", help="Compare all clips first; the same footage comes together."),
    ] = True,
    need: Annotated[
        int, typer.Option(min=1, help="Votes that a label needs.", rich_help_panel=_AGREEMENT)
    ] = 1,
    of: Annotated[
        int | None,
        typer.Option(
            help="Of at most so many reviewers; default as many as votes. Kinetics: 3 of 5.",
            rich_help_panel=_AGREEMENT,
            show_default=False,
        ),
    ] = None,
    pots_every: Annotated[
        int,
        typer.Option(
            min=0,
            help="A clip of known answer (column 'known') after so many.",
            rich_help_panel=_AGREEMENT,
        ),
    ] = 10,
    export: Annotated[
        bool, typer.Option("--export", help="Ask nothing; report and write what was decided.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --export: print the report as JSON.")] = False,
) -> None:
    """Look at candidate clips one by one, decide by a key, and get the accepted ones as a manifest.

    Every decision is on the disk before the next clip is shown; several people may review at the same time.
    """
    import sys

    if as_json and not export:
        raise UsageError("--json: prints what --export finds; give both")
    if not export and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "a review is answered at a terminal; --export writes what was decided, kinema serve reviews in a browser"
        )
    from kinema.cli.mine.answering import answer_all
    from kinema.cli.mine.player import Player
    from kinema.data import read_data
    from kinema.mining.review import Families, ReviewFile, ReviewRules, Session, candidates_of

    rules = ReviewRules(need, need if of is None else of, pots_every)
    given = _manifest(manifest)
    places = _Places.beside(given, out, book)
    who = _user() if reviewer is None else reviewer.strip()
    if not who:
        raise UsageError("--reviewer: give a name; each reviewer has one vote a clip")
    shown = Player(player) if opens and not export else None
    data = read_data(given)
    candidates = candidates_of(data)
    families = _families(data, candidates) if near else Families({})
    session = Session(
        ReviewFile(places.book, candidates), who, rules, neighbours=families.neighbours, only=label or ()
    )
    if not export:
        answer_all(session, shown, data.root)
    _end(session, places, data, families, rules, as_json)


@dataclass(frozen=True)
class _Places:
    """Where decisions are kept, and the accepted clips written."""

    book: Path
    out: Path

    @classmethod
    def beside(cls, manifest: Path, out: Path | None, book: Path | None) -> _Places:
        home = manifest if manifest.is_dir() else manifest.parent
        stem = manifest.resolve().name if manifest.is_dir() else manifest.stem
        found = cls(book or home / f"{stem}.review.jsonl", out or home / f"{stem}.accepted.csv")
        if found.out.resolve() in (manifest.resolve(), found.book.resolve()):
            raise UsageError(f"{found.out}: this is what is reviewed; give --out another name")
        return found


def _manifest(path: Path) -> Path:
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; check the path")
    return path / _MINED if (path / _MINED).is_file() else path


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise UsageError("this user has no name; say who decides with --reviewer NAME") from error


def _families(data: Manifest, candidates: Sequence[Candidate]) -> Families:
    from kinema.cli.console import warn
    from kinema.cli.data.likeness import comparing
    from kinema.mining.review import find_families

    with comparing() as progress:
        found = find_families(data, candidates, progress=progress)
    for problem in found.problems:
        warn(problem)
    return found


def _end(
    session: Session, places: _Places, data: Manifest, families: Families, rules: ReviewRules, as_json: bool
) -> None:
    """Say how the review goes, and write what was accepted."""
    from kinema.cli.console import done, quoted, say, warn
    from kinema.mining.review import ReviewReport, accepted_manifest

    candidates, records = session.book.candidates(), session.book.records()
    report = ReviewReport.of(candidates, records, rules)
    written = None
    try:
        made = accepted_manifest(candidates, records, data.root, rules, neighbours=families.neighbours)
        written, notes = made.manifest.write(places.out), made.notes
    except DataError as error:  # nothing is accepted
        before = [f"{places.out}: from before; what it holds is not accepted now"]
        notes = [str(error), *(before if places.out.exists() else [])]
    if as_json:
        manifest = None if written is None else str(written)
        values = {"manifest": manifest, "book": str(places.book), **report.to_dict(), "notes": notes}
        say_json(values)
        return
    for line in report.lines():
        say(line)
    for line in [*notes, *report.advice()]:
        warn(line)
    found = [path for path in (written, places.book) if path is not None and path.exists()]
    done(found, [f"kinema train {quoted(written)}"] if written is not None else [])
