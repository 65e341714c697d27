"""Many viewers of one live stream of the site, half by MJPEG and half by WebSocket: does the engine notice, do they wait?

    python benchmarks/site_viewers.py [--run RUN] [--viewers 50] [--seconds 20] [--ramp 5] [--json FILE]

A camera (MJPEG over HTTP from a process of its own, pictures encoded beforehand, --fps 25) is watched by `kinema serve`. The
engine's rate (pictures computed a second), first with one viewer who wants no pictures, then with all of them. They come
twice: spread over --ramp seconds, and all at the same moment. A viewer's time to its first picture begins before its
connection is opened. The viewers run in one process beside the server, on the same cores. Goals: the engine's rate falls by
less than 10 %, p95 to the first picture below 1 s when they come one after the other.

Without --run an untrained default recognizer of six classes is used: weights do not change the time.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import websockets
from websockets.exceptions import ConnectionClosed

from common import machine, parser, say_machine, table, verdict, write
from site_served import Served  # type: ignore[import-not-found]

_FALL, _FIRST = 0.10, 1.0
_HEAD = b"Content-Type: image/jpeg\r\n\r\n"


@dataclass
class Seen:
    """What one viewer saw: seconds to the first picture, and how many pictures after it in how many seconds."""

    kind: str
    first: float | None = None
    pictures: int = 0
    began: float = 0.0
    ended: float = 0.0

    def picture(self, asked: float) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first, self.began = now - asked, now
        else:
            self.pictures += 1
        self.ended = now

    @property
    def rate(self) -> float:
        return self.pictures / max(1e-9, self.ended - self.began)


async def by_mjpeg(address: str, path: str, seen: Seen) -> None:
    parts = urlsplit(address)
    asked = time.monotonic()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 22)
    try:
        writer.write(f"GET {path}stream.mjpeg HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        status = await reader.readline()
        if b" 200 " not in status:
            raise RuntimeError(status.decode().strip())
        await reader.readuntil(_HEAD)
        while True:
            # What the HTTP chunks add is in between. A browser shows a picture once it has the headers of the next one.
            await reader.readuntil(b"\xff\xd9\r\n--")
            await reader.readuntil(_HEAD)
            seen.picture(asked)
    finally:
        writer.close()


async def by_websocket(address: str, path: str, seen: Seen) -> None:
    asked = time.monotonic()
    target = address.replace("http", "ws", 1) + path + "socket?pictures=bare"
    async with websockets.connect(target, origin=address, max_size=None) as socket:  # type: ignore[arg-type]
        async for message in socket:
            if isinstance(message, bytes):
                struct.unpack_from(">d", message)
                seen.picture(asked)


async def crowd(address: str, path: str, count: int, ramp: float, seconds: float) -> list[Seen]:
    """Let viewers come within `ramp` seconds and watch until `seconds` after the last one came."""
    ways = [("mjpeg", by_mjpeg), ("websocket", by_websocket)]
    seen = [Seen(ways[index % 2][0]) for index in range(count)]

    async def one(index: int) -> None:
        await asyncio.sleep(ramp * index / count)
        await ways[index % 2][1](address, path, seen[index])

    tasks = [asyncio.create_task(one(index)) for index in range(count)]
    await asyncio.sleep(ramp + seconds)
    failed = [task.exception() for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        raise RuntimeError(f"{len(failed)} viewers lost the stream, such as: {failed[0]!r}")
    return seen


class Control:
    """A viewer who wants no pictures: keeps the engine running and takes its numbers."""

    def __init__(self, address: str, path: str) -> None:
        self.statistics: dict[str, Any] = {}
        self.failure = ""
        self._target = address.replace("http", "ws", 1) + path + "socket?pictures=none"
        self._origin = address
        self._running = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._watch()), daemon=True).start()

    def wait(self, seconds: float) -> None:
        if not self._running.wait(seconds) or self.failure:
            sys.exit(f"the engine did not start: {self.failure or 'no word of it'}")

    def used(self) -> tuple[float, int, int]:
        """Seconds of the engine, pictures computed, pictures left out; of the newest statistics."""
        source = self.statistics["sources"][0]
        return self.statistics["seconds"], source["used"], source["dropped"] + source["skipped"]

    async def _watch(self) -> None:
        with suppress(ConnectionClosed):  # the site ends before this does
            await self._listen()

    async def _listen(self) -> None:
        async with websockets.connect(self._target, origin=self._origin, max_size=None) as socket:  # type: ignore[arg-type]
            async for line in socket:
                message = json.loads(line)
                if message["type"] == "statistics" and message["sources"][0]["used"]:
                    self.statistics = message
                    self._running.set()
                elif message["type"] == "state" and message["state"] in ("failed", "refused"):
                    self.failure = message["text"]
                    self._running.set()


def watched(address: str, stream: str) -> str:
    """Choose the stream as a user does; return the path of its page."""
    with httpx.Client(base_url=address) as client:
        page = client.get("/live/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        key = re.search(r'<option value="([^"]+)"', page)
        assert token and key
        form = {"csrfmiddlewaretoken": token[1], "recognizer": key[1], "source": "address", "address": stream}
        answer = client.post("/live/start", data=form, headers={"Referer": f"{address}/live/"})
        if answer.status_code != 302:
            sys.exit(f"the site refused the stream: {answer.status_code}")
        return answer.headers["Location"]


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return float("nan")


@dataclass
class Phase:
    """The engine's rate, its losses, its latency and the processor time of server and engine while somebody watched."""

    rate: float
    lost: int
    p50: float
    p95: float
    server: float
    engine: float


