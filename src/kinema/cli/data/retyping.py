"""A command as it was typed: to be typed again, or to say which of its options do not fit."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from typing import Any

import typer


def given(context: typer.Context, panels: Collection[str] = (), names: Collection[str] = ()) -> list[str]:
    """Return the options that were typed, of these help panels or of these parameter names, as they are typed."""
    return [
        _flag(parameter)
        for parameter in context.command.params
        if _typed(context, parameter)
        and (parameter.name in names or getattr(parameter, "rich_help_panel", None) in panels)
    ]


def retyped(context: typer.Context, *, without: Collection[str] = (), **instead: Any) -> str:
    """Return the command with everything that was typed, as a shell takes it, but for the parameters `without`.

    `instead` gives parameters another value, or one where none was typed.
    """
    words = ["kinema", "data", str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        if name in without or not (name in instead or _typed(context, parameter)):
            continue
        value = instead.get(name, context.params.get(name))
        for one in value if isinstance(value, list | tuple) else [value]:
            if parameter.param_type_name == "argument":
                words.append(str(one))
            elif one is True:
                words.append(_flag(parameter))
            elif one not in (None, False):
                words += [_flag(parameter), str(one)]
    return shlex.join(words)


def _typed(context: typer.Context, parameter: Any) -> bool:
    # By name: newer typer has a click of its own, older typer the installed one.
    source = context.get_parameter_source(str(parameter.name))
    return source is not None and source.name == "COMMANDLINE"


def _flag(parameter: Any) -> str:
    return next((text for text in parameter.opts if text.startswith("--")), str(parameter.name))
