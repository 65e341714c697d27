"""kill -9 of a real site in the middle of an upload and of a prediction: nothing is lost, nothing is done twice."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from kinema.video import VideoWriter

pytestmark = pytest.mark.slow


def _noise(path: Path, seconds: float) -> Path:
    """A synthetic clip whose noise keeps it from becoming small."""
    noise = np.random.default_rng(0)
    with VideoWriter(path, 25) as writer:
        for _ in range(int(25 * seconds)):
            writer.write(noise.integers(0, 255, (120, 160, 3), np.uint8))
    return path


class _Browser:
    """What a browser's script does, by httpx."""

    def __init__(self, address: str) -> None:
        self.http = httpx.Client(base_url=address, timeout=60)
        found = re.search(r'name="csrf-token" content="([^"]+)"', self.http.get("/videos/").text)
        assert found is not None
        self.headers = {"Tus-Resumable": "1.0.0", "X-CSRFToken": found.group(1)}

    def begin(self, size: int, **about: str) -> tuple[str, int]:
        pairs = (f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in about.items())
        headers = {"Upload-Length": str(size), "Upload-Metadata": ",".join(pairs)}
        answer = self.http.post("/videos/uploads/", headers={**self.headers, **headers})
        assert answer.status_code == 201
        return httpx.URL(answer.headers["Location"]).path, answer.json()["id"]

    def offset(self, address: str) -> int:
        return int(self.http.head(address, headers=self.headers).headers["Upload-Offset"])

    def patch(self, address: str, offset: int, data: bytes) -> httpx.Response:
        kind = "application/offset+octet-stream"
        headers = {**self.headers, "Upload-Offset": str(offset), "Content-Type": kind}
        return self.http.patch(address, headers=headers, content=data)

    def get(self, address: str) -> Any:
        return self.http.get(f"/api/videos{address}").json()


def _until(look: Callable[[], Any]) -> None:
    end = time.monotonic() + 240
    while not look():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.timeout(900)
def test_upload_and_prediction_go_on_after_kills_of_the_server(
    start_site: Callable[..., Any], tmp_path: Path
) -> None:
    data = _noise(tmp_path / "noise.mp4", 30).read_bytes()
    half = len(data) // 2
    first = start_site()
    browser = _Browser(first.address)
    recognizer = browser.get("/recognizers")[0]["key"]
    address, pk = browser.begin(len(data), filename="noise.mp4", key="mine", recognizer=recognizer)
    assert browser.patch(address, 0, data[:half]).status_code == 204
    first.kill()
    with pytest.raises(httpx.TransportError):
        browser.offset(address)

    second = start_site(folder=first.folder)
    browser = _Browser(second.address)
    again, same = browser.begin(len(data), filename="noise.mp4", key="mine", recognizer=recognizer)
    assert (again, same, browser.offset(again)) == (address, pk, half)
    assert browser.patch(address, half, data[half:]).status_code == 204
    folder = first.folder / "videos" / str(pk) / "predictions"
    _until(lambda: list(folder.glob("*/preview.json")))
    video = browser.get(f"/{pk}")
    assert (video["state"], video["sha256"]) == ("ready", hashlib.sha256(data).hexdigest())
    assert (video["duration"], video["width"], video["height"], video["fps"]) == (30.0, 160, 120, 25.0)
    second.kill()

    third = start_site(folder=first.folder)
    browser = _Browser(third.address)
    _until(lambda: browser.get(f"/{pk}")["predictions"][0]["state"] == "done")
    [prediction] = browser.get(f"/{pk}")["predictions"]
    result = browser.get(f"/{pk}/predictions/{prediction['id']}/result")
    assert [row["time"] for row in result["timeline"]] == pytest.approx([k / 5 for k in range(150)])
    frames = browser.http.get(prediction["files"]["frames.csv"]).text.splitlines()
    assert len(frames) == 1 + 750  # a line for every frame, none twice
    assert not [path.name for path in folder.glob("*/preview.*")]
    assert third.stop() == 0
