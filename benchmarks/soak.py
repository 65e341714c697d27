"""A live stream for many minutes: latency from capture to result, and what grows.

    python benchmarks/soak.py [--minutes 10] [--run RUN] [--size 640x480] [--clips] [--json FILE]

A real RTSP server (GStreamer's, started here with the system's Python; python3-gi, gir1.2-gst-rtsp-server-1.0 and
gstreamer1.0-rtsp from Debian) sends a synthetic picture as H.264, 25 frames a second, on the same machine, its encoder
included. The engine runs with policy auto. Every 10 s the p50 and p95 of that time and the memory are noted; the slopes are
those of a least-squares line over what follows the first minute. Goals: p95 below 100 ms; no growth.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from common import machine, parser, say_machine, table, verdict, write
from kinema.streaming import Policy
from kinema.streaming.watching import open_sources, watch_engine
from streaming import recognizer

_SERVER = Path(__file__).parents[1] / "tests" / "video" / "live" / "rtsp_server.py"
_GOAL = 100.0  # ms
_WARM = 60.0  # seconds


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def resident_mb() -> float:
    """Memory of this process that belongs to it alone or is shared, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def slope(times: list[float], values: list[float]) -> float:
    """Change of `values` in an hour, by a least-squares line."""
    return float(np.polyfit(times, values, 1)[0] * 3600) if len(times) > 2 else float("nan")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--run", type=Path)
    options.add_argument("--size", default="640x480")
    options.add_argument("--clips", action="store_true", help="record clips of events too")
    arguments = options.parse_args()
    facts = machine()
    say_machine(facts)
    port = free_port()
    command = ["/usr/bin/python3", str(_SERVER), "--port", str(port), "--size", arguments.size]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        assert server.stdout is not None
        if server.stdout.readline().strip() != "ready":
            sys.exit("the RTSP server did not start")
        try:
            model = recognizer(arguments.run)
            sources = open_sources([f"rtsp://127.0.0.1:{port}/h264"])
            engine = watch_engine(model, sources, folder, policy=Policy("auto"), clips=arguments.clips)
            notes: list[tuple[float, float, float, float, int]] = []
            with engine:
                engine.start()
                began = time.monotonic()
                while (now := time.monotonic() - began) < 60 * arguments.minutes:
                    if engine.wait(min(10.0, 60 * arguments.minutes - now)):
                        break
                    source = engine.statistics().sources[0]
                    elapsed = time.monotonic() - began
                    notes.append(
                        (elapsed, source.recent[0], source.recent[1], resident_mb(), threading.active_count())
                    )
                final = engine.statistics()
        finally:
            server.terminate()
    source = final.sources[0]
    shown = notes[:: max(1, len(notes) // 10)]
    print(
        table(
            ["seconds", "p50 ms", "p95 ms", "memory MB", "threads"],
            [[f"{v:.0f}" for v in row] for row in shown],
        )
    )
    late = [note for note in notes if note[0] > min(_WARM, 30 * arguments.minutes)]
    times = [note[0] for note in late]
    slopes = {
        name: slope(times, [note[i] for note in late])
        for i, name in ((1, "p50 ms"), (2, "p95 ms"), (3, "memory MB"))
    }
    p50, p95, p99 = source.latency
    print(
        f"\n{source.seen} frames seen, {source.used} used, {source.dropped} dropped in {final.seconds:.0f} s; {final.engine}\n"
        f"latency, capture to result: p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f} ms; goal {_GOAL:.0f}: {verdict(p95 < _GOAL)}\n"
        f"an hour of this would add: {', '.join(f'{value:+.1f} {name}' for name, value in slopes.items())}"
    )
    write(
        arguments.json,
        {"machine": facts, "statistics": final.to_dict(), "notes": notes, "slopes_an_hour": slopes},
    )


if __name__ == "__main__":
    main()
