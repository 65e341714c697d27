"""Filters: shares, intervals, counts and times in words."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()
_THIN = "\N{NARROW NO-BREAK SPACE}"


@register.filter
def pct(value: float | None, digits: int = 1) -> str:
    """0.975 as 97.5 %."""
    return "–" if value is None else f"{100 * value:.{digits}f}{_THIN}%"


@register.filter
def span(interval: dict[str, Any]) -> str:
    """An interval's ends, as 95.1–99.4 %; empty where there is none."""
    if not interval or interval.get("low") is None or interval.get("high") is None:
        return ""
    return f"{100 * interval['low']:.1f}–{100 * interval['high']:.1f}{_THIN}%"


@register.filter
def millions(value: int | None) -> str:
    """3562560 as 3.6 M."""
    if value is None:
        return "–"
    return f"{value / 1e6:.1f}{_THIN}M" if value >= 1e6 else f"{value / 1e3:.0f}{_THIN}k"


@register.filter
def duration(seconds: float | None) -> str:
    """75.2 as 1 min 15 s."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}{_THIN}h {minutes}{_THIN}min"
    return f"{minutes}{_THIN}min {rest}{_THIN}s" if minutes else f"{rest}{_THIN}s"


@register.filter
def plain(value: Any) -> str:
    """A setting's value as text."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(plain(part) for part in value)
    return str(value)
