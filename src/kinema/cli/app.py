"""The `kinema` command: its verbs, and how it ends when something goes wrong.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad data, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from kinema import __version__
from kinema.errors import KinemaError

# In the order in which they are used. The modules import what is heavy inside of their functions.
_VERBS = {
    "data": "kinema.cli.data:app",
    "models": "kinema.cli.models:models",
    "train": "kinema.cli.train:train",
    "tune": "kinema.cli.tune:tune",
    "runs": "kinema.cli.runs:app",
    "report": "kinema.cli.report:report",
    "predict": "kinema.cli.predict:predict",
    "watch": "kinema.cli.watch:watch",
    "evaluate-events": "kinema.cli.evaluate_events:evaluate_events",
    "export": "kinema.cli.export:export",
    "serve": "kinema.cli.serve:serve",
    "mine": "kinema.cli.mine:app",
    "demo": "kinema.cli.demo:demo",
    "doctor": "kinema.cli.doctor:doctor",
}
# What Ctrl-C stops and the same command takes up again; the others begin anew.
_GO_ON = (
    ["tune"],
    ["predict"],
    ["evaluate-events"],
    ["mine", "clips"],
    ["mine", "images"],
    ["mine", "review"],
    ["mine", "videos"],
    ["data", "fetch"],
    ["data", "frames"],
    ["data", "upload"],
)
_STOPPED = 130


class _InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(_VERBS)


def build() -> typer.Typer:
    """Return the command with all of its verbs."""
    app = typer.Typer(
        name="kinema",
        cls=_InOrder,
        help="Labelled videos in; an honest report and frame-by-frame predictions out.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_global_options)
    for verb, home in _VERBS.items():
        module, name = home.split(":")
        command = getattr(import_module(module), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=verb)
        else:
            app.command(verb)(command)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; whatever goes wrong is one line on stderr."""
    arguments, debug = _without_debug(arguments)
    warnings.showwarning = _show_warning
    try:
        result = build()(args=list(arguments), prog_name="kinema", standalone_mode=False)
        sys.stdout.flush()
        if result == _STOPPED:  # typer turns Ctrl-C into this
            raise KeyboardInterrupt
        return result if isinstance(result, int) and not isinstance(result, bool) else 0
    except BaseException as error:
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else 1
        if isinstance(error, BrokenPipeError):
            # The reader of a pipe has gone; Python would complain again when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        if debug:
            traceback.print_exc()
        code, text = _explained(error, arguments)
        if text:
            print(f"kinema: {' '.join(text.split())}", file=sys.stderr)
        return code


def _explained(error: BaseException, arguments: Sequence[str]) -> tuple[int, str]:
    """Return the exit code and the line for an error."""
    if isinstance(error, KinemaError):
        return error.exit_code, str(error)
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        if any(arguments[: len(verb)] == verb for verb in _GO_ON):
            return _STOPPED, "stopped; what was finished is kept, and the same command goes on from there"
        return _STOPPED, "stopped; nothing is left half-written, and the same command begins anew"
    if hasattr(error, "format_message") and hasattr(
        error, "exit_code"
    ):  # the usage errors of click and typer
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "kinema"
        message = str(error.format_message())
        # Without a verb, help was printed and there is nothing to say.
        return error.exit_code, f"{message.rstrip('.')}; see `{path} --help`" if message else ""
    if isinstance(error, OSError):
        where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return 1, f"{where}the disk is full; free some space and run the same command again"
        if where:
            return 1, f"{where}{error.strerror or error}"
    if isinstance(error, MemoryError):
        return 1, "out of memory; try a smaller --batch-size or smaller pictures"
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return 1, f"unexpected {text} (please report it; --debug shows the trace)"


def _global_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            is_eager=True,
            callback=lambda on: _say_version(on),
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
) -> None:
    """Labelled videos in; an honest report and frame-by-frame predictions out."""


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"kinema {__version__}")
        raise typer.Exit


def _without_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Take `--debug` from wherever it stands before a `--`: people add it at the end of a line that
    failed."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [word for word in arguments[:end] if word != "--debug"]
    return [*kept, *arguments[end:]], len(kept) < end


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"kinema: warning: {' '.join(str(message).split())}", file=sys.stderr)
