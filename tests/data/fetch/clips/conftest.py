"""A site of videos on this machine, which can be told to refuse, to break off and to send whole files only."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from kinema.video import VideoWriter

SECONDS = 30
GREY = 8  # the picture is this much brighter with each second


@dataclass
class Request:
    """What the site was asked: when (monotonic seconds), for which video, which bytes."""

    when: float
    name: str
    range: str | None


@dataclass
class ClipSite:
    """`refusals` holds, for each video, the (status, headers) of its next answers; then it is sent."""

    videos: dict[str, bytes] = field(default_factory=dict)
    refusals: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    cut_after: dict[str, list[int]] = field(default_factory=dict)  # bytes after which an answer breaks off
    lies: dict[str, int] = field(default_factory=dict)  # so many answers are shorter than they say they are
    ranges: bool = True
    delay: float = 0.0
    log: list[Request] = field(default_factory=list)
    sent: int = 0
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/{{id}}.mp4"

    def asked(self, name: str) -> int:
        return sum(request.name == name for request in self.log)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error of the site."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: ClipSite

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        site, name = self.site, self.path.strip("/").removesuffix(".mp4")
        with site.lock:
            site.log.append(Request(time.monotonic(), name, self.headers.get("Range")))
            site.at_once += 1
            site.most_at_once = max(site.most_at_once, site.at_once)
            refusals = site.refusals.get(name) or []
            refusal = refusals.pop(0) if refusals else None
            cuts = site.cut_after.get(name) or []
        time.sleep(site.delay)
        try:
            self._answer(site, name, refusal, cuts)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with site.lock:
                site.at_once -= 1

    def _answer(
        self, site: ClipSite, name: str, refusal: tuple[int, dict[str, str]] | None, cuts: list[int]
    ) -> None:
        if refusal is None and name not in site.videos:
            refusal = (404, {})
        if refusal is not None:
            self.send_response(refusal[0])
            for key, value in {**refusal[1], "Content-Length": "0"}.items():
                self.send_header(key, value)
            self.end_headers()
            return
        data = site.videos[name]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "") if site.ranges else None
        first = int(wanted[1]) if wanted else 0
        last = min(int(wanted[2] or len(data)) if wanted else len(data), len(data) - 1)
        body = data[first : last + 1]
        if wanted and site.lies.get(name):
            site.lies[name] -= 1
            body = body[: len(body) // 2]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(body)))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        if cuts and (wanted or not site.ranges) and len(site.log) > 1:
            body, self.close_connection = body[: cuts.pop(0)], True
        for at in range(0, len(body), 65536):
            self.wfile.write(body[at : at + 65536])
            site.sent += len(body[at : at + 65536])


@pytest.fixture
def clip_site() -> Iterator[ClipSite]:
    """A running site without videos."""
    site = ClipSite()
    handler = type("Handler", (_Handler,), {"site": site})
    server = _Server(("127.0.0.1", 0), handler)
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def half_minute(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A synthetic video of 30 s at 10 fps, 160 x 120, noise below a band as bright as 8 times the second."""
    path = tmp_path_factory.mktemp("videos") / "half_minute.mp4"
    random = np.random.default_rng(0)
    with VideoWriter(path, 10, (160, 120), quality=30) as out:
        for index in range(SECONDS * 10):
            picture = random.integers(0, 255, (120, 160, 3), dtype=np.uint8)
            picture[:60] = index // 10 * GREY
            out.write(picture)
    return path.read_bytes()


@pytest.fixture(scope="session")
def seconds_in() -> object:
    """A function from a clip to the seconds of the original that its frames show, each once, in order."""

    def read(path: Path) -> list[int]:
        from kinema.video import open_source

        with open_source(path) as source:
            shown = [round(frame.image[: frame.image.shape[0] * 2 // 5].mean() / GREY) for frame in source]
        return list(dict.fromkeys(shown))

    return read
