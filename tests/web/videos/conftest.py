"""Synthetic clips, and what a site that is a process of its own does with them."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from kinema.video import VideoWriter

PATIENCE = 240.0
"""Seconds: a job loads torch, on a machine that does other things too."""


def _dance(path: Path, seconds: float) -> Path:
    with VideoWriter(path, 25) as writer:
        for index in range(int(25 * seconds)):
            image = np.full((240, 320, 3), 70, np.uint8)
            x = int(250 * (0.5 + 0.5 * np.sin(index / 12)))
            y = int(170 * (0.5 + 0.5 * np.cos(index / 12)))
            image[y : y + 70, x : x + 70] = (230, 180, 60)
            writer.write(image)
    return path


@pytest.fixture(scope="session")
def dance() -> Callable[[Path, float], Path]:
    """`dance(path, seconds)` writes a synthetic clip: a square that goes round over a grey ground."""
    return _dance


@pytest.fixture
def files_of_its_own(_django: None) -> Iterator[None]:
    """In the site of this process numbers of videos begin anew with each test, and so do their folders."""
    yield
    from kinema.web.folder import site

    shutil.rmtree(site().root / "videos", ignore_errors=True)


class Videos:
    """What a test does with the videos of a site."""

    def __init__(self, site: Any) -> None:
        self.site = site

    def get(self, address: str) -> Any:
        """What the API says."""
        return httpx.get(f"{self.site.address}/api/videos{address}", timeout=60).json()

    def until(self, look: Callable[[], Any], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not look():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.1)

    def wait(self, page: Any, expression: str, seconds: float = PATIENCE) -> None:
        """Wait until an expression holds; Playwright's own way needs an `eval` that the site's policy forbids.

        A page may be loading another meanwhile, so that for a moment there is nothing to ask.
        """
        from playwright.sync_api import Error

        end = time.monotonic() + seconds
        while True:
            try:
                if page.evaluate(expression):
                    return
            except Error:
                if time.monotonic() >= end:
                    raise
            assert time.monotonic() < end, expression
            page.wait_for_timeout(50)

    def upload(self, clip: Path, *, predict: bool = True) -> int:
        """Upload by the API, and wait until it is predicted, or ready."""
        with httpx.Client(base_url=self.site.address, timeout=60) as client:
            token = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/videos/").text)
            assert token is not None
            key = client.get("/api/videos/recognizers").json()[0]["key"] if predict else ""
            with clip.open("rb") as file:
                answer = client.post(
                    "/api/videos/",
                    files={"file": file},
                    data={"recognizer": key},
                    headers={"X-CSRFToken": token.group(1)},
                )
            assert answer.status_code == 201, answer.text
            pk = int(answer.json()["id"])
        if predict:
            self.until(lambda: self.predicted(pk))
        else:
            self.until(lambda: self.get(f"/{pk}")["state"] == "ready")
        return pk

    def predicted(self, pk: int) -> bool:
        """Whether a prediction of a video is done."""
        return any(found["state"] == "done" for found in self.get(f"/{pk}")["predictions"])

    def jobs(self) -> list[int]:
        """The processes of the site's jobs."""
        return [
            job
            for worker in self._children(self.site.process.pid, "kinema.web.jobs.worker")
            for job in self._children(worker, "kinema.web.jobs.child")
        ]

    def _children(self, parent: int, name: str) -> list[int]:
        found = subprocess.run(["pgrep", "-P", str(parent), "-f", name], capture_output=True, text=True)
        return [int(word) for word in found.stdout.split()]


@pytest.fixture(scope="session")
def videos(site: Any) -> Videos:
    """The videos of the site that tests share."""
    return Videos(site)
