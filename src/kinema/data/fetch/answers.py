"""What an HTTP answer means for a download: bytes of the file, a reason to try again, or the end."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

from kinema.data.fetch.hosts import retry_after
from kinema.data.fetch.partial import Said

if TYPE_CHECKING:
    import httpx

_PASSING = {408, 425, 429, 500, 502, 503, 504}
_WEB_PAGE = re.compile(r"\.(html?|php)$", re.IGNORECASE)


class PassingError(Exception):
    """A failure that another try may mend, after `wait` seconds if the server named them."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class FinalError(Exception):
    """A failure that no further try mends."""


def refusal(
    response: httpx.Response, name: str, now: float, patience: float
) -> PassingError | FinalError | None:
    """Return why an answer is not the file that will be called `name`, by its head alone; None if it may be.

    `now` is the time in seconds since 1970; a server that asks for a pause of more than `patience` seconds has
    refused.
    """
    headers = response.headers
    if response.status_code not in (200, 206):
        status = f"{response.status_code} {response.reason_phrase}".strip()
        if response.status_code not in _PASSING:
            return FinalError(status)
        asked = retry_after(headers.get("Retry-After"), now)
        if asked is not None and asked > patience:
            minutes = f"{asked / 60:,.0f} min"
            return FinalError(f"{status}: the server asks to come back in {minutes}; run --retry-failed then")
        return PassingError(status, asked or None)
    encoding = headers.get("Content-Encoding", "identity")
    if encoding != "identity" and not name.endswith((".gz", ".tgz")):
        return FinalError(f"sent as {encoding} although plain bytes were asked for")
    kind = headers.get("Content-Type", "").partition(";")[0].strip()
    if kind == "text/html" and not _WEB_PAGE.search(name):
        return FinalError("a web page came in place of the file; look at the address in a browser")
    return None


def said_of(response: httpx.Response, url: str) -> tuple[Said, int]:
    """Return what an answer with bytes says of the file, and the position of its first byte."""
    headers = response.headers
    length = headers.get("Content-Length", "")
    total, start = int(length) if length.isdecimal() else None, 0
    if response.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", "").strip())
        if not match:
            raise PassingError("a part came without saying which (Content-Range)")
        start, total = int(match[1]), None if match[2] == "*" else int(match[2])
    return Said(url, total, headers.get("ETag"), headers.get("Last-Modified")), start


def untrusted(error: BaseException | None) -> bool:
    """Whether a certificate that could not be verified is behind an error."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
