"""Reconnects to a server that stops and returns: how soon pictures are back, and whether threads or files are left over.

    nice python benchmarks/reconnect.py --times 100

Against a real RTSP server (GStreamer's, a process that is killed and started again) and an MJPEG server in this process.
A return is measured from the moment the server listens again to the first picture that arrived since.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

from common import machine, parser, say_machine, write  # type: ignore[import-not-found]
from kinema.video.live import StreamSource

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "video" / "live"))
from conftest import RtspServer, WebServer, open_files  # type: ignore[import-not-found]


def _threads() -> int:
    """Threads of the process as the system counts them: FFmpeg's too."""
    return len(list(Path("/proc/self/task").iterdir()))


def _memory() -> float:
    """Resident MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(address: str, server: Any, times: int, away: float, sizes: list[str]) -> dict[str, Any]:
    """Return the seconds to the first picture after each return, and what was counted before and after."""
    told: list[str] = []
    back: list[float] = []
    with StreamSource(address) as source:
        source.on_notice = lambda kind, text: told.append(kind)
        pictures = source.pictures(0.0, None)
        for _ in range(5):
            next(pictures).image(None)
        before: dict[str, float] = {}
        for turn in range(times):
            server.stop()
            time.sleep(away)
            _start(server, sizes[turn % len(sizes)])
            began = time.monotonic()
            while next(pictures).arrived < began:
                pass
            back.append(time.monotonic() - began)
            for _ in range(5):
                next(pictures).image(None)
            if turn == min(4, times - 1):  # what the first connections allocate once is there now
                before = _counts()
        after = _counts()
    time.sleep(0.5)
    receiving = sum(thread.name.startswith("receive") for thread in threading.enumerate())
    return {
        "reconnects": times,
        "back_p50": statistics.median(back),
        "back_max": max(back),
        "before": before,
        "after": after,
        "threads_left_after_close": receiving,
        "told": {kind: told.count(kind) for kind in sorted(set(told))},
    }


def _counts() -> dict[str, float]:
    return {"threads": _threads(), "files": open_files(), "memory_mb": round(_memory(), 1)}


def _start(server: Any, size: str) -> None:
    if isinstance(server, RtspServer):
        server.start("--size", size)
    else:
        width, height = size.split("x")
        server.size = (int(width), int(height))
        server.start()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--times", type=int, default=100, help="reconnects of each server")
    arguments.add_argument("--away", type=float, default=0.7, help="seconds that a server is away")
    options = arguments.parse_args()
    facts = machine()
    say_machine(facts)
    results: dict[str, Any] = {"machine": facts}
    for name, server, path in (("rtsp", RtspServer(), "h264"), ("mjpeg", WebServer(), "mjpeg")):
        _start(server, "320x240")
        try:
            found = measure(server.address(path), server, options.times, options.away, ["320x240", "640x360"])
        finally:
            server.stop()
        results[name] = found
        before, after = found["before"], found["after"]
        print(
            f"{name}: {found['reconnects']} reconnects, first picture after {found['back_p50']:.2f} s (median), "
            f"{found['back_max']:.2f} s (longest)\n"
            f"  threads {before['threads']:.0f} -> {after['threads']:.0f}, open files {before['files']:.0f} -> "
            f"{after['files']:.0f}, memory {before['memory_mb']:.0f} -> {after['memory_mb']:.0f} MB; receiving threads "
            f"after close: {found['threads_left_after_close']}; told {found['told']}",
            flush=True,
        )
    write(options.json, results)


if __name__ == "__main__":
    main()
