"""Peak memory of `predict` on a long video against a short one: it must not grow with the length.

    python benchmarks/memory.py [--clip VIDEO] [--minutes 120] [--short 5] [--json out.json]

The long videos are one clip repeated: its packets are copied with shifted time stamps (nothing is encoded again)
until the length is reached. Without `--clip` a synthetic one of 10 s, 320x240 at 25 frames a second, is drawn. Each
measurement is a fresh process with its peak resident size (`ru_maxrss`); two ways are measured:
`Recognizer.timeline`, its chunks thrown away, and `predict_to_folder` without annotated copies, which is
`kinema predict --no-annotate`. Target: long within 5 % of short. Two hours at 10 pictures a second are
72,000 pictures, 10 to 15 minutes on two idle cores a way; `--minutes 40` takes a third of that.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from common import machine, parser, say_machine, table, verdict, write

WITHIN = 1.05
RATE = 25
WAYS = ("timeline", "folder")


def synthetic_clip(path: Path) -> None:
    """Draw 10 s of moving waves, H.264, 320x240; synthetic."""
    rows, columns = np.mgrid[0:240, 0:320]
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"g": "50", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(10 * RATE):
            wave = np.sin(columns / 20 + index / 5) * np.cos(rows / 15 - index / 9)
            image = np.repeat((127 + 120 * wave).astype(np.uint8)[..., None], 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def repeat(clip: Path, path: Path, seconds: float) -> float:
    """Write `clip` again and again into `path` (.mkv) until `seconds` are reached; return its real length."""
    with av.open(clip) as source:
        stream = source.streams.video[0]
        packets = [
            (bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in source.demux(stream) if p.size
        ]
        unit: Fraction = stream.time_base
        step = packets[-1][3] or round(1 / (stream.average_rate or RATE) / unit)
        length = max(p[1] for p in packets) - min(p[1] for p in packets) + step
        with av.open(path, "w") as target:
            copied = target.add_stream_from_template(stream)
            times = -(-int(seconds / unit) // length)
            for turn in range(times):
                for data, pts, dts, duration, key in packets:
                    packet = av.Packet(data)
                    packet.pts, packet.dts = pts + turn * length, dts + turn * length
                    packet.duration, packet.time_base, packet.is_keyframe = duration, unit, key
                    packet.stream = copied
                    target.mux(packet)
        return float(times * length * unit)


def child(way: str, video: Path) -> None:
    """Predict one video in this process and print its peak in bytes, and what was done."""
    from kinema.evaluation.predictions import predict_to_folder
    from kinema.models import Job, Recognizer

    recognizer = Recognizer.create("motion_moments", [f"class{i}" for i in range(6)])
    began, rows = time.perf_counter(), 0
    if way == "timeline":
        for chunk in recognizer.timeline([Job(video)]):
            if chunk.error is not None:
                raise chunk.error
            rows += len(chunk.times)
    else:
        with tempfile.TemporaryDirectory() as folder:
            result = predict_to_folder(recognizer, [video], folder, annotate=False)
            if result.failed:
                raise SystemExit(f"{video}: could not be predicted")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"peak_bytes": peak, "pictures": rows, "seconds": time.perf_counter() - began}))


def measure(way: str, video: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", way, str(video)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--clip", type=Path, help="a video to repeat; default: a synthetic one")
    options.add_argument("--minutes", type=float, default=120, help="length of the long video (120)")
    options.add_argument("--short", type=float, default=5, help="length of the short video in minutes (5)")
    options.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    options.add_argument("--child", nargs=2, help=("for the benchmark itself"))
    asked = options.parse_args()
    if asked.child:
        return child(asked.child[0], Path(asked.child[1]))
    facts = machine()
    say_machine(facts)
    ways: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        clip = asked.clip or Path(folder) / "synthetic.mp4"
        if asked.clip is None:
            synthetic_clip(clip)
        # The backbone's export happens once a machine and is no part of predicting.
        warm = Path(folder) / "warm.mkv"
        repeat(clip, warm, 1)
        measure("timeline", warm)
        videos = {}
        for name, minutes in (("short", asked.short), ("long", asked.minutes)):
            videos[name] = Path(folder) / f"{name}.mkv"
            repeat(clip, videos[name], 60 * minutes)
        kind = "synthetic clip" if asked.clip is None else f"{clip.name}"
        print(f"{kind}, repeated to {asked.short:g} and {asked.minutes:g} minutes\n", flush=True)
        rows = []
        for way in asked.ways:
            found = {name: measure(way, video) for name, video in videos.items()}
            ratio = found["long"]["peak_bytes"] / found["short"]["peak_bytes"]
            ways[way] = {**found, "ratio": ratio}
            peaks = [f"{found[name]['peak_bytes'] / 2**20:.0f}" for name in videos]
            rows.append(
                (way, *peaks, f"{ratio:.3f}", f"{found['long']['seconds']:.0f}", verdict(ratio <= WITHIN))
            )
    head = (
        "peak RSS, MiB",
        f"{asked.short:g} min",
        f"{asked.minutes:g} min",
        "ratio",
        "seconds, long",
        "within 5 %",
    )
    print(table(head, rows))
    write(
        asked.json,
        {"machine": facts, "short": asked.short, "long": asked.minutes, "clip": kind, "ways": ways},
    )
    return None


if __name__ == "__main__":
    main()
