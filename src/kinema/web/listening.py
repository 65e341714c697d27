"""Where a site listens, and the names by which it is asked."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress

from kinema.errors import DataError

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_EVERYWHERE = ("0.0.0.0", "::")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what listens there.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("kinema.example.org")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one. Raises `DataError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise DataError(
            f"{host}:{port}: cannot listen there ({error.strerror}); --port takes another"
        ) from error
    return listening


def address_of(listening: socket.socket, host: str, *, tls: bool) -> str:
    """Return what to type into a browser of this machine."""
    shown = "localhost" if host in ("127.0.0.1", *_EVERYWHERE) else _bracketed(host)
    return f"{'https' if tls else 'http'}://{shown}:{listening.getsockname()[1]}/"


def answered_names(host: str, further: tuple[str, ...] = ()) -> list[str]:
    """Return the names under which pages may be asked for: this machine's, that of `host`, and `further` ones."""
    names = [*_LOOPBACK, *further]
    if host not in _EVERYWHERE:
        names.append(_bracketed(host))
    elif not further:
        names += [socket.gethostname(), socket.getfqdn(), *_own_addresses()]
    return list(dict.fromkeys(names))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _own_addresses() -> list[str]:
    with suppress(OSError):
        found = socket.getaddrinfo(socket.gethostname(), None)
        return [_bracketed(str(entry[4][0])) for entry in found]
    return []
