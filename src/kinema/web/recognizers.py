"""The recognizers that pages offer: the one that was given to `serve`, those of the folders of runs, and those taught here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404

from kinema.web.folder import site


@dataclass(frozen=True)
class Choice:
    """A recognizer on disk: `key` names it in addresses and forms, and says nothing of where it lies."""

    key: str
    title: str
    path: Path
    classes: list[str]
    model: str
    taught: bool
    modified: float


def recognizers() -> list[Choice]:
    """Return what is there now: the one that was given first, then the newest first."""
    taught = site().place("taught")
    places = [
        path for folder in (*settings.KINEMA_RUNS, taught, site().place("runs")) for path in _inside(folder)
    ]
    choices = [choice for place in places if (choice := _read(place, place.parent == taught))]
    choices.sort(key=lambda choice: -choice.modified)
    given = _read(Path(settings.KINEMA_RUN), False) if settings.KINEMA_RUN else None
    found = {choice.key: choice for choice in ([given] if given else []) + choices}
    return list(found.values())


def recognizer(key: str) -> Choice:
    """Return the recognizer of that key. Raises `Http404`."""
    for choice in recognizers():
        if choice.key == key:
            return choice
    raise Http404(f"no recognizer {key!r}: it may have been removed")


def _inside(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:  # not there yet, or not for us to read
        return []


def _read(place: Path, taught: bool) -> Choice | None:
    """Return what lies in a run folder or a recognizer's folder; None where nothing that can be read does."""
    for folder in (place / "recognizer", place):
        path = folder / "recognizer.json"
        try:
            written: dict[str, Any] = json.loads(path.read_text())
            title = str(written.get("title") or place.name)
            return Choice(
                key_of(place),
                title,
                place,
                list(written["classes"]),
                str(written["model"]),
                taught,
                path.stat().st_mtime,
            )
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
        ):  # AttributeError: JSON that is no object
            continue
    return None


def key_of(place: Path) -> str:
    """Return the key of a recognizer's folder: its name and a few letters that tell folders of one name apart."""
    letters = hashlib.sha256(str(place.resolve()).encode()).hexdigest()[:8]
    name = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in place.name)
    return f"{name}-{letters}"
