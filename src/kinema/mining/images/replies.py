"""What comes of a request, the name that stands in it, and which hosts are near."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import urlsplit

from kinema.errors import KinemaError, UsageError


class UnavailableError(KinemaError):
    """Something could not be had: its `url` and the `reason`; where it is `passing`, a later run may have it."""

    def __init__(self, url: str, reason: str, passing: bool) -> None:
        super().__init__(f"{url}: {reason}")
        self.url, self.reason, self.passing = url, reason, passing


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request; `location` is where it sends one instead, "" where it does not."""

    url: str
    status: int
    body: bytes
    location: str = ""


def agent_name(contact: str) -> str:
    """Return the User-Agent; `contact` tells sites whom to write to.

    Raises `UsageError` for a contact that does not fit into a header.
    """
    contact = contact.strip()
    if not contact.isascii() or any(character in contact for character in "()\r\n"):
        raise UsageError(f"--contact {contact!r}: give a mail address or a page, in plain letters")
    return f"kinema/{version('kinema')}" + (f" (+{contact})" if contact else "")


def is_near(host: str) -> bool:
    """Whether a host is by its name or number in the network of this machine; names are not looked up.

    >>> is_near("127.1"), is_near("printer.local."), is_near("example.org")
    (True, True, False)
    """
    host = host.rstrip(".")
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        pass
    try:  # the short, octal and hexadecimal forms that systems take for an address too
        return not ipaddress.ip_address(socket.inet_aton(host)).is_global
    except OSError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".lan"))


def target_of(url: str) -> str:
    """Return path and query of an address, as robots.txt names them."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
