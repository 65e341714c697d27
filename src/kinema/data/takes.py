"""Takes: short clips of actions that are taught; how the actions may be called, and how many takes are still needed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kinema.data.wording import count
from kinema.errors import UsageError

NOTHING = "nothing"
"""The label of doing none of the actions; it makes no events."""
ENOUGH = 4
"""Takes of each action that are asked for; `LEAST` can be learned from, and two more are what an estimate needs."""
LEAST = 1
LONGEST = 40  # letters of a label
# Columns of frame_predictions.csv, which a training on the same takes would write.
_RESERVED = {"prediction", "video", "frame", "label", "split", "error"}
_SIDES = {
    "left", "right", "links", "rechts", "gauche", "droite", "izquierda", "derecha", "sinistra", "destra", "esquerda",
    "direita",
}  # fmt: skip


@dataclass(frozen=True)
class Readiness:
    """Whether takes can be trained on (`can_train`), and whether an estimate is possible; `text` says what is missing."""

    can_train: bool
    can_estimate: bool
    text: str


def checked_label(text: str, others: Iterable[str] = ()) -> str:
    """Return a name of an action without needless spaces.

    >>> checked_label("  thumbs   up ")
    'thumbs up'

    Raises `UsageError` for one that is empty, too long, not printable, taken by one of `others`, or reserved.
    """
    label = " ".join(unicodedata.normalize("NFC", text).split())
    if not label:
        raise UsageError("an action needs a name, such as 'wave'")
    if len(label) > LONGEST:
        raise UsageError(f"'{label[:20]}…': give an action a name of at most {LONGEST} letters")
    if not label.isprintable() or any(letter in label for letter in "/\\"):
        raise UsageError(f"'{label!r}': give an action a name of letters, digits and spaces")
    if label.casefold() in _RESERVED:
        raise UsageError(f"'{label}': this word is taken by kinema's tables; choose another name")
    if label.casefold() == NOTHING:
        label = NOTHING
    for other in others:
        if other.casefold() == label.casefold():
            raise UsageError(f"'{label}': there is an action of this name already")
    return label


def tell_sides(labels: Iterable[str]) -> bool:
    """Return whether a name holds a word for left or right, so that a mirrored take would show something else.

    >>> tell_sides(["swipe-left", "wave"]), tell_sides(["bright light", "wave"])
    (True, False)
    """
    return any(word in _SIDES for label in labels for word in re.findall(r"[^\W\d_]+", label.casefold()))


def readiness(takes: Mapping[str, int]) -> Readiness:
    """Say what a number of takes for each label is good for.

    >>> readiness({"wave": 4, "clap": 0}).text
    "Record takes of 'clap'."
    """
    actions = [label for label in takes if label != NOTHING]
    if len(takes) < 2 or not actions:
        return Readiness(
            False, False, "Name a second action, or 'nothing': a recognizer tells at least two apart."
        )
    empty = [label for label, number in takes.items() if number < LEAST]
    if empty:
        return Readiness(False, False, f"Record takes of {_quoted(empty)}.")
    lone = [label for label, number in takes.items() if number < 2]
    if lone:
        return Readiness(
            True, False, f"Record a second take of {_quoted(lone)}: one to learn from, one to be tested with."
        )
    few = [
        f"{count(ENOUGH - number, 'more take')} of '{label}'"
        for label, number in takes.items()
        if number < ENOUGH
    ]
    if few:
        return Readiness(True, True, f"Ready. Better with {_joined(few)}.")
    return Readiness(True, True, "Ready.")


def _quoted(labels: list[str]) -> str:
    return _joined([f"'{label}'" for label in labels])


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