def measured(control: Control, site: Served, seconds: float, during: Any = None) -> tuple[Phase, Any]:
    server, [engine] = site.process.pid, site.children("kinema.web.live.engine")
    before, busy, began = control.used(), (cpu(server), cpu(engine)), time.monotonic()
    found = during() if during else time.sleep(seconds)
    after, passed = control.used(), time.monotonic() - began
    recent = control.statistics["sources"][0]["recent_ms"]
    rate = (after[1] - before[1]) / max(1e-9, after[0] - before[0])
    shares = ((cpu(server) - busy[0]) / passed, (cpu(engine) - busy[1]) / passed)
    return Phase(rate, after[2] - before[2], recent["p50"], recent["p95"], *shares), found


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--run", type=Path, help="a trained run; default an untrained recognizer")
    options.add_argument("--viewers", type=int, default=50)
    options.add_argument("--seconds", type=float, default=20.0, help="how long each phase is measured")
    options.add_argument("--ramp", type=float, default=5.0, help="seconds within which the viewers come")
    options.add_argument("--fps", type=float, default=25.0, help="of the camera")
    arguments = options.parse_args()
    facts = machine()
    say_machine(facts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = arguments.run
        if run is None:
            from kinema.models import Recognizer

            run = folder / "untrained"
            Recognizer.create("motion_moments", ["a", "b", "c", "d", "e", "f"]).save(run)
        script = Path(__file__).with_name("site_camera.py")
        command = [sys.executable, str(script), "--fps", str(arguments.fps)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cameras:
            assert cameras.stdout is not None
            stream = f"http://127.0.0.1:{int(cameras.stdout.readline())}/camera"
            with Served(folder / "site", run) as site:
                result = phases(site, stream, arguments)
            cameras.kill()
    write(arguments.json, {"machine": facts, **result})


def phases(site: Served, stream: str, arguments: Any) -> dict[str, Any]:
    address = site.address
    path = watched(address, stream)
    control = Control(address, path)
    control.wait(90)
    time.sleep(4)
    count, seconds = arguments.viewers, arguments.seconds
    alone, _ = measured(control, site, seconds)

    def together(ramp: float) -> Any:
        return lambda: asyncio.run(crowd(address, path, count, ramp, seconds))

    spread, first = measured(control, site, seconds, together(arguments.ramp))
    time.sleep(2)
    at_once, second = measured(control, site, seconds, together(0.0))
    names = ["alone", f"{count} viewers, within {arguments.ramp:g} s", f"{count} viewers, at once"]
    rows = []
    for name, phase in zip(names, (alone, spread, at_once), strict=True):
        latency, cores = f"{phase.p50:.0f} / {phase.p95:.0f}", f"{phase.engine:.0%} / {phase.server:.0%}"
        rows.append([name, f"{phase.rate:.2f}", phase.lost, latency, cores])
    print(
        table(
            ["", "engine, pictures/s", "lost", "latency p50 / p95 ms", "cores of engine / server"],
            rows,
        )
    )
    print()
    result: dict[str, Any] = {
        "phases": dict(zip(names, [vars(p) for p in (alone, spread, at_once)], strict=True))
    }
    for name, seen, phase in ((names[1], first, spread), (names[2], second, at_once)):
        missing = sum(one.first is None for one in seen)
        firsts = sorted(one.first if one.first is not None else float("inf") for one in seen)
        p50, p95 = firsts[len(firsts) // 2], firsts[min(len(firsts) - 1, int(0.95 * len(firsts)))]
        rates = {
            kind: sorted(one.rate for one in seen if one.kind == kind and one.first is not None)
            for kind in ("mjpeg", "websocket")
        }
        fall = 1 - phase.rate / alone.rate
        print(
            f"{name}: engine's rate falls by {fall:.1%}; goal below {_FALL:.0%}: {verdict(fall < _FALL)}\n"
            f"  first picture p50 {p50:.2f} s, p95 {p95:.2f} s; goal below {_FIRST:g} s: {verdict(p95 < _FIRST)}"
            + (f"; {missing} saw none" if missing else "")
        )
        for kind, found in rates.items():
            if found:
                print(f"  {kind}: {found[len(found) // 2]:.1f} pictures/s (lowest {found[0]:.1f})")
        result[name] = {"fall": fall, "first_p50": p50, "first_p95": p95, "rates": rates, "missing": missing}
    return result


if __name__ == "__main__":
    main()
