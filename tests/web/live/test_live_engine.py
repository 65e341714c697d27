"""The process of a live engine: what it says of a file, of a browser's pictures, of what cannot be opened, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django", reason="the web extra is not installed")

from kinema.web.live import wire


class Engine:
    """An engine's process, and all that it has said."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "kinema.web.live.engine"]
        settings = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=settings)
        self.said: list[dict[str, Any]] = []
        self.pictures: list[tuple[str, bytes]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def send(self, body: bytes = b"", **header: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(wire.pack(header, body))
        self.process.stdin.flush()

    def open(self, recognizer: Path, kind: str, address: str, **values: Any) -> None:
        order = {
            "recognizer": str(recognizer),
            "key": "",
            "title": "untrained",
            "kind": kind,
            "address": address,
            "name": "door",
        }
        self.send(**{"type": "open", **order, "keep": False, "folder": None, "site": "", **values})

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.said if one["type"] == kind]

    def states(self) -> list[str]:
        return [one["state"] for one in self.of("state")]

    def until(self, done: Callable[[], bool], seconds: float = 150.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, self.said[-3:]
            if not self._thread.is_alive() and not done():
                raise AssertionError(f"it has ended: {self.said[-3:]}")
            time.sleep(0.02)

    def end(self, seconds: float = 60.0) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(seconds)
        self._thread.join(5)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        while (message := wire.read(self.process.stdout)) is not None:  # type: ignore[arg-type]
            header = json.loads(message[0])
            if header["type"] == "picture":
                self.pictures.append((header["variant"], message[1]))
            self.said.append(header)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture(scope="session")
def clip(two_actions: Path) -> Path:
    """A synthetic video of 1.2 seconds: a square that moves."""
    return two_actions / "move" / "person01_move.mp4"


@pytest.fixture(scope="session")
def eager_recognizer(recognizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained recognizer with rules by which anything is an event soon."""
    from kinema.events import EventRules, LabelRule

    folder = tmp_path_factory.mktemp("recognizers") / "eager"
    shutil.copytree(recognizer_folder, folder)
    rule = LabelRule(enter=0.01, leave=0.0, min_seconds=0.0, consecutive=1, merge_gap=0.0, cooldown=0.0)
    EventRules(smoothing="none", default=rule, partial=True).save(folder)
    return folder


def test_a_video_is_watched_at_its_own_pace_and_ends_with_its_numbers(
    engine: Engine, recognizer_folder: Path, clip: Path
) -> None:
    engine.open(recognizer_folder, "video", str(clip))
    engine.send(type="want", variants=["annotated"])
    engine.until(lambda: "ended" in engine.states())
    assert engine.process.wait(60) == 0
    assert engine.states() == ["starting", "starting", "running", "ended"]
    assert engine.of("start")[0]["classes"] == ["jump", "sit", "wave"]
    assert engine.of("start")[0]["sources"] == ["door"]  # the page's name for it, not its path
    rows = engine.of("row")
    # A sample each 0.2 s; a machine that is busy leaves some out, and says so.
    assert {round(row["time"], 1) for row in rows} <= {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}
    numbers = engine.of("statistics")[-1]["sources"][0]
    assert (len(rows), numbers["used"] + numbers["dropped"]) == (numbers["used"], 6)
    assert len(rows[0]["probabilities"]) == 3
    assert numbers["seen"] == 12
    assert {variant for variant, _ in engine.pictures} == {"annotated"}
    assert all(jpeg.startswith(b"\xff\xd8") for _, jpeg in engine.pictures)
    assert str(clip) not in json.dumps(engine.said)


@pytest.mark.slow
def test_pictures_of_a_browser_are_taken_told_and_looked_at(engine: Engine, recognizer_folder: Path) -> None:
    import cv2
    import numpy as np

    def jpeg(level: int, size: tuple[int, int] = (64, 48)) -> bytes:
        picture = np.full((size[1], size[0], 3), level, np.uint8)
        return bytes(cv2.imencode(".jpg", picture)[1].tobytes())

    engine.open(recognizer_folder, "browser", "")
    engine.send(type="want", variants=["bare"])
    engine.until(lambda: "running" in engine.states())
    sent = 0
    while len(engine.of("row")) < 10:  # what comes too soon for a busy machine is dropped, and more is sent
        sent += 1
        assert sent < 3000
        engine.send(jpeg(sent % 200), type="frame", number=sent, time=100 + sent / 5)
        engine.until(lambda sent=sent: len(engine.of("taken")) == sent)  # type: ignore[misc]
    engine.send(b"GIF89a", type="frame", number=9000, time=900.0)
    engine.send(jpeg(1, (2000, 2000)), type="frame", number=9001, time=901.0)
    engine.until(lambda: len(engine.of("taken")) == sent + 2)
    taken = [(one["number"], one["refused"]) for one in engine.of("taken")]
    assert taken[:sent] == [(number, None) for number in range(1, sent + 1)]
    assert taken[sent:] == [
        (9000, "no JPEG of at most 1.6 megapixels"),
        (9001, "no JPEG of at most 1.6 megapixels"),
    ]
    engine.until(lambda: bool(engine.pictures))
    assert engine.of("row")[1]["time"] > engine.of("row")[0]["time"]
    assert engine.end() == 0


@pytest.mark.slow
def test_it_ends_with_its_server_even_while_it_loads(
    engine: Engine, recognizer_folder: Path, clip: Path
) -> None:
    engine.open(recognizer_folder, "video", str(clip))
    engine.until(lambda: bool(engine.said))
    assert engine.end() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "address", "said"),
    [
        ("camera", "97", "camera 97 (/dev/video97): no such camera"),
        ("stream", "rtsp://127.0.0.1:9/live", "127.0.0.1 refuses connections on port 9"),
        ("video", "gone.mp4", "gone.mp4"),
    ],
)
def test_what_cannot_be_opened_is_told_in_words_and_as_a_picture(
    kind: str, address: str, said: str, engine: Engine, recognizer_folder: Path
) -> None:
    engine.open(recognizer_folder, kind, address)
    engine.send(type="want", variants=["annotated"])
    engine.until(lambda: "failed" in engine.states())
    assert said in engine.of("state")[-1]["text"]
    assert engine.process.wait(60) == 3
    assert [variant for variant, _ in engine.pictures] == ["annotated"]


@pytest.mark.slow
def test_a_recognizer_that_is_gone_is_told(engine: Engine, tmp_path: Path) -> None:
    engine.open(tmp_path / "gone", "camera", "0")
    engine.until(lambda: "failed" in engine.states())
    assert "gone" in engine.of("state")[-1]["text"]


@pytest.mark.slow
def test_events_reach_the_review_with_their_clips(eager_recognizer: Path, clip: Path, tmp_path: Path) -> None:
    if find_spec("kinema.web.review") is None:
        pytest.skip("the site has no review")
    site = tmp_path / "site"
    call = "from django.core.management import call_command; call_command('migrate', verbosity=0)"
    script = f"import django; django.setup(); {call}"
    environment = {"KINEMA_SITE": str(site), "DJANGO_SETTINGS_MODULE": "kinema.web.settings"}
    subprocess.run([sys.executable, "-c", script], env={**os.environ, **environment}, check=True)
    engine = Engine(environment)
    folder = site / "events" / "session"
    engine.open(eager_recognizer, "video", str(clip), keep=True, folder=str(folder), site=str(site))
    engine.until(lambda: "ended" in engine.states())
    assert engine.process.wait(60) == 0
    ended = [one for one in engine.of("event") if one["ended"]]
    assert ended
    import sqlite3

    with sqlite3.connect(site / "site.sqlite3") as database:
        rows = database.execute(
            "SELECT uid, label, source, recognizer, clip, thumbnail FROM review_clip"
        ).fetchall()
    assert sorted(row[0] for row in rows) == sorted(one["id"] for one in ended)
    for _, label, source, recognizer, film, thumbnail in rows:
        assert (label in ("jump", "sit", "wave"), source, recognizer) == (True, "door", "untrained")
        assert film.startswith("events/session/clips/")
        assert (site / film).stat().st_size > 500
        assert (site / thumbnail).is_file()
