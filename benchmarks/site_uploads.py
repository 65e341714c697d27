"""Uploads while the site is killed: whether one is lost, checked twice, or left lying.

    nice python benchmarks/site_uploads.py [--uploads 200] [--kill-every 15] [--predict] [--json out.json]

A site is served on this machine. Clients upload small synthetic clips by tus in pieces, and go on where they were when the
server is away. Meanwhile, at random moments about `--kill-every` seconds apart, the server or the worker is killed with
kill -9; the server is started again, as a service manager would do. At the end each upload must be one video, with the
bytes that were sent (SHA-256), checked by one job that ended well; with `--predict`, predicted once as well.
"""

from __future__ import annotations

import base64
import hashlib
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from common import machine, parser, say_machine, verdict, write  # type: ignore[import-not-found]
from kinema.video import VideoWriter
from site_served import Served, csrf_token, kill  # type: ignore[import-not-found]

_PIECE = 2 << 10
_PAUSE = 0.1  # seconds between pieces, so that kills meet uploads too
_AWAY = 0.3  # seconds between tries while the server is away


class Target(Served):
    """A site at which is shot."""

    def __init__(self, folder: Path, run: Path | None) -> None:
        super().__init__(folder, run)
        self.kills: Counter[str] = Counter()

    def kill_something(self, random_: random.Random) -> None:
        """kill -9 the server (its worker ends with it) or the worker alone."""
        what = random_.choice(("server", "worker", "both"))
        workers = self.children("jobs.worker")
        if what != "worker" or not workers:
            self.process.kill()
            self.process.wait()
        if what != "server":
            for pid in workers:
                kill(pid)
        self.kills[what] += 1
        if self.process.poll() is not None:
            time.sleep(random_.uniform(0, 2))
            self.start()


class Client:
    """What the page's script does: begin with a key of its own, ask for the offset after every break, go on."""

    def __init__(self, served: Target, recognizer: str) -> None:
        self._served, self._recognizer = served, recognizer
        self._http = httpx.Client(base_url=served.address, timeout=20)
        self._token = ""
        self.breaks = 0

    def upload(self, name: str, data: bytes) -> None:
        """Bring one file, however often the server goes away."""
        address = None
        while True:
            try:
                self._sign()
                address = address or self._begin(name, data)
                offset = self._call("HEAD", address, 200).headers["Upload-Offset"]
                while int(offset) < len(data):
                    piece = data[int(offset) : int(offset) + _PIECE]
                    headers = {"Upload-Offset": offset, "Content-Type": "application/offset+octet-stream"}
                    offset = self._call("PATCH", address, 204, headers, piece).headers["Upload-Offset"]
                    time.sleep(_PAUSE)
                return
            except (httpx.HTTPError, _AgainError):
                self.breaks += 1
                time.sleep(_AWAY)

    def _begin(self, name: str, data: bytes) -> str:
        about = {"filename": name, "key": name, "recognizer": self._recognizer}
        pairs = (
            f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in about.items() if value
        )
        headers = {"Upload-Length": str(len(data)), "Upload-Metadata": ",".join(pairs)}
        return httpx.URL(self._call("POST", "/videos/uploads/", 201, headers).headers["Location"]).path

    def _sign(self) -> None:
        if not self._token:
            self._token = csrf_token(self._http.get("/videos/").text) or ""
            if not self._token:
                raise _AgainError

    def _call(
        self, method: str, address: str, wanted: int, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> httpx.Response:
        own = {"Tus-Resumable": "1.0.0", "X-CSRFToken": self._token, **(headers or {})}
        answer = self._http.request(method, address, headers=own, content=body)
        if answer.status_code == wanted:
            return answer
        if answer.status_code in (409, 423) or answer.status_code >= 500:
            raise _AgainError
        sys.exit(f"{method} {address}: {answer.status_code} {answer.text[:300]}")


class _AgainError(Exception):
    """The server does not take it now."""


def clips(folder: Path, count: int) -> dict[str, bytes]:
    """Small synthetic clips, each of other bytes: a square over noise."""
    made = {}
    for number in range(count):
        noise = np.random.default_rng(number)
        path = folder / f"clip-{number:03d}.mp4"
        with VideoWriter(path, 10) as writer:
            for index in range(10):
                image = noise.integers(0, 60, (64, 80, 3), np.uint8)
                image[20:40, 4 * index : 4 * index + 20] = 220
                writer.write(image)
        made[path.name] = path.read_bytes()
        path.unlink()
    return made


def main() -> None:
    options = _options()
    facts = machine()
    say_machine(facts)
    random_ = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="kinema-uploads-") as place:
        root = Path(place)
        data = clips(root, options.uploads)
        run = _recognizer(root / "tiny") if options.predict else None
        served = Target(root / "site", run)
        began = time.perf_counter()
        try:
            result = _under_fire(served, data, random_, options)
        finally:
            served.stop()
        result["seconds"] = round(time.perf_counter() - began, 1)
        result |= _counted(root / "site", data, options.predict)
    print(
        f"{options.uploads} uploads by {options.clients} clients in {result['seconds']:.0f} s; killed: {result['kills']}"
    )
    print(f"breaks met by the clients: {result['breaks']}; jobs that were begun again: {result['again']}")
    print(
        f"videos {result['videos']}, ready with the right bytes {result['right']}, states {result['states']}"
    )
    print(f"jobs of checks {result['checks']}, of predictions {result['predictions']}")
    good = result["lost"] == result["twice"] == result["not_done"] == 0
    print(f"lost {result['lost']}, twice {result['twice']}, not done {result['not_done']}: {verdict(good)}")
    write(options.json, {"machine": facts, **result})
    sys.exit(0 if good else 1)


