"""Numbers and names as people read them."""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath
from typing import Any

from django import template

from kinema.data import Segment
from kinema.data.segments import named as name_of
from kinema.data.wording import count as count_of
from kinema.web.datasets.wording import on_a_page

register = template.Library()
_CLIMBS = re.compile(r"(?:\.\./)+")


@register.filter
def number(value: float) -> str:
    """1234567 as 1,234,567."""
    return f"{value:,}"


@register.filter
def count(value: int, noun: str) -> str:
    """3 as "3 clips"; for an odd plural: "class,classes"."""
    return count_of(value, *noun.split(","))


@register.filter
def seconds(value: float | None) -> str:
    """A time: 0.84 s, 8.2 s, 7:05 min, 2:03:09 h; nothing for None."""
    if value is None or math.isnan(value):
        return ""
    if value < 60:
        return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
    whole = math.floor(value + 0.5)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


@register.filter
def file_name(segment: Segment) -> str:
    """The last part of a segment's path, as text that can be written."""
    return readable(PurePosixPath(segment.name.replace("\\", "/")).name or segment.name)


@register.filter
def part(segment: Segment) -> str:
    """Which part of its video a segment is; nothing for all of it."""
    if segment.start is None and segment.end is None:
        return ""
    return f", {segment.start or 0:g} to {'the end' if segment.end is None else f'{segment.end:g} s'}"


@register.filter
def named(segment: Segment) -> str:
    """The whole path of a segment, with its times."""
    return readable(name_of(segment))


@register.filter
def readable(text: Any) -> str:
    """Any name or sentence as text that can be written; a path that climbs out of its folder is shown from there on."""
    return _CLIMBS.sub("…/", str(text).encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


@register.filter
def said(sentence: Any) -> str:
    """A sentence of the library, as a page says it."""
    return on_a_page(readable(sentence))


@register.filter
def at(places: Any, index: Any) -> Any:
    """The item of a sequence or a mapping; None where there is none."""
    try:
        return places[index]
    except (KeyError, IndexError, TypeError):
        return None


@register.filter
def rest(percent: float) -> str:
    """What is left to 100, as SVG takes it."""
    return f"{100 - percent:.2f}"


@register.filter
def moment(iso: str) -> str:
    """2026-11-21T17:50:00+00:00 as 2026-11-21 17:50."""
    return iso[:16].replace("T", " ")
