"""Milliseconds a picture of the default's backbone and head in every runtime: eager, ONNX and OpenVINO, float32 and int8.

    python benchmarks/export.py RUN [--threads 2] [--rounds 10] [--pictures 64] [--json out.json]

RUN is a trained run whose manifest is at hand; the exports are written into a scratch folder, calibrated with its training
clips. Each runtime embeds pictures of 224x224 (EfficientNet-Lite0) and classifies the window that ends at each: one
picture at a time, and 16 at a time. They take turns; medians, and the ratio to eager taken round by round. Parity is the
largest difference of a probability from eager's over a stream of the run's own valid clips, and agreement the share of
those pictures with the same first class.
"""

from __future__ import annotations

import statistics
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from common import machine, parser, ratios, say_machine, table, take_turns, verdict, write
from kinema.errors import KinemaError
from kinema.export import export_recognizer
from kinema.export.parity import stream_probabilities
from kinema.export.samples import manifest_of, segments_of, spread, stream_of, synthetic_stream
from kinema.models import Recognizer
from kinema.models.runtimes.names import format_of, parts_in
from kinema.models.runtimes.opening import follower_of, open_follower

RUNTIMES = ("onnx", "onnx-int8", "openvino", "openvino-int8")
PARITY = 1e-4


def main() -> None:
    options = parser(__doc__)
    options.add_argument("run", type=Path)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--pictures", type=int, default=64)
    asked = options.parse_args()
    torch.set_num_threads(asked.threads)
    warnings.simplefilter("ignore")
    facts = machine()
    say_machine(facts)
    recognizer = Recognizer.load(asked.run, device="cpu", runtime=None)
    manifest = manifest_of(recognizer)
    pictures = None
    if manifest is not None:
        pictures = stream_of(spread(segments_of(manifest, "valid"), 8), recognizer.spec, asked.pictures)
    if pictures is None:
        print("the run's videos are not at hand: pictures are synthetic, and there is no int8")
        pictures = synthetic_stream(recognizer.spec, asked.pictures)
    followers: dict[str, Any] = {"eager": open_follower(recognizer, "torch")}
    with tempfile.TemporaryDirectory() as scratch:
        for runtime in RUNTIMES:
            try:
                made = export_recognizer(
                    recognizer,
                    format_of(runtime),
                    int8=runtime.endswith("-int8"),
                    whole=False,
                    out=Path(scratch) / runtime,
                )
            except KinemaError as error:
                print(f"{runtime}: {error}")
                continue
            if made.accuracy is not None:
                print(f"{runtime}: {made.accuracy}")
            parts = parts_in(made.folder, format_of(runtime))
            followers[runtime] = follower_of(
                parts, recognizer.model, asked.threads, recognizer.fingerprint(), runtime
            )
        measured = _measure(recognizer, followers, pictures, asked.rounds)
    write(asked.json, {"machine": facts, "threads": asked.threads, "rounds": asked.rounds, **measured})


def _measure(
    recognizer: Recognizer, followers: dict[str, Any], pictures: np.ndarray, rounds: int
) -> dict[str, Any]:
    expected = stream_probabilities(recognizer, followers["eager"], pictures)
    facts: dict[str, Any] = {}
    rows = []
    times = {batch: take_turns(_jobs(followers, pictures, batch), rounds) for batch in (1, 16)}
    for name, follower in followers.items():
        found = stream_probabilities(recognizer, follower, pictures)
        parity = float(np.abs(found - expected).max())
        agree = float((found.argmax(1) == expected.argmax(1)).mean())
        fact: dict[str, Any] = {"largest_difference": parity, "agreement": agree}
        cells = []
        for batch, seconds in times.items():
            each = 1000 * statistics.median(seconds[name]) / batch
            over = ratios(seconds["eager"], seconds[name])
            fact[f"batch_{batch}"] = {"milliseconds_a_picture": each, "eager_over_this": over}
            cells += [f"{each:.2f}", f"{over['median']:.2f} ({over['lowest']:.2f} to {over['highest']:.2f})"]
        facts[name] = fact
        rows.append((name, *cells, f"{parity:.1e}", f"{100 * agree:.1f} %"))
    head = ("runtime", "ms at 1", "eager / this", "ms at 16", "eager / this", "parity", "same class")
    print(table(head, rows))
    exact = max(facts[name]["largest_difference"] for name in facts if not name.endswith("-int8"))
    print(f"float32 differs by {exact:.1e}, at most {PARITY:.0e}: {verdict(exact <= PARITY)}")
    return {"runtimes": facts}


def _jobs(followers: dict[str, Any], pictures: np.ndarray, batch: int) -> dict[str, Callable[[], object]]:
    def job(follower: Any) -> Callable[[], object]:
        _, state = follower.advance(
            follower.embed(pictures), None
        )  # windows are full, as in a stream that runs
        return lambda: follower.advance(follower.embed(pictures[:batch]), state)

    return {name: job(follower) for name, follower in followers.items()}


if __name__ == "__main__":
    main()
