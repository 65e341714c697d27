"""`kinema doctor`: what works on this machine, tried rather than looked up, and the mend for what does
not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kinema.cli.doctor_checks import Finding


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the timing of the backbone.")] = False,
) -> None:
    """Try everything that kinema needs; exits with 1 when something essential does not work."""
    import json
    import sys
    import warnings
    from dataclasses import asdict

    from kinema.cli.console import say
    from kinema.cli.doctor_checks import examine

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        findings = examine(timing=not quick)
    if as_json:
        json.dump([asdict(finding) for finding in findings], sys.stdout, indent=2)
        print()
    else:
        _show(findings)
        failed = [finding.part for finding in findings if finding.status == "fail"]
        say(f"\nnot working: {', '.join(failed)}" if failed else "\nkinema works on this machine")
        if not failed:
            say("Next\n  kinema demo\n  kinema train FOLDER_OF_CLASS_FOLDERS")
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    from kinema.cli.console import console, say

    if not console.is_terminal:  # a file or a pipe: whole lines that grep finds
        for finding in findings:
            mend = f"; mend: {finding.mend}" if finding.mend else ""
            say(f"{finding.status:4}  {finding.part}: {finding.found}{mend}")
        return
    colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    table = Table(box=None, pad_edge=False)
    for column in ("", "part", "found", "mend"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        status = Text(finding.status, style=colours[finding.status])
        table.add_row(status, Text(finding.part), Text(finding.found), Text(finding.mend))
    console.print(table)
