"""Addresses of network streams: what may be told of them, and what FFmpeg may open for them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from kinema.errors import UsageError
from kinema.video.decoder import CONTAINERS

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "rtmp": 1935, "rtmps": 443}
_SECRET = re.compile(
    r"(?i)((?:^|[?&;/_-])(?:pass|passwd|password|pwd|token|access_token|secret|key|apikey|api_key|auth|sig|signature)=)[^&;/#]*"
)
_RTP = "rtp,udp,tcp"
# A playlist or a redirect leads to the web and nowhere else; "crypto" decrypts AES-128 segments.
_WEB = "http,https,tls,tcp,httpproxy,crypto"
_SAFE_WEB = "https,tls,tcp,httpproxy,crypto"
_PROTOCOLS = {
    "rtsp": f"rtsp,{_RTP}",
    "rtsps": f"rtsp,rtsps,tls,{_RTP}",
    "http": _WEB,
    "https": _SAFE_WEB,
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tls,tcp",
}
_FORMATS = {
    "rtsp": "rtsp,rtp,sdp,mpegts",
    "http": f"{CONTAINERS},hls,webvtt",
    "rtmp": "flv,live_flv",
}


@dataclass(frozen=True)
class Address:
    """The address of a stream; its `str` and `repr` show no password. `url` is what FFmpeg opens."""

    name: str
    scheme: str
    host: str
    port: int
    url: str = field(repr=False)
    credentials: bool = False
    """Whether a user and a password go with it."""

    def __str__(self) -> str:
        return self.name

    @property
    def proxied(self) -> bool:
        """Whether FFmpeg asks a proxy of the environment for it, so that its host need not be in reach."""
        from urllib.request import proxy_bypass

        proxy = self.scheme in ("http", "https") and os.environ.get("http_proxy")
        return bool(proxy) and not proxy_bypass(self.host)

    def options(self, *, udp: bool = False) -> dict[str, str]:
        """Return FFmpeg's options for it: what it may open at all, and a quick start."""
        family = self.scheme.rstrip("s")
        options = {"protocol_whitelist": _PROTOCOLS[self.scheme], "format_whitelist": _FORMATS[family]}
        if family == "rtsp":
            # A short look at the stream: its description says what it is. A second of looking is a second of delay.
            options |= {
                "rtsp_transport": "udp" if udp else "tcp",
                "analyzeduration": "100000",
                "probesize": "500000",
            }
        elif family == "http":
            options |= {
                "user_agent": "kinema",
                "reconnect": "1",
                "reconnect_delay_max": "2",
                "live_start_index": "-2",
                "max_reload": "1000",
            }
        return options


def is_stream(uri: str) -> bool:
    """Return whether it is the address of a stream that `StreamSource` opens, by its scheme."""
    return scheme_of(uri) in _PROTOCOLS


def scheme_of(uri: str) -> str | None:
    """Return the scheme of an address in small letters; None for what is none.

    >>> scheme_of("RTSP://camera/1"), scheme_of("walk.mp4")
    ('rtsp', None)
    """
    return uri.split("://", 1)[0].lower() if _SCHEME.match(uri) else None


def parse(uri: str) -> Address:
    """Read an address; a user and a password that it lacks come from KINEMA_SOURCE_USER and KINEMA_SOURCE_PASSWORD.

    Raises `UsageError` for a scheme that is not known and for an address without a host.
    """
    scheme = scheme_of(uri)
    if scheme not in _PROTOCOLS:
        raise UsageError(f"{redacted(uri)}: not the address of a stream; known are {', '.join(_PROTOCOLS)}")
    if any(ord(letter) < 33 for letter in uri):
        raise UsageError(f"{redacted(uri)!r}: an address has no spaces or line ends; write %20 for a space")
    # A password may hold what would end the host: FFmpeg too takes the last @ before the path.
    rest = uri.split("://", 1)[1]
    place, slash, path = rest.partition("/")
    login, at, host = place.rpartition("@")
    try:
        parts = urlsplit(f"{scheme}://{host}")
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{redacted(uri)}: the address cannot be read: {error}") from error
    if not name:
        raise UsageError(f"{redacted(uri)}: the address names no host; {scheme}://host/path is wanted")
    if not at:
        user = quote(os.environ.get("KINEMA_SOURCE_USER", ""), safe="")
        password = quote(os.environ.get("KINEMA_SOURCE_PASSWORD", ""), safe="")
        login = f"{user}:{password}" if user or password else ""
    url = f"{scheme}://{login}@{host}{slash}{path}" if login else f"{scheme}://{host}{slash}{path}"
    return Address(redacted(uri), scheme, name, port or _PORTS[scheme], url, bool(login))


def redacted(text: str) -> str:
    """Return an address without its password, nor the values of words such as `token=` in it.

    >>> redacted("rtsp://me:secret@camera:554/live?channel=1&token=abc")
    'rtsp://me:***@camera:554/live?channel=1&token=***'
    """
    start, separator, rest = text.partition("://")
    if separator:
        place, slash, path = rest.partition("/")
        login, at, host = place.rpartition("@")
        user, colon, _ = login.partition(":")
        text = f"{start}://{user}{':***' if colon else ''}{at}{host}{slash}{path}"
    return _SECRET.sub(r"\1***", text)
