"""Webhooks are signed, tried until they are taken, and never sent where nobody asked for them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kinema.errors import UsageError
from kinema.events import Event
from kinema.streaming import StreamInfo
from kinema.streaming.sinks.outbox import OUTBOX_FILE, Outbox
from kinema.streaming.sinks.runner import SinkRunner
from kinema.streaming.sinks.signature import sign, verify
from kinema.streaming.sinks.webhook import WebhookSink

pytest.importorskip("httpx", reason="needs kinema[live]")


class _Endpoint(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.times: list[float] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"

    def handle_error(self, request: Any, address: Any) -> None:
        return


class _Handler(BaseHTTPRequestHandler):
    server: _Endpoint  # type: ignore[assignment]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.times.append(time.monotonic())
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        code, headers = self.server.answers.pop(0) if self.server.answers else (204, {})
        if code == 0:  # hangs
            time.sleep(2.0)
            return
        self.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        return


@pytest.fixture
def endpoint() -> Iterator[_Endpoint]:
    with _Endpoint() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINEMA_WEBHOOK_SECRET", "whsec-5")
    monkeypatch.delenv("KINEMA_WEBHOOK_URL", raising=False)


def _run(sink: WebhookSink, info: StreamInfo) -> tuple[SinkRunner, list[str]]:
    told: list[str] = []
    runner = SinkRunner(sink, lambda notice: told.append(notice.text))
    runner.open(info)
    return runner, told


def test_an_endpoint_that_fails_twice_gets_it_the_third_time(
    endpoint: _Endpoint,
    fast: None,
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    endpoint.answers = [(500, {}), (503, {})]
    sink = WebhookSink(endpoint.url)
    runner, told = _run(sink, info)
    runner.event(event(source="rtsp://admin:hunter2@10.0.0.7/door"))
    wait_for(lambda: len(endpoint.requests) == 3)
    runner.close(5)
    path, headers, body = endpoint.requests[-1]
    assert path == "/hook"
    assert headers["content-type"] == "application/json"
    values = json.loads(body)
    assert (values["type"], values["thumbnail"]) == ("event", None)
    assert values["event"]["label"] == "fall"
    assert (values["event"]["start"], values["event"]["end"], values["event"]["rows"]) == (2.0, 4.5, 25)
    assert values["event"]["source"] == "rtsp://10.0.0.7/door"
    assert [r[1]["idempotency-key"] for r in endpoint.requests] == [values["id"]] * 3
    assert len({r[2] for r in endpoint.requests}) == 1
    moment, signature = headers["x-kinema-signature"].removeprefix("t=").split(",v1=")
    wanted = hmac.new(b"whsec-5", moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert signature == wanted
    assert verify(body, headers["x-kinema-signature"], "whsec-5")
    assert not verify(body, headers["x-kinema-signature"], "another")
    where = f"{sink.name}: http://127.0.0.1"
    assert told == [
        f"{where} does not take it now (500 Internal Server Error); what waits is tried again until it arrives",
        f"{where} does not take it now (503 Service Unavailable); what waits is tried again until it arrives",
        f"{sink.name}: arrives again",
    ]


def test_gone_is_not_tried_again(
    endpoint: _Endpoint,
    fast: None,
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    endpoint.answers = [(410, {}), (410, {}), (204, {})]
    sink = WebhookSink(endpoint.url)
    runner, told = _run(sink, info)
    for number in range(3):
        runner.event(event(id=str(number)))
    wait_for(lambda: len(endpoint.requests) == 3)
    time.sleep(0.2)
    runner.close(5)
    assert len(endpoint.requests) == 3
    assert info.folder is not None
    assert told == [
        f"{sink.name}: http://127.0.0.1 refuses (410 Gone); the receiver is gone for good: take it out of the settings; "
        f"kept as failed in {info.folder / OUTBOX_FILE}"
    ]
    assert len(Outbox(info.folder).failed(sink.name)) == 2


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_wait_that_is_asked_for_is_kept(
    form: str,
    endpoint: _Endpoint,
    fast: None,
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    wait = "1" if form == "seconds" else formatdate(time.time() + 2.0, usegmt=True)
    endpoint.answers = [(429, {"Retry-After": wait})]
    runner, _ = _run(WebhookSink(endpoint.url), info)
    runner.event(event())
    wait_for(lambda: endpoint.requests)
    runner.event(event(id="second"))  # the receiver as a whole wants a rest
    wait_for(lambda: len(endpoint.requests) == 3)
    assert endpoint.times[1] - endpoint.times[0] >= 0.95
    runner.close(5)


def test_an_endpoint_that_hangs_holds_up_nothing(
    endpoint: _Endpoint,
    fast: None,
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    endpoint.answers = [(0, {})]
    runner, told = _run(WebhookSink(endpoint.url, timeout=0.3), info)
    runner.event(event())
    wait_for(lambda: len(endpoint.requests) == 2)
    runner.close(5)
    assert "does not answer within 0.3 s" in told[0]
    assert len(told) <= 2


def test_redirects_stay_on_the_host(
    endpoint: _Endpoint,
    fast: None,
    info: StreamInfo,
    event: Callable[..., Event],
    wait_for: Callable[..., None],
) -> None:
    endpoint.answers = [
        (307, {"Location": "/moved"}),
        (204, {}),
        (308, {"Location": "http://localhost:1/steal"}),
    ]
    runner, told = _run(WebhookSink(endpoint.url), info)
    runner.event(event())
    wait_for(lambda: len(endpoint.requests) == 2)
    runner.event(event(id="b"))
    wait_for(lambda: told)
    runner.close(5)
    assert [path for path, _, _ in endpoint.requests] == ["/hook", "/moved", "/hook"]
    assert "redirects to another host (localhost), which is not followed" in told[0]


def test_a_refused_connection_is_told_once(
    free_port: int, fast: None, info: StreamInfo, event: Callable[..., Event], wait_for: Callable[..., None]
) -> None:
    sink = WebhookSink(f"http://127.0.0.1:{free_port}/T0/secret-path")
    runner, told = _run(sink, info)
    runner.event(event())
    wait_for(lambda: told)
    time.sleep(0.3)
    runner.close(5)
    assert len(told) == 2
    assert "http://127.0.0.1 cannot be reached (Connection refused)" in told[0]
    assert "1 alert waits" in told[1]
    assert "secret-path" not in "".join(told) + repr(sink)


def test_a_ping_tries_it_out(endpoint: _Endpoint) -> None:
    sink = WebhookSink(endpoint.url)
    assert sink.check() == f"{sink.name}: http://127.0.0.1 takes a ping (signed)"
    assert json.loads(endpoint.requests[0][2])["type"] == "ping"
    endpoint.answers = [(401, {})]
    with pytest.raises(Exception, match=r"refuses \(401 Unauthorized\); check the secret"):
        sink.check()


def test_a_thumbnail_travels_as_text_or_as_a_link(
    endpoint: _Endpoint, info: StreamInfo, event: Callable[..., Event]
) -> None:
    assert info.folder is not None
    info.folder.mkdir()
    (info.folder / "a b.jpg").write_bytes(b"\xff\xd8 synthetic")
    for settings in (
        {"thumbnail": "base64"},
        {"thumbnail": "link", "link_base": "https://cams.example.org/e/"},
    ):
        runner, _ = _run(WebhookSink(endpoint.url, **settings), info)  # type: ignore[arg-type]
        runner.event(event(thumbnail="a b.jpg"))
        runner.close(5)
    first, second = (json.loads(body)["thumbnail"] for _, _, body in endpoint.requests)
    assert base64.b64decode(first) == b"\xff\xd8 synthetic"
    assert second == "https://cams.example.org/e/a%20b.jpg"


def test_a_certificate_of_nobody_is_refused(certificates: Any) -> None:
    class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
        daemon_threads = True

    class Quiet(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            import contextlib

            with contextlib.suppress(OSError):
                certificates.server_context().wrap_socket(self.request, server_side=True).close()

    with Server(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"https://localhost:{server.server_address[1]}/"
        with pytest.raises(Exception, match="shows a certificate that is not trusted"):
            WebhookSink(url).check()
        with pytest.raises(Exception, match="gives no answer"):  # trusted: it hangs up only afterwards
            WebhookSink(url, ca_file=certificates.authority).check()
        server.shutdown()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no url; give url, or set KINEMA_WEBHOOK_URL"):
        WebhookSink()
    with pytest.raises(UsageError, match="url is no address"):
        WebhookSink("example.org/hook")
    with pytest.raises(UsageError, match="'link' and link_base belong together"):
        WebhookSink("https://example.org", thumbnail="link")
    monkeypatch.delenv("KINEMA_WEBHOOK_SECRET")
    monkeypatch.setattr("kinema.streaming.sinks.credentials.from_keyring", lambda *names: None)
    with pytest.raises(
        UsageError, match="no secret to sign with; set KINEMA_WEBHOOK_SECRET, or signed = false"
    ):
        WebhookSink("https://example.org")
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(UsageError) as caught:
        WebhookSink("https://example.org", signed=False)
    assert str(caught.value) == "webhooks need the live extra; pip install 'kinema[live]'"


@pytest.mark.parametrize(
    "header", ["", "t=,v1=", "v1=00", "t=x,v1=00", "t=1700000000", "nonsense", "t=１,v1=00"]
)
def test_a_header_that_is_no_signature_is_refused(header: str) -> None:
    assert not verify(b"{}", header, "whsec", now=1700000000)
    assert not verify(b"{}", None, "whsec")


def test_a_new_secret_may_sign_beside_the_old() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac new
    header = "t=1700000000,v1=00ff,v1=SIGNED"
    value = sign(b"{}", "new", 1700000000).partition("v1=")[2]
    assert verify(b"{}", header.replace("SIGNED", value), "new", now=1700000000)
