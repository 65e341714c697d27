"""Times and sizes as people read them."""

from __future__ import annotations

from django import template

from kinema.web.videos.limits import in_words

register = template.Library()


@register.filter
def clock(seconds: float | None, places: int = 0) -> str:
    """Seconds as 1:02:03, with `places` decimals as 0:07.4.

    >>> clock(3723.0), clock(7.44, 1), clock(59.97, 1), clock(None)
    ('1:02:03', '0:07.4', '1:00.0', '')
    """
    if seconds is None:
        return ""
    unit = 10**places
    whole, part = divmod(round(float(seconds) * unit), unit)
    text = f"{whole // 60 % 60}:{whole % 60:02d}"
    if whole >= 3600:
        text = f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{text}.{part:0{places}d}" if places else text


@register.filter
def percent(share: float | None) -> str:
    """A share of one as a percentage.

    >>> percent(0.876), percent(None)
    ('88 %', '')
    """
    return "" if share is None else f"{100 * float(share):.0f} %"


@register.filter
def bytes_in_words(size: int) -> str:
    """Bytes as 1.5 KB."""
    return in_words(int(size))
