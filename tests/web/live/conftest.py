"""A network camera that shows a real clip, and live views of it that tests look at."""

from __future__ import annotations

import http.server
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

PATIENCE = 150.0
"""Seconds: an engine loads torch, on a machine that does other things too."""


class FilmCamera:
    """MJPEG over HTTP from a real clip, again and again, as a network camera sends it; on whatever path."""

    def __init__(self, pictures: list[bytes], fps: float = 15.0) -> None:
        camera = self
        self.pictures, self.fps, self.muted = pictures, fps, False

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                with suppress(OSError):
                    index = 0
                    while not camera.muted:
                        data = camera.pictures[index % len(camera.pictures)]
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                        self.wfile.write(head.encode() + data + b"\r\n")
                        index += 1
                        time.sleep(1 / camera.fps)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/door"

    def stop(self) -> None:
        self.muted = True
        self._server.shutdown()
        self._server.server_close()


class Live:
    """What a test does with the live views of a site."""

    patience = PATIENCE

    def __init__(self, site: Any) -> None:
        self.site = site

    def engines(self) -> set[int]:
        """The processes of the site's live engines, of other tests' views too."""
        command = ["pgrep", "-P", str(self.site.process.pid), "-f", "kinema.web.live.engine"]
        return {int(word) for word in subprocess.run(command, capture_output=True, text=True).stdout.split()}

    def running(self, path: str) -> dict[str, Any] | None:
        """What the API tells of the live view of a page's path; None where nobody watches it."""
        session = path.rstrip("/").rpartition("/")[2]
        found = httpx.get(f"{self.site.address}/api/live/running").json()
        return next((one for one in found if one["session"] == session), None)

    def until(self, done: Callable[[], Any], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.05)

    def start(self, **form: str) -> str:
        """Choose as the form of /live/ does, with the first recognizer; return the path of the view's page."""
        with httpx.Client(base_url=self.site.address) as client:
            page = client.get("/live/").text
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
            key = re.search(r'<option value="([^"]+)"', page)
            assert token and key
            form = {"csrfmiddlewaretoken": token[1], "recognizer": key[1], **form}
            answer = client.post("/live/start", data=form, headers={"Referer": f"{self.site.address}/live/"})
        assert answer.status_code == 302, answer.text
        return str(answer.headers["Location"])

    def socket(self, path: str, **query: str) -> str:
        """The address of a view's WebSocket."""
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return f"{self.site.address.replace('http', 'ws', 1)}{path}socket?{asked}"

    @contextmanager
    def watched(self, path: str) -> Iterator[None]:
        """Somebody watches a view, without its pictures, as long as the block lasts; its engine runs when the block begins."""
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.client import connect

        with connect(self.socket(path, pictures="none"), origin=self.site.address, max_size=None) as socket:  # type: ignore[arg-type]
            going = threading.Event()

            def listen() -> None:
                with suppress(ConnectionClosed):
                    for line in socket:
                        if '"type":"row"' in str(line):
                            going.set()

            threading.Thread(target=listen, daemon=True).start()
            assert going.wait(PATIENCE), self.running(path)
            yield


@pytest.fixture(scope="session")
def live(site: Any) -> Live:
    """The live views of the site that tests share."""
    return Live(site)


@pytest.fixture(scope="session")
def film(test_data: Path) -> Path:
    """A real clip in which two people shake hands."""
    return sorted((test_data / "ut-interaction" / "hand_shaking").glob("*.avi"))[0]


@pytest.fixture(scope="session")
def camera(film: Path) -> Iterator[FilmCamera]:
    """A network camera that shows the clip."""
    import cv2

    from kinema.video import open_source

    with open_source(film) as source:
        pictures = [
            cv2.imencode(".jpg", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))[1].tobytes()
            for frame in source.frames(fps=15.0, end=3.0)
        ]
    made = FilmCamera(pictures)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def view(live: Live, camera: FilmCamera) -> Iterator[str]:
    """The path of a live view of the camera that is watched all the time: tests that only look do not wait for an engine."""
    path = live.start(source="address", address=camera.address)
    with live.watched(path):
        yield path


@pytest.fixture
def live_page(open_page: Any, site: Any) -> Callable[..., Any]:
    """`with live_page() as page`: a page of the site that waits as long as an engine may take to start."""

    @contextmanager
    def opened(**context: Any) -> Iterator[Any]:
        with open_page(site.address, **context) as page:
            page.set_default_timeout(PATIENCE * 1000)
            yield page

    return opened
