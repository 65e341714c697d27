"""Addresses of live sources: which may be opened, what of them is shown, and where their passwords come from."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from kinema.errors import KinemaError, UsageError

SCHEMES = ("rtsp", "rtsps", "http", "https")
_CAMERA = re.compile(r"\d{1,3}|/dev/video\d{1,3}|/dev/v4l/by-(id|path)/[\w.:+-]+", re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_VARIABLE = re.compile(r"\$\{(KINEMA_SOURCE_[A-Z0-9_]+)\}")
_ANY_VARIABLE = re.compile(r"\$\{?\w*\}?")


def is_camera(address: str) -> bool:
    """Return whether it names a camera of this machine.

    >>> is_camera("0"), is_camera("/dev/video2"), is_camera("/etc/passwd"), is_camera("/dev/v4l/by-id/../x")
    (True, True, False, False)
    """
    return _CAMERA.fullmatch(address) is not None


def check_stream(address: str) -> None:
    """Raise `UsageError` for what is not the address of a stream that may be opened, with the reason.

    >>> check_stream("rtsp://camera.local/live")
    """
    if any(ord(letter) < 33 for letter in address):
        raise UsageError("An address has no spaces or line ends; write %20 for a space.")
    found = _SCHEME.match(address)
    scheme = found.group(1).lower() if found else ""
    known = ", ".join(f"{name}://" for name in SCHEMES)
    if scheme not in SCHEMES or "://" not in address:
        what = f"{scheme}: addresses are not opened" if scheme else "That is not the address of a stream"
        why = (
            "a file or another service of this machine could hide behind it"
            if scheme
            else "it begins with none of them"
        )
        raise UsageError(f"{what}, only {known}: {why}.")
    try:
        host = urlsplit(_ANY_VARIABLE.sub("", address)).hostname
    except ValueError as error:
        raise UsageError(f"The address cannot be read: {error}.") from error
    if not host:
        raise UsageError(f"The address names no host; {scheme}://host/path is wanted.")


def check_stored(address: str) -> None:
    """Raise `UsageError` for what an administrator may not store: no camera and no stream, or with a password in it."""
    if is_camera(address):
        return
    check_stream(address)
    for name in _ANY_VARIABLE.findall(address):
        if not _VARIABLE.fullmatch(name):
            raise UsageError(f"{name}: write it as ${{KINEMA_SOURCE_NAME}}; other variables are not read.")
    login = address.split("://", 1)[1].partition("/")[0].rpartition("@")[0]
    if ":" in _VARIABLE.sub("", login):
        raise UsageError(
            "A password does not belong into the database: write ${KINEMA_SOURCE_NAME} in its place and set that "
            "variable (user:password) where kinema serve starts."
        )


def filled(address: str) -> str:
    """Return an address with the variables of the environment in it. Raises `KinemaError` for one that is not set."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not os.environ.get(name):
            raise KinemaError(f"{name} is not set; set it where kinema serve starts, and start that again")
        return os.environ[name]

    return _VARIABLE.sub(value, address)


def shown(address: str) -> str:
    """Return an address without its password."""
    from kinema.video.live.address import redacted

    return redacted(address)
