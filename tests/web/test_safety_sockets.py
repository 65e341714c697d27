"""WebSockets: for who has signed in, from pages of this very site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("database")
_SAMPLES = {"int": "1", "uuid": "00000000-0000-4000-8000-000000000000"}
HOST = (b"host", b"testserver:8800")


def _sockets() -> Iterator[str]:
    from kinema.web.routes import websocket_routes

    for route in websocket_routes():
        pattern = str(route.pattern).strip("^$")
        yield "/" + re.sub(r"<(?:(\w+):)?\w+>", lambda found: _SAMPLES.get(found[1] or "str", "x"), pattern)


def _refusal(path: str, *headers: tuple[bytes, bytes]) -> int | None:
    """The code with which a socket is closed before anything is sent; None where it stays open."""
    from asgiref.sync import async_to_sync
    from asgiref.testing import ApplicationCommunicator

    from kinema.web.asgi import application

    async def ask() -> int | None:
        scope = {
            "type": "websocket", "path": path, "query_string": b"", "headers": [HOST, *headers], "subprotocols": [],
            "root_path": "", "scheme": "ws", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8800),
        }  # fmt: skip
        communicator = ApplicationCommunicator(application, scope)
        await communicator.send_input({"type": "websocket.connect"})
        said = await communicator.receive_output(10)
        if said["type"] == "websocket.accept":
            said = await communicator.receive_output(10)
        await communicator.send_input({"type": "websocket.disconnect", "code": 1000})
        return said.get("code", 1000) if said["type"] == "websocket.close" else None

    return async_to_sync(ask)()


@pytest.mark.parametrize(
    "origin",
    [
        None, b"null", b"http://evil.example", b"http://testserver", b"http://testserver:9999", b"http://evil.testserver:8800",
        b"ftp://testserver:8800", b"http://testserver:8800.evil.example", b"http://[", b"",
    ],
)  # fmt: skip
def test_a_socket_of_another_page_is_refused(origin: bytes | None) -> None:
    from kinema.web.base.origin import same_origin

    headers = [HOST] if origin is None else [HOST, (b"origin", origin)]
    assert same_origin(headers) is False
    assert same_origin([HOST, (b"origin", b"http://testserver:8800")]) is True
    for path in _sockets():
        assert _refusal(path, *headers[1:]) == 1000


def test_a_name_that_is_not_this_site_is_refused_even_as_its_own_origin() -> None:
    from kinema.web.base.origin import same_origin

    assert same_origin([(b"host", b"evil.example"), (b"origin", b"http://evil.example")]) is False


def test_over_tls_only_pages_over_tls_may() -> None:
    from django.test import override_settings

    from kinema.web.base.origin import same_origin

    with override_settings(KINEMA_TLS=True):
        assert same_origin([HOST, (b"origin", b"http://testserver:8800")]) is False
        assert same_origin([HOST, (b"origin", b"https://testserver:8800")]) is True


def test_strangers_get_4401_from_every_socket() -> None:
    from django.test import override_settings

    paths = list(_sockets())
    if not paths:
        pytest.skip("no app has a WebSocket")
    with override_settings(KINEMA_LOGIN=True):
        codes: dict[str, Any] = {
            path: _refusal(path, (b"origin", b"http://testserver:8800")) for path in paths
        }
    assert set(codes.values()) == {4401}
