"""What came of a job: kept under the token that its page made, so that the page finds it whenever the job is over."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.http import Http404

from kinema.files import write_json
from kinema.web.folder import site, trim

_TOKEN = re.compile(r"[0-9a-f]{10}")
MOST_ABSENT = 200
"""Rows of what is missing that a page lists; the table holds all."""
_MOST = 500 * 10**6  # bytes of all outcomes; the oldest go


@dataclass
class Outcome:
    """What was done and what to do next.

    `kind`: import, unpack, split, clean. `source`: the key of the manifest it was made of. `made`: keys of manifests.
    `notes`: what was done, a sentence each. `absent`: (place, path, label, why) of what is listed and missing,
    `absent_total` of them. `refused`: why nothing was written. `alike`: what clips have in common, in words.
    `settings`: what was asked for, to ask again.
    """

    kind: str
    title: str
    source: str = ""
    made: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    absent: list[list[str]] = field(default_factory=list)
    absent_total: int = 0
    refused: str = ""
    alike: str = ""
    pictures: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


def new_token() -> str:
    """Return a name that no outcome and no manifest has."""
    return secrets.token_hex(5)


def keep_outcome(token: str, outcome: Outcome) -> None:
    """Write an outcome; again with a token: in place of the one before."""
    trim(site().place("outcomes"), _MOST)
    write_json(_path(token, "json"), asdict(outcome))


def outcome(token: str) -> Outcome:
    """Return the outcome of a token. Raises `Http404` before there is one."""
    if not _TOKEN.fullmatch(token):
        raise Http404
    try:
        return Outcome(**json.loads(_path(token, "json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise Http404("nothing is kept of this") from error


def leak_page(token: str) -> Path:
    """Return where the pictures of clips that are alike are, or will be."""
    if not _TOKEN.fullmatch(token):
        raise Http404
    return _path(token, "html")


def absent_table(token: str) -> Path:
    """Return where the table of all that is missing is, or will be."""
    if not _TOKEN.fullmatch(token):
        raise Http404
    return _path(token, "csv")


def _path(token: str, suffix: str) -> Path:
    return site().place("outcomes") / f"{token}.{suffix}"
