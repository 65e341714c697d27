"""NAME=VALUE, as people write a setting on a command line or in a form."""

from __future__ import annotations

import json
from typing import Any

from kinema.errors import UsageError


def name_and_value(text: str) -> tuple[str, Any]:
    """Return what `NAME=VALUE` says; the value is read as JSON where it can be. Raises `UsageError` without a "=".

    >>> name_and_value("learning-rate=0.1")
    ('learning_rate', 0.1)
    >>> name_and_value("freeze = False")
    ('freeze', False)
    """
    name, equals, word = text.partition("=")
    if not equals:
        raise UsageError(f"setting {text!r}: write NAME=VALUE, such as frames=32")
    word = word.strip()
    try:
        value = json.loads(word.lower() if word.lower() in ("true", "false") else word)
    except ValueError:
        value = word
    return name.strip().replace("-", "_"), value
