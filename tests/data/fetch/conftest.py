"""A real HTTP server on this machine that misbehaves on demand, and a clock that nobody has to wait for."""

from __future__ import annotations

import re
import ssl
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Fault:
    """What goes wrong with one answer; all of it only once."""

    status: int = 0  # in place of 200 or 206
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None  # close the connection after so many bytes of the body
    claim: int | None = None  # the Content-Length to announce
    body: bytes | None = None
    hold: float = 0.0  # seconds of silence in the middle of the body
    wait: float = 0.0  # seconds before the answer
    deaf: bool = False  # take no notice of If-Range


@dataclass
class Route:
    """A file on the server; `faults` are used up one an answer, `always` holds for every answer after them."""

    body: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    faults: list[Fault] = field(default_factory=list)
    always: Fault = field(default_factory=Fault)


class FaultServer:
    """The server, its routes by path, and every request that came as (path, headers)."""

    fault = Fault

    def __init__(self, httpd: ThreadingHTTPServer, scheme: str = "http") -> None:
        self.httpd = httpd
        self.routes: dict[str, Route] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.most_at_once = 0
        self.now = 0
        self.lock = threading.Lock()
        self.url = f"{scheme}://127.0.0.1:{httpd.server_address[1]}"

    def add(self, path: str, body: bytes, *faults: Fault, **settings: Any) -> str:
        """Serve a file and return its address."""
        self.routes[path] = Route(body, faults=list(faults), **settings)
        return f"{self.url}{path}"

    def ranges(self) -> list[str | None]:
        """The Range header of each request."""
        return [headers.get("range") for _, headers in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        server: FaultServer = self.server.faults
        with server.lock:
            server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            server.now += 1
            server.most_at_once = max(server.most_at_once, server.now)
            route = server.routes.get(self.path)
            fault = route.faults.pop(0) if route and route.faults else route.always if route else Fault()
        try:
            self._answer(route, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with server.lock:
                server.now -= 1

    def _answer(self, route: Route | None, fault: Fault) -> None:
        time.sleep(fault.wait)
        if route is None:
            self.send_error(404)
            return
        whole = route.body if fault.body is None else fault.body
        start, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = fault.deaf or self.headers.get("If-Range") in (None, route.etag)
        if asked and route.ranges and same:
            start, status = int(asked[1]), 206
            if start >= len(whole):
                status = 416
        status = fault.status or status
        body = whole[start:] if status in (200, 206) else b""
        self.send_response(status)
        if status in (200, 206) and route.etag:
            self.send_header("ETag", route.etag)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if fault.claim is None else fault.claim))
        self.end_headers()
        if fault.hold:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            time.sleep(fault.hold)
            body = body[len(body) // 2 :]
        if fault.cut is None:
            self.wfile.write(body)
        else:
            self.wfile.write(body[: fault.cut])
        if fault.cut is not None or fault.claim is not None:
            self.close_connection = True


def _serve(context: Any = None) -> Iterator[FaultServer]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    httpd.daemon_threads = True
    if context is not None:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    server = FaultServer(httpd, "https" if context else "http")
    httpd.faults = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A server on 127.0.0.1 that does what its routes say."""
    yield from _serve()


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[FaultServer]:
    """An HTTPS server with a certificate that nobody signed."""
    folder = tmp_path / "certificate"
    folder.mkdir()
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -keyout k.pem -out c.pem"
    try:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl command to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c.pem", folder / "k.pem")
    yield from _serve(context)


class Clock:
    """A clock that moves when somebody sleeps; `waits` are the sleeps, in seconds. It begins in 2024."""

    def __init__(self) -> None:
        self.time = 1_704_067_200.0  # Mon, 01 Jan 2024 00:00:00 GMT
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.waits.append(seconds)
            self.time += seconds


@pytest.fixture
def fake_clock() -> Clock:
    """A clock for downloads that have to wait."""
    return Clock()


def _vint(number: int) -> bytes:
    """A number as RAR 5 writes it: seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _block(fields: bytes) -> bytes:
    sized = _vint(len(fields)) + fields
    return struct.pack("<I", zlib.crc32(sized)) + sized


@pytest.fixture
def make_rar() -> Callable[..., bytes]:
    """Return a writer of RAR 5 archives with the files as they are (https://www.rarlab.com/technote.htm).

    `method` other than 0 only says that the bytes were compressed.
    """

    def make(files: dict[str, bytes], method: int = 0) -> bytes:
        out = b"Rar!\x1a\x07\x01\x00" + _block(_vint(1) + _vint(0) + _vint(0))
        for name, body in files.items():
            encoded = name.encode()
            fields = _vint(2) + _vint(0x0002) + _vint(len(body))  # a file, with data of this size
            fields += _vint(0x0004) + _vint(len(body)) + _vint(0o100644)  # with CRC; size; mode
            fields += struct.pack("<I", zlib.crc32(body)) + _vint(method << 7) + _vint(1)
            out += _block(fields + _vint(len(encoded)) + encoded) + body
        return out + _block(_vint(5) + _vint(0) + _vint(0))

    return make


@pytest.fixture
def fetch() -> Callable[..., Path]:
    """Return `Downloader.fetch` by a clock that nobody has to wait for."""
    from kinema.data.fetch import Downloader

    def run(
        clock: Clock,
        url: str,
        target: Path,
        size: int | None = None,
        checksum: str | None = None,
        **more: Any,
    ) -> Path:
        with Downloader(clock=clock, sleep=clock.sleep, now=clock, **more) as downloader:
            return downloader.fetch(url, target, size=size, checksum=checksum)

    return run


@pytest.fixture
def refused() -> Callable[..., None]:
    """Return a check: the archive is refused, in one line, and leaves nothing inside or outside of its folder."""
    from kinema.data.fetch import unpack
    from kinema.errors import DataError, KinemaError

    def tree(folder: Path) -> list[str]:
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))

    def check(archive: Path, match: str, error: type[KinemaError] = DataError, **more: Any) -> None:
        place = archive.parent / "place" / "deep"
        place.mkdir(parents=True, exist_ok=True)
        before = tree(archive.parent)
        with pytest.raises(error, match=match) as caught:
            unpack(archive, place, **more)
        assert "\n" not in str(caught.value) and str(archive) in str(caught.value)
        assert tree(archive.parent) == before

    return check
