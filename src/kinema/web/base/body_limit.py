"""How large a request may be: Django keeps a whole body on the disk before anybody asks who sent it, or what for."""

from __future__ import annotations

import json
import shutil
from io import BytesIO
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings

from kinema.web.folder import site

LARGEST_OF_STRANGERS = 1 << 20
"""Bytes; a login form has some hundreds."""
_AROUND_A_FILE = 1 << 20  # bytes of a form beside the file that it brings
_TOO_LARGE = "This is more than the site takes in one go."
_NO_ROOM = "The disk of this site has no room for this: remove videos or other files first."


class BodyLimit:
    """Answers in a line to a request that will not be taken, and reads nothing of it.

    413 to a stranger, who has neither session nor token, for more than `LARGEST_OF_STRANGERS` or an unknown length; 413 to
    anybody for more than the largest file that a page takes; 507 where the disk has no room. Raises `UsageError` where a
    variable of the environment that sets a limit makes no sense.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._most = largest_file() + _AROUND_A_FILE

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Go on, or refuse."""
        if scope["type"] != "http" or _small(scope):
            await self._application(scope, receive, send)
            return
        if settings.KINEMA_LOGIN and not await database_sync_to_async(_known)(scope):
            await _refuse(send, 413, "Sign in first: this is more than strangers may send.")
            return
        length = _length(scope)
        if length is not None and length > self._most:
            await _refuse(send, 413, _TOO_LARGE)
            return
        if length is not None and not _room_for(length):
            await _refuse(send, 507, _NO_ROOM)
            return
        try:
            await self._application(scope, _counted(receive, self._most), send)
        except _TooLargeError:
            await _refuse(send, 413, _TOO_LARGE)


def largest_file() -> int:
    """Return how many bytes the largest file has that any page takes, which is known before the page is."""
    from kinema.web.datasets.uploads import limit
    from kinema.web.videos.limits import largest

    return max(largest(), limit())


class _TooLargeError(Exception):
    """A body of unknown length that goes on and on."""


def _counted(receive: Any, most: int) -> Any:
    seen = 0

    async def counting() -> Any:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise _TooLargeError
        return message

    return counting


async def _refuse(send: Any, status: int, text: str) -> None:
    body = json.dumps({"detail": text}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _length(scope: Any) -> int | None:
    """Return how many bytes a request says that it has, None where it does not say, or nothing that can be read."""
    found = dict(scope["headers"])
    if b"transfer-encoding" in found:
        return None
    length = found.get(b"content-length", b"0")
    return int(length) if length.isdigit() and len(length) < 19 else None


def _small(scope: Any) -> bool:
    length = _length(scope)
    return length is not None and length <= LARGEST_OF_STRANGERS


def _room_for(length: int) -> bool:
    # A form's file is for a moment there twice: in the body, and taken out of it.
    return 2 * length <= shutil.disk_usage(site().root).free


def _known(scope: Any) -> bool:
    from importlib import import_module

    from django.contrib.auth import get_user
    from django.core.handlers.asgi import ASGIRequest

    from kinema.web.base.sign_in import bearer
    from kinema.web.base.tokens import find_token

    request = ASGIRequest(scope, BytesIO())
    if text := bearer(request):
        return find_token(text) is not None
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return False
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return bool(get_user(request).is_authenticated)
