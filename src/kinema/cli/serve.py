"""`kinema serve [RUN]`: the site, in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_WHO = "Who may come"


def serve(
    run: Annotated[
        Path | None,
        typer.Argument(help="The run or recognizer that pages choose first.", show_default=False),
    ] = None,
    folder: Annotated[
        Path, typer.Option(help="Where the site keeps its database, uploads, clips and runs.")
    ] = Path("kinema-site"),
    runs: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of runs to show; repeat it for more; default runs.", show_default=False),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="A folder with labelled data to offer; repeat it for more.", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8800,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
    jobs: Annotated[
        int, typer.Option(help="How many long jobs run at a time, and short ones beside them.", min=1)
    ] = 1,
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen on; others than this machine's need a user.", rich_help_panel=_WHO
        ),
    ] = "127.0.0.1",
    add_user: Annotated[
        str | None,
        typer.Option(
            help="Make this user (or give it a new password, asked for) and stop.",
            rich_help_panel=_WHO,
            show_default=False,
        ),
    ] = None,
    login: Annotated[
        bool, typer.Option("--login", help="Ask for a login on this machine too.", rich_help_panel=_WHO)
    ] = False,
    tls_cert: Annotated[
        Path | None,
        typer.Option(help="PEM certificate, for https.", rich_help_panel=_WHO, show_default=False),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="PEM key of it.", rich_help_panel=_WHO, show_default=False)
    ] = None,
    behind_tls: Annotated[
        bool, typer.Option("--behind-tls", help="A proxy speaks https for it.", rich_help_panel=_WHO)
    ] = False,
    plain_http: Annotated[
        bool,
        typer.Option("--plain-http", help="Others may come without https.", rich_help_panel=_WHO),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A further name that it answers to.", rich_help_panel=_WHO, show_default=False),
    ] = None,
) -> None:
    """Serve the site: live view, videos, events and review, teaching, runs, data. Ctrl-C ends it."""
    from kinema.cli.console import say
    from kinema.errors import UsageError

    try:
        from kinema.web.serve import ServeSettings
        from kinema.web.serve import add_user as make_user
        from kinema.web.serve import serve as run_site

        __import__("django"), __import__("uvicorn"), __import__("channels")
    except ImportError as error:
        raise UsageError(
            f"the site needs the web extra ({error.name} is missing); pip install 'kinema[web]'"
        ) from error
    settings = ServeSettings(
        folder=folder, run=run, runs=tuple(runs or ()), data=tuple(data or ()), host=host, port=port,
        certificate=tls_cert, key=tls_key,
        behind_tls=behind_tls, plain_http=plain_http, hosts=tuple(allow_host or ()), jobs=jobs, login=login,
        browser=browser,
    )  # fmt: skip
    if add_user is not None:
        make_user(settings, add_user, _password(add_user))
        say(f"{add_user} can sign in")
        return
    run_site(settings, lambda address: say(f"kinema is at {address}  (Ctrl-C ends it)"))


def _password(name: str) -> str:
    """Return a password that was typed twice, or the first line of a pipe: `--add-user NAME < file`."""
    import sys

    from kinema.errors import UsageError

    if sys.stdin is not None and sys.stdin.isatty():
        return str(typer.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True))
    line = sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""
    if not line:
        raise UsageError(
            f"--add-user {name}: no password; type it at a terminal, or send it as the first line of a pipe"
        )
    return line
