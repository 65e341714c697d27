"""Why a stream cannot be opened, in one line that says what to mend."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress

import av.error

from kinema.errors import first_line
from kinema.video.decoder import reason_of
from kinema.video.live.address import Address

_KNOCK = 1.5  # seconds; a packet that asks for a connection is sent again after one


def fault_of(address: Address, error: Exception, waited: float, waiting: float) -> str:
    """Return one line about an address that could not be opened; it looks at the network to tell the cause.

    `waited` of the `waiting` seconds that it was given had passed.
    """
    if isinstance(error, av.error.HTTPUnauthorizedError):
        if address.credentials:
            return f"{address}: the server refuses this user and password (401); check both"
        return (
            f"{address}: the server wants a user and a password (401); set KINEMA_SOURCE_USER and "
            "KINEMA_SOURCE_PASSWORD, or write them into the address"
        )
    if isinstance(error, av.error.HTTPForbiddenError):
        return f"{address}: the server does not allow this user to see it (403); check its rights"
    if isinstance(error, av.error.HTTPNotFoundError):
        return f"{address}: the server has no such path (404); check the part after the host"
    if isinstance(error, av.error.HTTPClientError | av.error.HTTPError):
        return f"{address}: the server answers with an error ({reason_of(error)}); look at its log"
    if isinstance(error, ConnectionRefusedError):
        return _refused(address)
    unreachable = None if address.proxied else knock(address)
    if unreachable is not None:
        return unreachable
    # What was interrupted comes back as one error or another.
    if isinstance(error, av.error.ExitError | TimeoutError) or waited >= waiting:
        return f"{address}: connected, but nothing arrived in {waiting:g} s; is the camera sending?"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return f"{address}: it leads to a protocol that is not allowed for it, or not known; only http and https are"
    if isinstance(error, av.error.InvalidDataError | EOFError | ValueError):
        return (
            f"{address}: it answers, but not with a video that may be opened; check the path: a web page is not the "
            "stream itself, and a playlist may lead only to the web"
        )
    return f"{address}: connected, but the stream cannot be opened ({reason_of(error)})"


def knock(address: Address) -> str | None:
    """Return why the host cannot be reached, None when it answers."""
    try:
        with socket.create_connection((address.host, address.port), timeout=_KNOCK):
            return None
    except socket.gaierror as error:
        return f"{address}: the host {address.host} is not known ({first_line(_words(error))}); check its name and the network"
    except ConnectionRefusedError:
        return _refused(address)
    except TimeoutError:
        return f"{address}: {address.host} does not answer on port {address.port}; is it switched on, and in this network?"
    except (OSError, UnicodeError) as error:
        where = f"{address.host} cannot be reached"
        if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return f"{address}: {where} from this network; check the cable and the address"
        return f"{address}: {where} ({reason_of(error)})"


def _refused(address: Address) -> str:
    return (
        f"{address}: {address.host} refuses connections on port {address.port}; is the server running, "
        "and is this its port?"
    )


def _words(error: socket.gaierror) -> Exception:
    with suppress(IndexError):
        return Exception(error.args[1])
    return error
