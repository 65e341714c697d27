"""The templates of pages that need no other file and no network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jinja2

_TEMPLATES = Path(__file__).parent / "templates"


def page_template(name: str, **filters: Callable[..., str]) -> jinja2.Template:
    """Return a template of the data room: names are escaped, and one that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(name)
