"""The WebSocket of a live view: lines of JSON and pictures to a browser, pictures of its camera from it."""

from __future__ import annotations

import asyncio
import json
import math
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from django.urls import path

from kinema.errors import KinemaError
from kinema.web.base.local_user import socket_user
from kinema.web.live.hub import Full, hub
from kinema.web.live.orders import Order, find_order
from kinema.web.live.viewer import Variant, Viewer

_FRAME = struct.Struct(">Id")
"""How a browser's picture begins: its number and its time in seconds; the JPEG follows."""
_MOST_BYTES = 600_000
_MOST_RATE = 30.0  # pictures a second from a browser
_BURST = 15.0
_PATIENCE = 200  # pictures that are too many or too large, after which the connection ends
_NO_LOGIN, _NOT_THERE, _FULL, _TOO_MUCH = 4401, 4404, 4429, 4413

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def live_socket(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer one connection: `/live/SESSION/socket?pictures=bare|annotated|none`."""
    await receive()
    if await socket_user(scope) is None:
        await send({"type": "websocket.close", "code": _NO_LOGIN})
        return
    await send({"type": "websocket.accept"})
    with suppress(OSError):  # who has gone need not be told
        await _answer(scope, receive, send)


async def _answer(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    asked = parse_qs(scope.get("query_string", b"").decode("latin1")).get("pictures", ["bare"])[0]
    variant: Variant | None = "bare" if asked == "bare" else "annotated" if asked == "annotated" else None
    try:
        order = await find_order(scope["url_route"]["kwargs"]["session"])
        viewer = hub().join(order, variant)
    except KinemaError as error:
        await _refuse(send, str(error), _FULL if isinstance(error, Full) else _NOT_THERE)
        return
    writing = asyncio.create_task(_write(viewer, send))
    try:
        await _Listener(order, viewer, send).listen(receive)
    finally:
        writing.cancel()
        hub().leave(order, viewer)
        with suppress(asyncio.CancelledError, OSError):
            await writing


async def _write(viewer: Viewer, send: Send) -> None:
    while (found := await viewer.next()) is not None:
        lines, picture = found
        for line in lines:
            await send({"type": "websocket.send", "text": line})
        if picture is not None:
            await send({"type": "websocket.send", "bytes": picture.message})
    await send({"type": "websocket.close", "code": 1001})


async def _refuse(send: Send, text: str, code: int) -> None:
    line = json.dumps({"type": "state", "state": "refused", "text": text}, ensure_ascii=False)
    await send({"type": "websocket.send", "text": line})
    await send({"type": "websocket.close", "code": code})


class _Listener:
    """Takes what one browser sends."""

    def __init__(self, order: Order, viewer: Viewer, send: Send) -> None:
        self._order, self._viewer, self._send = order, viewer, send
        self._allowance, self._counted = _BURST, time.monotonic()
        self._faults = 0

    async def listen(self, receive: Receive) -> None:
        """Until the browser has gone, or sends what it may not."""
        while (message := await receive())["type"] == "websocket.receive":
            if (data := message.get("bytes")) is not None:
                self._frame(data)
            elif (text := message.get("text")) is not None:
                self._word(text)
            if self._faults > _PATIENCE:
                await self._send({"type": "websocket.close", "code": _TOO_MUCH})
                return

    def _word(self, text: str) -> None:
        stream = hub().stream(self._order.session)
        try:
            word = json.loads(text)["type"]
        except (ValueError, KeyError, TypeError):
            self._faults += 1
            return
        if word == "restart" and stream is not None:
            stream.restart()

    def _frame(self, data: bytes) -> None:
        """Pass a picture of the browser's camera on, unless it is too large or comes too soon."""
        stream = hub().stream(self._order.session)
        if self._order.source.kind != "browser" or len(data) <= _FRAME.size:
            self._faults += 1
            return
        number, moment = _FRAME.unpack_from(data)
        refused = None
        if len(data) > _MOST_BYTES:
            refused = f"a picture of more than {_MOST_BYTES // 1000} kB"
        elif not self._may_send():
            refused = f"more than {_MOST_RATE:g} pictures a second"
        if refused:
            self._faults += 1
        elif (
            not math.isfinite(moment)
            or stream is None
            or not stream.push(number, moment, data[_FRAME.size :])
        ):
            refused = "the engine does not take pictures now"
        if refused:
            line = json.dumps({"type": "taken", "number": number, "refused": refused})
            self._viewer.tell(line, needed=False)

    def _may_send(self) -> bool:
        now = time.monotonic()
        self._allowance = min(_BURST, self._allowance + (now - self._counted) * _MOST_RATE)
        self._counted = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


websocket_urlpatterns = [path("live/<str:session>/socket", live_socket)]
