"""Live streams: one engine for all viewers of a pair, and none that slows another. Engines are made up here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django", reason="the web extra is not installed")

from kinema.web.live import wire
from kinema.web.live.hub import Full, Hub
from kinema.web.live.orders import Order
from kinema.web.live.sources import LiveSource
from kinema.web.live.viewer import Picture
from kinema.web.recognizers import Choice

_START = {"type": "start", "classes": ["sit", "wave"], "sources": ["door"]}


class MadeUpEngine:
    """An engine's process that says what a test wants."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.got: list[dict[str, Any]] = []
        self.frames: list[bytes] = []
        self.code = 0
        self.ended = False
        self.slow_end: asyncio.Event | None = None
        self._says: asyncio.Queue[wire.Message | None] = asyncio.Queue()

    async def read(self) -> wire.Message | None:
        return await self._says.get()

    def send(self, header: dict[str, Any], body: bytes = b"") -> bool:
        self.got.append(header)
        if body:
            self.frames.append(body)
        return True

    async def end(self) -> int:
        if self.slow_end is not None:
            await self.slow_end.wait()
        self.ended = True
        self._says.put_nowait(None)
        return self.code

    def say(self, body: bytes = b"", **header: Any) -> None:
        self._says.put_nowait((json.dumps(header), body))

    def die(self, code: int) -> None:
        self.code = code
        self._says.put_nowait(None)

    def wanted(self) -> list[list[str]]:
        return [one["variants"] for one in self.got if one["type"] == "want"]


class Bench:
    """A hub with made-up engines."""

    def __init__(self, **settings: Any) -> None:
        self.engines: list[MadeUpEngine] = []
        self.hub = Hub(self._start, **{"most": 4, "linger": 0.05, **settings})

    async def _start(self) -> MadeUpEngine:
        self.engines.append(MadeUpEngine(len(self.engines) + 100))
        return self.engines[-1]


