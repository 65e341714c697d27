"""Milliseconds a picture of the bundled backbone, EfficientNet-Lite0, on the processor: torch and ONNX Runtime.

    python benchmarks/backbone.py [--threads 2] [--batch 16] [--rounds 10] [--json out.json]

All take uint8 pictures of 224x224, normalisation included, and give the pooled features. torch is eager, in
inference mode; ONNX Runtime goes through kinema's embedder, which deals out two pictures at a time to threads that each
run the whole network; "all threads in each layer" is the same network given the whole batch, the usual way. They take
turns; medians. The difference is the
largest over all features, relative to the largest feature, on pictures of noise and on smooth ones
(synthetic).
"""

from __future__ import annotations

import statistics

import cv2
import numpy as np
import torch

from common import machine, parser, ratios, say_machine, table, take_turns, verdict, write
from kinema.data import ClipSpec
from kinema.models import FrameBackbone, create_embedder

PARITY = 1e-4


def synthetic(count: int, side: int) -> np.ndarray:
    """Return pictures uint8 `(count, side, side, 3)`: every second one noise, the others smooth."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    for picture in noise[::2]:
        picture[:] = cv2.resize(picture[:8, :8], (side, side), interpolation=cv2.INTER_CUBIC)
    return noise


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--rounds", type=int, default=10)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    facts = machine()
    say_machine(facts)
    backbone, spec = FrameBackbone(), ClipSpec()
    backbone.eval()
    engines = {name: create_embedder(backbone, spec, name, asked.threads) for name in ("torch", "cpu")}
    pictures = synthetic(asked.batch, spec.height)
    print(f"{asked.batch} pictures of {spec.width}x{spec.height} at a time, {asked.threads} threads\n")
    usual = "onnxruntime cpu, all threads in each layer"
    jobs = {engine.engine: lambda engine=engine: engine(pictures) for engine in engines.values()}
    jobs[usual] = lambda: engines["cpu"].whole(pictures)
    seconds = take_turns(jobs, asked.rounds)
    expected, found = engines["torch"](pictures), engines["cpu"](pictures)
    difference = float(np.abs(expected - found).max() / np.abs(expected).max())
    slow, fast = (engine.engine for engine in engines.values())
    faster, dealt = ratios(seconds[slow], seconds[fast]), ratios(seconds[usual], seconds[fast])
    each = {name: 1000 * statistics.median(times) / asked.batch for name, times in seconds.items()}
    best = {name: 1000 * min(times) / asked.batch for name, times in seconds.items()}
    rows = [(name, f"{each[name]:.2f}", f"{best[name]:.2f}") for name in each]
    print(table(("ms a picture", "median", "best"), rows))
    print(
        f"two pictures a thread are {dealt['median']:.2f} times faster than all threads in each layer "
        f"({dealt['lowest']:.2f} to {dealt['highest']:.2f})\n"
        f"ONNX Runtime is {faster['median']:.2f} times faster ({faster['lowest']:.2f} to {faster['highest']:.2f}); "
        f"largest difference {difference:.1e}, at most {PARITY:.0e}: {verdict(difference <= PARITY)}"
    )
    write(
        asked.json,
        {
            "machine": facts,
            "threads": asked.threads,
            "batch": asked.batch,
            "rounds": asked.rounds,
            "milliseconds_a_picture": each,
            "best_milliseconds_a_picture": best,
            "torch_over_onnxruntime": faster,
            "whole_batch_over_two_a_thread": dealt,
            "largest_difference": difference,
        },
    )


if __name__ == "__main__":
    main()
