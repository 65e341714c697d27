"""The streams of a live view: who may open them, what goes through, who is cut off."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from typing import Any

import httpx
import pytest


def _connect(live: Any, address: str, origin: str | None = "") -> Any:
    from websockets.sync.client import connect

    return connect(address, origin=live.site.address if origin == "" else origin)  # type: ignore[arg-type]


def test_a_socket_takes_pages_of_this_site_only(live: Any, view: str) -> None:
    import websockets

    for origin in ("http://evil.example", None):
        with pytest.raises(websockets.exceptions.InvalidStatus, match="403"):
            _connect(live, live.socket(view), origin)
    with _connect(live, live.socket(view)) as socket:
        lines = [json.loads(socket.recv()) for _ in range(2)]
    assert [(line["type"], line.get("state")) for line in lines] == [("state", "running"), ("start", None)]
    assert lines[1]["classes"] == ["jump", "sit", "wave"]


def test_a_socket_of_a_source_that_is_not_there_says_so(live: Any, view: str) -> None:
    import websockets

    with _connect(live, live.socket(view.replace("address-", "source-9"))) as socket:
        line = json.loads(socket.recv())
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            socket.recv()
    assert (line["state"], line["text"]) == (
        "refused",
        "There is no such source any more; choose another.",
    )
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4404


def test_who_floods_a_socket_with_pictures_is_cut_off(live: Any) -> None:
    import websockets

    path = live.start(source="browser")
    with _connect(live, live.socket(path, pictures="none")) as socket:
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            for number in range(3000):
                socket.send(struct.pack(">Id", number, number / 1000) + b"\xff\xd8" + bytes(2000))
            while True:
                socket.recv(timeout=120)
        # Whoever goes on to send may miss the word at the end.
        assert closed.value.rcvd is None or closed.value.rcvd.code == 4413


def test_the_stream_is_multipart_and_cannot_be_shown_by_another_site(live: Any, view: str) -> None:
    address = f"{live.site.address}{view}stream.mjpeg"
    for elsewhere in ("cross-site", "same-site"):
        assert httpx.get(address, headers={"Sec-Fetch-Site": elsewhere}).status_code == 403
    head = httpx.head(address)
    assert (head.status_code, head.headers["Content-Type"]) == (
        200,
        "multipart/x-mixed-replace; boundary=kinemaframe",
    )
    with httpx.stream("GET", address, timeout=live.patience) as answer:
        assert answer.headers["Content-Type"] == head.headers["Content-Type"]
        assert answer.headers["Cache-Control"] == "no-store"
        data = b""
        for piece in answer.iter_bytes():
            data += piece
            if data.count(b"--kinemaframe\r\nContent-Type: image/jpeg\r\n\r\n") >= 4:
                break
    before, *pictures, _ = data.split(b"--kinemaframe\r\nContent-Type: image/jpeg\r\n\r\n")
    assert before == b""
    assert len(pictures) >= 3
    for jpeg in pictures:
        assert (jpeg[:2], jpeg[-4:]) == (b"\xff\xd8", b"\xff\xd9\r\n")


@pytest.mark.usefixtures("database")
def test_a_socket_without_login_is_closed_with_4401() -> None:
    from django.contrib.auth.models import AnonymousUser
    from django.test import override_settings

    from kinema.web.live.sockets import live_socket

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "user": AnonymousUser(), "url_route": {"kwargs": {"session": "x.camera-0"}}}
    with override_settings(KINEMA_LOGIN=True):
        thread = threading.Thread(target=lambda: asyncio.run(live_socket(scope, receive, send)))
        thread.start()
        thread.join(120)
    assert sent == [{"type": "websocket.close", "code": 4401}]
