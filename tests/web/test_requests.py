"""What lies between a browser and the pages: how much it may send, what streams hold, how static files come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def _answer_of(application: Any, headers: list[tuple[bytes, bytes]], pieces: list[bytes]) -> int:
    """The status of a POST with these headers and pieces of a body of which no end is sent."""
    from asgiref.sync import async_to_sync
    from asgiref.testing import ApplicationCommunicator

    async def ask() -> int:
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        communicator = ApplicationCommunicator(application, scope)
        for piece in pieces:
            await communicator.send_input({"type": "http.request", "body": piece, "more_body": True})
        return int((await communicator.receive_output(10))["status"])

    return async_to_sync(ask)()


def test_nobody_sends_more_than_the_largest_file_or_than_the_disk_holds(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from kinema.web.base import body_limit

    async def taking(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(3):
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    monkeypatch.setenv("KINEMA_UPLOAD_LIMIT", "3M")
    monkeypatch.setenv("KINEMA_DATASET_UPLOAD_MB", "2")
    application = body_limit.BodyLimit(taking)  # 3 MB of a file, and 1 MB of a form around it
    megabyte = b"x" * (1 << 20)
    assert _answer_of(application, [(b"content-length", b"4194305")], []) == 413
    assert _answer_of(application, [(b"content-length", b"4194304")], [b"x"] * 3) == 200
    chunked = [(b"transfer-encoding", b"chunked")]
    assert _answer_of(application, chunked, [megabyte] * 3) == 200
    assert _answer_of(application, chunked, [megabyte * 2, megabyte * 2, b"x"]) == 413
    monkeypatch.setattr(body_limit.shutil, "disk_usage", lambda path: SimpleNamespace(free=7 << 20))
    assert _answer_of(application, [(b"content-length", b"4194304")], [b"x"] * 3) == 507
    assert _answer_of(application, [(b"content-length", b"1000")], [b"x"] * 3) == 200


def test_a_stream_holds_no_connection_to_the_database(database: None) -> None:
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.http import HttpResponse, StreamingHttpResponse
    from django.test import RequestFactory

    from kinema.web.base.streams import LetGoMiddleware

    def answered(answer: Any) -> bool:
        def view(request: Any) -> Any:
            get_user_model().objects.count()
            return answer

        LetGoMiddleware(view)(RequestFactory().get("/"))
        return connection.connection is not None

    assert (answered(HttpResponse("page")), answered(StreamingHttpResponse([b"picture"]))) == (True, False)


def test_static_files_come_whole(client: Any) -> None:
    import warnings
    from pathlib import Path

    from asgiref.sync import async_to_sync
    from asgiref.testing import ApplicationCommunicator
    from django.contrib.staticfiles import finders

    from kinema.web.asgi import application

    whole = Path(str(finders.find("kinema/site.css"))).read_bytes()

    async def ask() -> bytes:
        scope = {
            "type": "http", "method": "GET", "path": "/static/kinema/site.css", "query_string": b"", "root_path": "",
            "scheme": "http", "headers": [(b"host", b"testserver")], "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80), "http_version": "1.1",
        }  # fmt: skip
        communicator = ApplicationCommunicator(application, scope)
        await communicator.send_input({"type": "http.request", "body": b""})
        assert (await communicator.receive_output(10))["status"] == 200
        found = b""
        while (said := await communicator.receive_output(10)).get("more_body"):
            found += said["body"]
        return found + said.get("body", b"")

    with warnings.catch_warnings():
        # Django's server complains of files that come as streams.
        warnings.filterwarnings("error", message="StreamingHttpResponse")
        assert async_to_sync(ask)() == whole
    part = client.get("/static/kinema/site.css", headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, whole[3:10])
    head = client.head("/static/kinema/site.css")
    assert (head.content, head["Content-Length"]) == (b"", str(len(whole)))


def test_a_video_is_sent_as_a_video_that_browsers_play_or_as_nothing_they_know() -> None:
    from kinema.web.base.files import video_kind

    # Firefox refuses video/quicktime, and plays what is in most of them.
    named = {name: video_kind(Path(name)) for name in ("a.MOV", "a.mp4", "a.webm", "a.avi", "a.html", "a")}
    assert named == {
        "a.MOV": "video/mp4",
        "a.mp4": "video/mp4",
        "a.webm": "video/webm",
        "a.avi": "video/x-msvideo",
        "a.html": "application/octet-stream",
        "a": "application/octet-stream",
    }
