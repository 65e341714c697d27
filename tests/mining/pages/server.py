"""A site on this machine that behaves like sites with images: result pages, an API, pictures, robots.txt, refusals.

Pictures are synthetic: /pics/N.jpg is coloured noise of the seed N, so that two of them never look alike.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
from PIL import Image

PAGES = Path(__file__).parent
SEEDS = {"waving": 1000, "jumping": 2000, "jumping person": 3000}
"""The first picture of each query; its results are so many, one after the other."""
RESULTS = 30


def picture(seed: int, size: tuple[int, int] = (320, 240), kind: str = "JPEG", **options: Any) -> bytes:
    """Return the picture of a seed: the same noise at any size."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


class Site:
    """The server: `requests` are the paths that were asked for, with headers; `refusals` and `robots` can be set.

    `refusals[path]` are (status, headers) given once each before the path is answered properly.
    """

    def __init__(self, address: str) -> None:
        self.url = address
        self.robots: tuple[int, str] = (404, "")
        self.refusals: dict[str, list[tuple[int, dict[str, str]]]] = {}
        self.fixed: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.pages = 3  # of the API for each query
        self.lock = threading.Lock()

    def paths(self, prefix: str) -> list[str]:
        """The paths with this beginning that were asked for, in their order."""
        return [path for path, _ in self.requests if path.startswith(prefix)]

    def answer(self, target: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(target)
        words = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self.lock:
            self.requests.append((target, headers))
            waiting = self.refusals.get(parts.path)
            if waiting:
                status, more = waiting.pop(0)
                return status, more, b""
        if parts.path in self.fixed:
            return self.fixed[parts.path]
        if parts.path == "/robots.txt":
            return self.robots[0], {"Content-Type": "text/plain"}, self.robots[1].encode()
        if parts.path.startswith("/pics/"):
            return self._picture(parts.path, words)
        if parts.path == "/images/search":
            return _page("bing.html")
        if parts.path == "/images/async":
            return _json([self._bing(words["q"], int(words["first"]) + i) for i in range(10)])
        if parts.path == "/search":
            if "agreed=" not in headers.get("cookie", ""):
                return 302, {"Location": f"/consent/ml?continue={quote(target, safe='')}"}, b""
            return _page("google.html")
        if parts.path == "/google-more":
            return _json([self._google(words["q"], int(words["first"]) + i) for i in range(10)])
        if parts.path == "/consent/ml":
            return _page("consent.html")
        if parts.path == "/consent/save":
            cookie = f"agreed={words['choice']}; Path=/"
            return 303, {"Location": words["continue"], "Set-Cookie": cookie}, b""
        if parts.path == "/v1/images/":
            return self._api(words)
        return 404, {}, b""

    def _picture(self, path: str, words: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        name = path.removeprefix("/pics/")
        if name == "page.jpg":  # what many hosts send to programs in place of the picture
            return 200, {"Content-Type": "text/html"}, b"<!doctype html><p>Sign in to see this picture"
        if name == "half.jpg":
            return 200, {"Content-Type": "image/jpeg"}, picture(77)[:4000]
        if not name.removesuffix(".jpg").isdecimal():
            return 404, {}, b""
        width = int(words.get("w", 320))
        size = (width, width * 3 // 4)
        return 200, {"Content-Type": "image/jpeg"}, picture(int(name.removesuffix(".jpg")), size)

    def _bing(self, query: str, number: int) -> dict[str, Any]:
        seed = SEEDS[query] + number
        result = {
            "mid": f"M{seed}",
            "murl": f"{self.url}/pics/{seed}.jpg",
            "purl": f"{self.url}/page/{seed}",
            "turl": f"{self.url}/pics/{seed}.jpg?w=200",
            "t": f"{query} {number}",
        }
        if number == 2:
            result["murl"] = f"{self.url}/pics/gone.jpg"  # 404, but its thumbnail is there
        if number == 4:
            result |= {"murl": f"{self.url}/pics/page.jpg", "turl": f"{self.url}/pics/half.jpg"}
        if number == 6:  # the first one again, smaller
            result |= {"murl": f"{self.url}/pics/{SEEDS[query]}.jpg?w=260", "turl": ""}
        return result if number < RESULTS else {}

    def _google(self, query: str, number: int) -> dict[str, Any]:
        seed = SEEDS[query] + number
        small = base64.b64encode(picture(seed, (160, 120))).decode()
        return {
            "id": f"D{seed}",
            "page": f"{self.url}/page/{seed}",
            # The address of the picture itself is not known of each result, or is none of the web.
            "image": {3: None, 5: f"x-raw-image:///{seed}"}.get(number, f"{self.url}/pics/{seed}.jpg"),
            "thumbnail": f"data:image/jpeg;base64,{small}",
            "title": f"{query} {number}",
        }

    def _api(self, words: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        number, size = int(words["page"]), int(words["page_size"])
        if number > self.pages:
            return 401, {"Content-Type": "application/json"}, b'{"detail": "anonymous requests end here"}'
        first = SEEDS.get(words["q"], 9000) + (number - 1) * size
        results = [
            {
                "id": f"id-{seed}",
                "title": f"A  picture\nof {words['q']}",
                "foreign_landing_url": f"{self.url}/page/{seed}",
                "url": f"{self.url}/pics/{seed}.jpg",
                "creator": "Ada",
                "license": "by-sa" if seed % 2 else "cc0",
                "license_version": "4.0" if seed % 2 else "1.0",
                "license_url": "https://creativecommons.org/licenses/by-sa/4.0/",
                "thumbnail": f"{self.url}/pics/{seed}.jpg?w=200",
            }
            for seed in range(first, first + size)
        ]
        pages = self.pages + 2  # more than it gives to those without a key
        return _json(
            {"result_count": pages * size, "page_count": pages, "page_size": size, "results": results}
        )


def _page(name: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "text/html; charset=utf-8"}, (PAGES / name).read_bytes()


def _json(value: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


@contextmanager
def serving() -> Iterator[Site]:
    """Serve a `Site` on 127.0.0.1 for the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, body = site.answer(self.path, headers)
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            if "Content-Length" not in more:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    site = Site(f"http://127.0.0.1:{httpd.server_address[1]}")
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield site
    finally:
        httpd.shutdown()
        httpd.server_close()
