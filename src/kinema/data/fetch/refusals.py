"""Why a video of a site cannot be had, told apart from what the site, yt-dlp or the network said."""

from __future__ import annotations

import re
from enum import StrEnum


class Reason(StrEnum):
    """What a failure is called in the table of failures; the text of the site follows it."""

    PRIVATE = "private"
    REMOVED = "removed"
    COUNTRY = "unavailable in this country"
    AGE = "age-restricted"
    PAID = "members only or paid"
    SHORT = "too short"
    RATE = "rate limited"
    REFUSED = "refused"
    NETWORK = "network"
    FORMAT = "no usable format"
    DAMAGED = "damaged"
    OTHER = "failed"

    @property
    def permanent(self) -> bool:
        """Whether asking again tomorrow is pointless."""
        return self in _PERMANENT

    @classmethod
    def of_text(cls, text: str) -> Reason | None:
        """Return the reason that a line "private: …" of the table of failures begins with."""
        return next((reason for reason in cls if text == reason or text.startswith(f"{reason}:")), None)


_PERMANENT = frozenset(
    {Reason.PRIVATE, Reason.REMOVED, Reason.COUNTRY, Reason.AGE, Reason.PAID, Reason.SHORT}
)


class ClipError(Exception):
    """A clip cannot be had, for `reason`; `detail` is one line of what was said, `tries` counts the attempts."""

    def __init__(self, reason: Reason, detail: str, tries: int = 1) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.tries = reason, detail, tries


# YouTube's sentences, as its player answers them and yt-dlp passes them on; the first that matches counts,
# since most of them begin with "Video unavailable."
_SENTENCES: tuple[tuple[Reason, str], ...] = (
    (
        Reason.RATE,
        r"too many requests|rate.limited|not a bot|captcha challenge|try again later"
        r"|ip is likely being blocked",
    ),
    (Reason.PRIVATE, r"private video|video is private|granted access to this video"),
    (
        Reason.AGE,
        r"confirm your age|age.restricted|age.verification|age_(?:verification|check)_required"
        r"|inappropriate for some users",
    ),
    (
        Reason.COUNTRY,
        r"in your (?:country|location|region)|from your location|geo.?restrict"
        r"|blocked it on copyright grounds in",
    ),
    (
        Reason.PAID,
        r"members.only|join this channel|channel's members|requires payment|premium members"
        r"|rent(?:al)? (?:or|to)|purchase",
    ),
    (
        Reason.FORMAT,
        r"playback on other websites|drm|format is not available|no video formats|unsupported url"
        r"|live event will|premieres in|update the app|made for kids",
    ),
    (
        Reason.REMOVED,
        r"video unavailable|removed|terminated|no longer available|closed their|is(?: not|n.t) available"
        r"|not available on this app|does not exist|copyright|incomplete youtube id|looks truncated"
        r"|account has been suspended",
    ),
    (
        Reason.NETWORK,
        r"timed? ?out|connection|getaddrinfo|name resolution|unable to connect|network|ssl|bytes read"
        r"|content too short|fragment \d+ not found|proxy",
    ),
    (Reason.REFUSED, r"failed to extract any player response|sign in|log in|login"),
)
_PATTERNS = [(reason, re.compile(pattern, re.IGNORECASE)) for reason, pattern in _SENTENCES]
_STATUS = re.compile(r"HTTP Error (\d{3})")


def reason_of_status(status: int, retry_after: float | None = None) -> Reason:
    """Return what an HTTP error status says of a video; a 503 that states when to come back is a limit.

    >>> reason_of_status(410), reason_of_status(502)
    (<Reason.REMOVED: 'removed'>, <Reason.NETWORK: 'network'>)
    """
    known = {
        401: Reason.PRIVATE,
        402: Reason.PAID,
        403: Reason.REFUSED,
        404: Reason.REMOVED,
        408: Reason.NETWORK,
        410: Reason.REMOVED,
        429: Reason.RATE,
        451: Reason.COUNTRY,
    }
    if status == 503 and retry_after is not None:
        return Reason.RATE
    return known.get(status, Reason.NETWORK if status >= 500 else Reason.REFUSED)


def reason_of_text(text: str) -> Reason:
    """Return what a message of yt-dlp says of a video.

    >>> reason_of_text("ERROR: [youtube] x: Private video. Sign in if you've been granted access to this video")
    <Reason.PRIVATE: 'private'>
    """
    if found := _STATUS.search(text):
        return reason_of_status(int(found.group(1)))
    return next((reason for reason, pattern in _PATTERNS if pattern.search(text)), Reason.OTHER)


def reason_of(error: BaseException) -> Reason:
    """Return why yt-dlp failed, from the HTTP answer or network fault behind the error, else from its words."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import GeoRestrictedError

    for cause in causes(error):
        if isinstance(cause, HTTPError):
            return reason_of_status(cause.status)
        if isinstance(cause, GeoRestrictedError):
            return Reason.COUNTRY
        if isinstance(cause, TransportError | ConnectionError | TimeoutError):
            return Reason.NETWORK
    return reason_of_text(str(error))


_ADVICE = re.compile(
    r"\.? (?:Use --cookies|Also see |It is recommended to use |You might want to use a VPN).*"
    r"|; please report this issue.*"
)


def plain(text: object, most: int = 300) -> str:
    """Return a message as one line without colours, "ERROR:" and the advice to report a bug."""
    line = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(text)).split())
    line = re.sub(r"^ERROR: (\[[\w:+]+\] (?:\S+: )?)?", "", line)
    line = re.sub(r"\s*\(caused by .*", "", line)
    line = _ADVICE.sub("", line).strip()
    return line if len(line) <= most else line[: most - 1] + "…"


def causes(error: BaseException) -> list[BaseException]:
    """Return an error and those behind it; yt-dlp keeps them in `exc_info` and `cause`."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            about = getattr(item, "exc_info", None)
            waiting += [about[1] if isinstance(about, tuple) else None, getattr(item, "cause", None)]
            waiting.append(item.__cause__)
    return found