async def settle() -> None:
    """Let everything that can happen now happen."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():
            await asyncio.sleep(0.01)


def order(slug: str = "camera-0") -> Order:
    choice = Choice("run-1", "Run", Path("run"), ["sit", "wave"], "motion_moments", False, 0.0)
    return Order(f"run-1.{slug}", choice, LiveSource(slug, "door", "camera", "0"))


def texts(found: tuple[list[str], Picture | None] | None) -> list[str]:
    assert found is not None
    return [json.loads(line)["type"] for line in found[0]]


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KINEMA_SITE", str(tmp_path))


def test_viewers_of_one_pair_share_an_engine_that_ends_after_the_last() -> None:
    async def test() -> None:
        bench = Bench()
        one, two = bench.hub.join(order(), "bare"), bench.hub.join(order(), "annotated")
        await settle()
        assert len(bench.engines) == 1
        assert bench.engines[0].got[0]["type"] == "open"
        bench.hub.leave(order(), one)
        await asyncio.sleep(0.1)
        assert not bench.engines[0].ended
        bench.hub.leave(order(), two)
        await until(lambda: bench.engines[0].ended)
        assert bench.hub.describe() == []

    run(test)


def test_who_loads_the_page_anew_finds_the_engine_still_there() -> None:
    async def test() -> None:
        bench = Bench(linger=0.2)
        viewer = bench.hub.join(order(), "bare")
        await settle()
        bench.hub.leave(order(), viewer)
        bench.hub.join(order(), "bare")  # before the loop turns, so that no machine is too slow
        await asyncio.sleep(0.3)
        assert (len(bench.engines), bench.engines[0].ended) == (1, False)

    run(test)


def test_another_recognizer_or_source_has_an_engine_of_its_own() -> None:
    async def test() -> None:
        bench = Bench()
        bench.hub.join(order("camera-0"), "bare")
        bench.hub.join(order("camera-1"), "bare")
        await settle()
        assert len(bench.engines) == 2

    run(test)


def test_the_engine_is_told_which_pictures_somebody_looks_at() -> None:
    async def test() -> None:
        bench = Bench()
        one = bench.hub.join(order(), "bare")
        await settle()
        two = bench.hub.join(order(), "annotated")
        bench.hub.join(order(), None)
        bench.hub.leave(order(), one)
        bench.hub.leave(order(), two)
        assert bench.engines[0].wanted() == [["bare"], ["annotated", "bare"], ["annotated"], []]

    run(test)


def test_a_slow_viewer_gets_the_newest_picture_alone_and_holds_up_nobody() -> None:
    async def test() -> None:
        bench = Bench()
        slow, quick = bench.hub.join(order(), "bare"), bench.hub.join(order(), "bare")
        await settle()
        seen = []
        for number in range(5):
            bench.engines[0].say(b"jpeg %d" % number, type="picture", variant="bare", time=number / 10)
            await settle()
            found = await quick.next()
            assert found is not None and found[1] is not None
            seen.append(found[1].jpeg)
        assert seen == [b"jpeg 0", b"jpeg 1", b"jpeg 2", b"jpeg 3", b"jpeg 4"]
        found = await slow.next()
        assert found is not None and found[1] is not None
        assert (found[1].jpeg, slow.left_out) == (b"jpeg 4", 4)

    run(test)


def test_who_comes_later_is_told_what_happened_and_sees_a_picture_at_once() -> None:
    async def test() -> None:
        bench = Bench()
        bench.hub.join(order(), "bare")
        await settle()
        engine = bench.engines[0]
        engine.say(**_START)
        engine.say(type="state", state="running", text="")
        for time in (0.0, 0.5, 61.0):
            engine.say(type="row", time=time, label="wave", known=True, smoothed=[0.25, 0.75])
        engine.say(type="event", id="e1", label="wave", ended=False)
        engine.say(type="event", id="e1", label="wave", ended=True)
        engine.say(b"jpeg", type="picture", variant="bare", time=61.0)
        await settle()
        late = bench.hub.join(order(), "bare")
        found = await late.next()
        assert texts(found) == ["state", "start", "history", "event"]
        assert found is not None and found[1] is not None and found[1].jpeg == b"jpeg"
        history = json.loads(found[0][2])
        assert history["rows"] == [
            [61.0, True, {"1": 0.75, "0": 0.25}]
        ]  # the others are more than a minute old
        assert json.loads(found[0][3])["ended"] is True

    run(test)


def test_an_engine_that_dies_is_told_in_a_line_and_begins_again_when_asked() -> None:
    async def test() -> None:
        bench = Bench()
        viewer = bench.hub.join(order(), "bare")
        await settle()
        bench.engines[0].die(-9)
        await settle()
        found = await viewer.next()
        assert found is not None
        last = json.loads(found[0][-1])
        assert (last["state"], last["text"]) == (
            "failed",
            "the engine's process was killed by signal 9 before its time; start it again",
        )
        stream = bench.hub.stream(order().session)
        assert stream is not None
        stream.restart()
        stream.restart()
        await settle()
        assert len(bench.engines) == 2
        assert bench.engines[1].wanted() == [["bare"]]

    run(test)


def test_what_an_engine_says_of_its_end_is_not_covered_by_its_exit_code() -> None:
    async def test() -> None:
        bench = Bench()
        bench.hub.join(order(), "bare")
        await settle()
        bench.engines[0].say(type="state", state="failed", text="camera 0: the camera is busy")
        bench.engines[0].die(3)
        await settle()
        [told] = bench.hub.describe()
        assert (told["state"], told["text"]) == ("failed", "camera 0: the camera is busy")

    run(test)


def test_no_more_engines_than_allowed_and_one_nobody_looks_at_gives_way() -> None:
    async def test() -> None:
        bench = Bench(most=2, linger=60.0)
        first = bench.hub.join(order("camera-0"), "bare")
        bench.hub.join(order("camera-1"), "bare")
        await settle()
        with pytest.raises(Full, match="2 live views run already, as many as this site allows"):
            bench.hub.join(order("camera-2"), "bare")
        bench.hub.join(order("camera-1"), "bare")  # who looks at what runs is welcome
        bench.hub.leave(order("camera-0"), first)
        bench.hub.join(order("camera-2"), "bare")
        await until(lambda: bench.engines[0].ended)
        await settle()
        assert sorted(one["session"] for one in bench.hub.describe()) == ["run-1.camera-1", "run-1.camera-2"]

    run(test)


def test_a_camera_is_opened_again_only_once_its_last_engine_has_let_go() -> None:
    async def test() -> None:
        bench = Bench(linger=0.0)
        viewer = bench.hub.join(order(), "bare")
        await settle()
        bench.engines[0].slow_end = asyncio.Event()
        bench.hub.leave(order(), viewer)
        await asyncio.sleep(0.05)
        bench.hub.join(order(), "bare")
        await asyncio.sleep(0.05)
        assert len(bench.engines) == 1
        bench.engines[0].slow_end.set()
        await until(lambda: len(bench.engines) == 2)

    run(test)


def test_a_source_that_is_taken_off_the_list_ends_where_it_is_watched() -> None:
    async def test() -> None:
        bench = Bench()
        viewer, other = bench.hub.join(order("source-1"), "bare"), bench.hub.join(order("source-12"), "bare")
        await settle()
        await asyncio.to_thread(bench.hub.withdraw, "source-1")
        await until(lambda: viewer.closed)
        await until(lambda: bench.engines[0].ended)
        assert (bench.engines[1].ended, other.closed) == (False, False)
        assert [one["session"] for one in bench.hub.describe()] == ["run-1.source-12"]
        bench.hub.leave(order("source-1"), viewer)

    run(test)
