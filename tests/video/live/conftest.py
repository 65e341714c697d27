"""Servers that tests start and stop: RTSP (GStreamer's), MJPEG and files over HTTP, and one that says nothing."""

from __future__ import annotations

import base64
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

_PYTHON = "/usr/bin/python3"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def jpeg(level: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A grey picture of one level."""
    return cv2.imencode(".jpg", np.full((size[1], size[0], 3), level, np.uint8))[1].tobytes()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def until(done: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Wait for something; return whether it came."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class RtspServer:
    """A process that can be started and stopped again on the same port."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    def address(self, path: str = "h264", login: str = "") -> str:
        return f"rtsp://{login}127.0.0.1:{self.port}/{path}"

    def start(self, *options: str) -> None:
        script = str(Path(__file__).parent / "rtsp_server.py")
        command = [_PYTHON, script, "--port", str(self.port), *options]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


class WebServer:
    """HTTP on one port: `/mjpeg` sends pictures for ever, other paths what `pages` holds or does.

    `size`, `rate`, `muted`: what `/mjpeg` sends now. `stop` breaks all connections.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.size = (64, 48)
        self.rate = 50.0
        self.muted = False
        self.login: str | None = None
        self.pages: dict[str, bytes | Callable[[Any], None]] = {}
        self.asked: list[str] = []
        self._server: ThreadingHTTPServer | None = None
        self._connections: list[socket.socket] = []

    def address(self, path: str = "mjpeg", login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.port}/{path}"

    def start(self) -> None:
        outer = self
        self._connections = []
        self._running = threading.Event()
        self._running.set()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *arguments: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="web server", daemon=True
        ).start()

    def stop(self) -> None:
        if self._server is None:
            return
        self._running.clear()
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server = None

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self._connections.append(request.connection)
        path = request.path.lstrip("/")
        self.asked.append(path)
        if self.login is not None:
            wanted = "Basic " + base64.b64encode(self.login.encode()).decode()
            if request.headers.get("Authorization") != wanted:
                request.send_response(401)
                request.send_header("WWW-Authenticate", 'Basic realm="camera"')
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
        if path == "mjpeg":
            self._send_pictures(request)
        elif path in self.pages:
            page = self.pages[path]
            if callable(page):
                page(request)
            else:
                _send_bytes(request, page)
        else:
            request.send_error(404)

    def _send_pictures(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        level = 0
        while self._running.is_set():
            if not self.muted:
                data = jpeg(40 + level % 160, self.size)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                request.wfile.write(head.encode() + data + b"\r\n")
                level += 1
            time.sleep(1 / self.rate)


def _send_bytes(request: BaseHTTPRequestHandler, page: bytes) -> None:
    start, end = 0, len(page)
    wanted = request.headers.get("Range", "")
    if wanted.startswith("bytes="):
        first, _, last = wanted[6:].partition("-")
        start, end = int(first or 0), int(last) + 1 if last else len(page)
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {start}-{min(end, len(page)) - 1}/{len(page)}")
    else:
        request.send_response(200)
    request.send_header("Accept-Ranges", "bytes")
    request.send_header("Content-Length", str(len(page[start:end])))
    request.end_headers()
    request.wfile.write(page[start:end])


class SilentServer:
    """Takes connections and never says a word."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def stop(self) -> None:
        self._socket.close()


@pytest.fixture
def rtsp() -> Iterator[RtspServer]:
    """A server that is not started yet; skipped where GStreamer's is not installed."""
    check = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        found = subprocess.run([_PYTHON, "-c", check], capture_output=True, timeout=60).returncode == 0
    except OSError:
        found = False
    if not found:
        pytest.skip("needs gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-rtsp for the system's Python")
    server = RtspServer()
    yield server
    server.stop()


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    server = SilentServer()
    yield server
    server.stop()


@pytest.fixture
def live() -> Any:
    """The functions of this file."""
    from types import SimpleNamespace

    return SimpleNamespace(free_port=free_port, jpeg=jpeg, open_files=open_files, until=until)
