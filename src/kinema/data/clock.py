"""Times as people write them, and as seconds."""

from __future__ import annotations

import math
import re

_PARTS = re.compile(
    r"(?:(?P<hours>[0-9]+):)?(?:(?P<minutes>[0-9]+):)?(?P<seconds>[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)"
)
_FORMS = "HH:MM:SS, MM:SS or seconds, with a fraction or without"


def seconds_of(text: str) -> float:
    """Return the seconds that a time of HH:MM:SS, MM:SS or plain seconds stands for.

    The seconds may have a fraction, after a point or a comma. Hours may pass 24; the minutes of MM:SS may
    pass 59, as in a film of 95:00.

    >>> [seconds_of(text) for text in ("01:00:05.25", "02:05", "7,5")]
    [3605.25, 125.0, 7.5]

    Raises `ValueError` with the reason for anything else: nothing, a sign, NaN, 60 seconds and more beside
    minutes, frames after a fourth colon.
    """
    text = text.strip()
    if not text:
        raise ValueError("no time is given")
    if text.startswith(("-", "\u2212")):
        raise ValueError(f"{text!r} is negative; times count from the start of the video")
    match = _PARTS.fullmatch(text)
    if match is None:
        if re.fullmatch(r"[0-9]+(?::[0-9]+){2}[:;][0-9]+", text):
            raise ValueError(f"{text!r} ends in a frame number; write {_FORMS}")
        raise ValueError(f"{text!r} is no time; write {_FORMS}")
    first, second = match["hours"], match["minutes"]
    # With one colon the only leading part is minutes, whichever group took it.
    hours, minutes = (first, second) if second is not None else (None, first)
    seconds = float(match["seconds"].replace(",", "."))
    if minutes is not None and seconds >= 60:
        raise ValueError(f"{text!r} has {seconds:g} seconds beside minutes; they end at 59.999")
    if hours is not None and int(minutes) >= 60:
        raise ValueError(f"{text!r} has {int(minutes)} minutes beside hours; they end at 59")
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds


def clock_time(seconds: float) -> str:
    """Return seconds as HH:MM:SS, with as many decimals as they need, up to microseconds.

    >>> [clock_time(time) for time in (5, 3605.25, 59.9999999, 360000)]
    ['00:00:05', '01:00:05.25', '00:01:00', '100:00:00']

    Raises `ValueError` for a time that is negative or not finite.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{seconds} is no time from the start of a video")
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    fraction = f".{micro:06d}".rstrip("0") if micro else ""
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{fraction}"