def _under_fire(
    served: Target, data: dict[str, bytes], random_: random.Random, options: Any
) -> dict[str, Any]:
    waiting = list(data.items())
    lock = threading.Lock()
    served.wait()
    key = httpx.get(f"{served.address}/api/videos/recognizers").json()[0]["key"] if options.predict else ""
    clients = [Client(served, key) for _ in range(options.clients)]

    def work(client: Client) -> None:
        while True:
            with lock:
                if not waiting:
                    return
                name, content = waiting.pop()
            client.upload(name, content)

    threads = [threading.Thread(target=work, args=(client,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    until = time.monotonic() + options.most
    open_jobs = 1
    while (open_jobs or any(thread.is_alive() for thread in threads)) and time.monotonic() < until:
        if random_.random() < 0.8:  # now and then it is killed while it starts
            served.wait()
        time.sleep(random_.uniform(0.3, 1.7) * options.kill_every)
        served.kill_something(random_)
        open_jobs = _open_jobs(served.folder)
        print(
            f"  {len(waiting)} uploads wait, {open_jobs} jobs open, kills {sum(served.kills.values())}",
            flush=True,
        )
        # The last ones are left in peace: a job that dies three times is given up, and that is as it should be.
        if open_jobs < options.peace and not any(thread.is_alive() for thread in threads):
            while _open_jobs(served.folder) and time.monotonic() < until:
                time.sleep(0.5)
            break
    for thread in threads:
        thread.join(max(0.1, until - time.monotonic()))
    served.wait()
    return {
        "uploads": len(data),
        "kills": dict(served.kills),
        "breaks": sum(client.breaks for client in clients),
    }


def _counted(folder: Path, data: dict[str, bytes], predict: bool) -> dict[str, Any]:
    with sqlite3.connect(folder / "site.sqlite3") as database:
        videos = database.execute("SELECT id, name, state, sha256, reason FROM videos_video").fetchall()
        checks = Counter(
            row[0]
            for row in database.execute(
                "SELECT json_extract(arguments, '$.video') FROM jobs_job WHERE kind = 'video-check'"
            )
        )
        states = Counter(row[0] for row in database.execute("SELECT state FROM jobs_job"))
        for title, state, error in database.execute(
            "SELECT title, state, error FROM jobs_job WHERE state != 'done'"
        ):
            print(f"  {title}: {state} {error}")
        again = database.execute("SELECT count(*) FROM jobs_job WHERE attempts > 1 OR losses > 0").fetchone()[
            0
        ]
        predictions = Counter(dict(database.execute(
            "SELECT video_id, sum(done) FROM videos_prediction GROUP BY video_id"
        ).fetchall()))  # fmt: skip
    names = Counter(name for _, name, _, _, _ in videos)
    right = sum(
        state == "ready" and sha == hashlib.sha256(data[name]).hexdigest()
        for _, name, state, sha, _ in videos
    )
    for _, name, state, _, reason in videos:
        if state != "ready":
            print(f"  {name}: {state} {reason}")
    twice = sum(count > 1 for count in (*names.values(), *checks.values(), *predictions.values()))
    undone = sum(count for state, count in states.items() if state != "done")
    if predict:
        undone += sum(predictions[pk] != 1 for pk, *_ in videos)
    return {
        "videos": len(videos),
        "right": right,
        "states": dict(Counter(state for _, _, state, _, _ in videos)),
        "checks": sum(checks.values()),
        "predictions": sum(predictions.values()),
        "again": again,
        "lost": len(data) - min(right, len(names)),
        "twice": twice,
        "not_done": undone,
    }


def _open_jobs(folder: Path) -> int:
    try:
        with sqlite3.connect(f"file:{folder / 'site.sqlite3'}?mode=ro", uri=True, timeout=5) as database:
            found: int = database.execute(
                "SELECT count(*) FROM jobs_job WHERE state IN ('queued', 'running')"
            ).fetchone()[0]
            return found
    except sqlite3.Error:
        return 1


def _recognizer(folder: Path) -> Path:
    """An untrained recognizer of three classes: what it says means nothing."""
    from kinema.data.clipspec import ClipSpec
    from kinema.models import Recognizer

    spec = ClipSpec(frames=4, fps=5, height=96, width=96)
    Recognizer.create("motion_moments", ["jump", "sit", "wave"], spec).save(folder)
    return folder


def _options() -> Any:
    made = parser(__doc__)
    made.add_argument("--uploads", type=int, default=200)
    made.add_argument("--clients", type=int, default=4, help="uploads at a time")
    made.add_argument("--kill-every", type=float, default=15.0, help="seconds between kills, on average")
    made.add_argument("--peace", type=int, default=5, help="open jobs below which nothing is killed any more")
    made.add_argument("--most", type=float, default=3600.0, help="seconds after which it counts as stuck")
    made.add_argument("--predict", action="store_true", help="with a prediction of each by a tiny recognizer")
    made.add_argument("--seed", type=int, default=0)
    return made.parse_args()


if __name__ == "__main__":
    main()
