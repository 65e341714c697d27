"""Minutes from nothing to a recognizer of one's own actions: a site is started, takes come in as fast as one can record them.

    python benchmarks/teach.py [--clips FOLDER] [--actions 2] [--takes 4] [--pace 5.5] [--json FILE]

A client does over HTTP what the page does: it names the actions, sends a clip every `--pace` seconds (3 s of counting in and
2.5 s of acting; 0 sends them at once), presses Train when the last one was sent, and asks the recognizer about a clip that it
was not taught with. Phases: `site` until it answers, `record` until the last take was sent, `read` until all were looked at,
`train` from the button to the result (`in it` is the library's own share), `first prediction` with the model loaded anew.
Goal: everything within 120 s on two cores.

Clips are those of a folder with a folder of videos an action, such as the demo's (`kinema demo`); without one, synthetic ones are
drawn first, which is not counted. The feature cache is a new one, and so is the site's folder; `--keep-cache` uses the user's, in
which the backbone may be exported already.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from common import machine, parser, say_machine, table, verdict, write

_GOAL = 120.0
_HERE = re.compile(r"kinema is at (\S+)")


class Client:
    """A browser without pictures: it has cookies, and sends the token that forms carry."""

    def __init__(self, address: str) -> None:
        self._http = httpx.Client(base_url=address, timeout=60, follow_redirects=True)

    def get(self, place: str) -> Any:
        answer = self._http.get(place, headers={"Accept": "application/json"})
        answer.raise_for_status()
        return answer.json()

    def page(self, place: str) -> str:
        answer = self._http.get(place)
        answer.raise_for_status()
        return answer.text

    def post(self, place: str, data: dict[str, Any], files: Any = None) -> httpx.Response:
        token = self._http.cookies.get("kinema_csrf") or ""
        answer = self._http.post(
            place, data=data, files=files, headers={"X-CSRFToken": token, "Accept": "application/json"}
        )
        answer.raise_for_status()
        return answer


def clips_of(folder: Path, actions: int, takes: int) -> tuple[dict[str, list[Path]], dict[str, Path]]:
    """Return clips to teach with, and one more of each action to be asked about."""
    found: dict[str, list[Path]] = {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        videos = sorted(path for path in place.iterdir() if path.suffix in (".mp4", ".avi", ".webm"))
        if len(videos) > takes:
            found[place.name] = videos
    chosen = dict(list(found.items())[:actions])
    if len(chosen) < 2:
        sys.exit(f"{folder}: fewer than two folders with more than {takes} videos in there")
    return {name: own[:takes] for name, own in chosen.items()}, {
        name: own[takes] for name, own in chosen.items()
    }


def drawn(root: Path, takes: int) -> Path:
    """Draw synthetic clips."""
    from kinema.data.demo import render_demo

    render_demo(root, subjects=takes + 1, clips_per_subject=1, seconds=2.5, untrimmed=False)
    return root / "videos"


def serve(folder: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a site; return its process and address."""
    command = [
        sys.executable,
        "-m",
        "kinema",
        "serve",
        "--folder",
        str(folder),
        "--runs",
        str(folder / "none"),
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", "0", "--no-browser"], stdout=out, stderr=subprocess.STDOUT
        )
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if found := _HERE.search(log.read_text()):
            return process, found.group(1).rstrip("/")
        time.sleep(0.02)
    process.kill()
    sys.exit(f"the site did not start: {log.read_text()}")


def run(clips: dict[str, list[Path]], asked: dict[str, Path], root: Path, pace: float) -> dict[str, Any]:
    """Teach once; return seconds of each phase and what came of it."""
    seconds: dict[str, float] = {}
    began = last = time.perf_counter()

    def phase(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[name], last = now - last, now

    process, address = serve(root / "site", root / "serve.log")
    try:
        phase("site")
        client = Client(address)
        client.page("/teach/")
        answer = client.post("/teach/", {"label": list(clips)})
        place = str(answer.url.path)
        page = client.page(place)
        numbers = dict(_actions(page))
        client.post(f"{place}warm/", {})
        due = time.perf_counter()
        for label, paths in clips.items():
            for path in paths:
                due += pace
                time.sleep(max(0.0, due - time.perf_counter()))
                with path.open("rb") as file:
                    client.post(f"{place}takes/", {"action": numbers[label]}, {"clip": (path.name, file)})
        phase("record")
        while any(take["state"] == "waiting" for take in client.get(f"{place}state/")["takes"]):
            time.sleep(0.1)
        phase("read")
        client.post(f"{place}train/", {})
        job = re.search(r'data-job="([^"]+)"', client.page(place))
        while job and (state := client.get(job.group(1)))["state"] in ("queued", "running"):
            time.sleep(0.1)
        phase("train")
        if not job or state["state"] != "done":
            sys.exit(f"the training did not end: {state.get('error') if job else 'no job'}")
        from kinema import Recognizer

        (folder,) = (root / "site" / "taught").iterdir()
        recognizer = Recognizer.load(folder)
        said = {label: recognizer.predict(path).label for label, path in asked.items()}
        phase("first prediction")
        total = time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    return {
        "seconds": seconds,
        "total": total,
        "headline": state["result"]["headline"],
        "in_it": recognizer.provenance["seconds"],
        "asked": said,
    }


def _actions(page: str) -> list[tuple[str, str]]:
    found = re.findall(r'data-action="(\d+)" data-label="([^"]+)"', page)
    return [(label, number) for number, label in found]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--clips", type=Path, help="a folder an action, with videos; default synthetic ones")
    options.add_argument("--actions", type=int, default=2)
    options.add_argument("--takes", type=int, default=4)
    options.add_argument("--pace", type=float, default=5.5, help="seconds from take to take")
    options.add_argument("--keep-cache", action="store_true", help="use the user's cache, not a new one")
    arguments = options.parse_args()
    facts = machine()
    say_machine(facts)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        source = arguments.clips or drawn(root / "clips", arguments.takes)
        clips, asked = clips_of(source, arguments.actions, arguments.takes)
        if not arguments.keep_cache:
            os.environ["KINEMA_CACHE"] = str(root / "cache")
        found = run(clips, asked, root, arguments.pace)
    kind = "clips of " + str(arguments.clips) if arguments.clips else "synthetic clips"
    print(
        f"{len(clips)} actions ({', '.join(clips)}), {arguments.takes} takes each, {kind}, one every {arguments.pace:g} s\n"
    )
    rows = [[phase, f"{value:.1f}"] for phase, value in found["seconds"].items()]
    print(table(["phase", "seconds"], [*rows, ["everything", f"{found['total']:.1f}"]]))
    right = sum(label == said for label, said in found["asked"].items())
    print(f"\nthe library's share of train: {found['in_it']:.1f} s; {found['headline']}")
    print(f"a clip of each action that it was not taught with: {right} of {len(asked)} right")
    print(f"goal {_GOAL:.0f} s: {verdict(found['total'] <= _GOAL)}")
    write(arguments.json, {"machine": facts, "pace": arguments.pace, "takes": arguments.takes, **found})


if __name__ == "__main__":
    main()
