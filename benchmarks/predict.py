"""How much of the machine `predict` uses: many clips through a recognizer, against its two bounds.

    python benchmarks/predict.py FOLDER_OF_VIDEOS... [--most 60] [--rounds 5] [--json out.json]

Three jobs take turns in each round, in one process, on the same clips:

- predict: `Recognizer.timeline` over all clips with the default model (bundled backbone; the head is not
  trained, which costs the same): decoding, sampling, backbone, head on every window;
- decode alone: the same pictures (same sampling, size, decoder threads), thrown away;
- backbone alone: the same number of pictures out of memory, through the same embedder in the same batches.

Nobody can be faster than the slower of the two. The ratio of predict's speed to it is the median over rounds;
the target is 0.9. All three share the cores, so a decoder that costs x of the backbone's processor time bounds
the ratio at 1 / (1 + x) where the backbone alone keeps every core busy; `processor seconds` shows both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from common import machine, parser, ratios, say_machine, table, take_turns, verdict, videos_below, write
from kinema.models import Job, Recognizer
from kinema.video import open_source

TARGET = 0.9
DECODERS = 2  # what `embed_jobs` uses
IN_MEMORY = 256  # pictures kept for the backbone alone


def main() -> None:
    options = _options()
    videos = videos_below(options.folders, options.most)
    recognizer = Recognizer.create("motion_moments", [f"class{i}" for i in range(6)])
    recognizer.device = options.device
    spec, embedder = recognizer.spec, recognizer.embedder
    jobs = [Job(video) for video in videos]
    clips: list[np.ndarray] = []

    def predict() -> None:
        for chunk in recognizer.timeline(jobs, batch_size=options.batch):
            if chunk.error is not None:
                raise chunk.error

    def decode_one(video: Path) -> int:
        with open_source(video, threads=1) as source:
            return sum(1 for _ in spec.pictures(source, seen=lambda index, time: None))

    def decode() -> int:
        with ThreadPoolExecutor(DECODERS) as pool:
            return sum(pool.map(decode_one, videos))

    pictures = decode()
    for video in videos:
        with open_source(video) as source:
            clips += [picture.image for picture in spec.pictures(source)]
        if len(clips) >= IN_MEMORY:
            break
    memory = np.stack(clips[:IN_MEMORY])

    def backbone() -> None:
        for first in range(0, pictures, options.batch):
            count = min(options.batch, pictures - first)
            begin = first % max(1, len(memory) - options.batch + 1)
            embedder(memory[begin : begin + count])

    processor: dict[str, list[float]] = {}

    def measured(name: str, job: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            began = time.process_time()
            job()
            processor.setdefault(name, []).append(time.process_time() - began)

        return run

    named: dict[str, Callable[[], object]] = {
        "predict": predict,
        "decode alone": decode,
        "backbone alone": backbone,
    }
    facts = machine()
    say_machine(facts)
    print(
        f"{len(videos)} clips, {pictures} pictures of {spec.width}x{spec.height} at {spec.fps:g} a second, "
        f"batches of {options.batch}, {embedder.engine}, median of {options.rounds} rounds\n"
    )
    seconds = take_turns({name: measured(name, job) for name, job in named.items()}, options.rounds)
    rows, result = [], {}
    for name, times in seconds.items():
        middle = statistics.median(times)
        cpu = statistics.median(processor[name][1:])
        result[name] = {
            "seconds": middle,
            "clips_per_second": len(videos) / middle,
            "pictures_per_second": pictures / middle,
            "processor_seconds": cpu,
        }
        rows.append(
            (name, f"{len(videos) / middle:.2f}", f"{pictures / middle:.1f}", f"{middle:.2f}", f"{cpu:.2f}")
        )
    print(table(("", "clips/s", "pictures/s", "seconds", "processor seconds"), rows))
    slower = [max(d, b) for d, b in zip(seconds["decode alone"], seconds["backbone alone"], strict=True)]
    ratio = ratios(slower, seconds["predict"])
    print(
        f"\npredict against the slower of the two: {ratio['median']:.3f} "
        f"({ratio['lowest']:.3f} to {ratio['highest']:.3f}); target {TARGET}: {verdict(ratio['median'] >= TARGET)}"
    )
    write(
        options.json,
        {
            "machine": facts,
            "clips": len(videos),
            "pictures": pictures,
            "rounds": options.rounds,
            "batch": options.batch,
            "engine": embedder.engine,
            "jobs": result,
            "ratio": ratio,
            "target": TARGET,
            "load_at_end": os.getloadavg()[0],
        },
    )


def _options() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("folders", type=Path, nargs="+")
    options.add_argument("--most", type=int, default=60, help="clips at most, spread over the folders (60)")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--batch", type=int, default=16, help="pictures computed at a time (16)")
    options.add_argument("--device", default="auto", help="auto, cpu, torch or cuda")
    return options.parse_args()


if __name__ == "__main__":
    main()
