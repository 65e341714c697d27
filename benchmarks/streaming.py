"""The live engine against its bare backbone, and against running the backbone on a whole window at every step.

    python benchmarks/streaming.py [--run RUN] [--pictures 60] [--rounds 5] [--json FILE]

`engine, one at a time`: sampled pictures go through the engine (queue, batch of one, head, smoothing, events, rows to a
sink), as a live camera's do. `engine, a file`: the same pictures as fast as possible, batches of up to 16.
`backbone, one at a time`: the same runtime, nothing else. `window of N`: the way of the cricket classifier (S2): the
backbone on all N pictures of the window at each step, then the head; all in one call, or `a picture a call`. A batch costs less
a picture than a picture alone does, which a live stream cannot have. Pictures are ready in memory, so that
decoding takes no part. Goals: engine over backbone at most 1.15; window of N over engine at least 0.85 N, for N = 4 and 16.

Without --run an untrained default recognizer of six classes is used: weights do not change the time.
"""

from __future__ import annotations

import statistics
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from common import machine, parser, ratios, say_machine, table, take_turns, verdict, write
from kinema.models import Recognizer
from kinema.streaming import Engine
from kinema.streaming.sinks.callable import CallableSink
from kinema.video import Source

_MOST, _SAVED = 1.15, 0.85


class Memory(Source):
    """Pictures of the model's size, ready in memory, at its rate."""

    name, live, duration, frame_count = "memory", False, None, None

    def __init__(self, pictures: np.ndarray, fps: float) -> None:
        self.fps = fps
        self.size = (pictures.shape[2], pictures.shape[1])
        self._pictures = pictures

    def pictures(self, start: float, end: float | None) -> Generator[Any]:
        for index, picture in enumerate(self._pictures):
            yield _Ready(index / self.fps, index, picture)

    def close(self) -> None:
        pass


class _Ready:
    def __init__(self, time: float, index: int, pixels: np.ndarray) -> None:
        self.time, self.index, self._pixels = time, index, pixels

    def image(self, size: tuple[int, int] | None) -> np.ndarray:
        return self._pixels


def recognizer(run: Path | None) -> Recognizer:
    if run is not None:
        return Recognizer.load(run)
    return Recognizer.create("motion_moments", ["a", "b", "c", "d", "e", "f"])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--run", type=Path, help="a trained run; default an untrained recognizer")
    options.add_argument("--pictures", type=int, default=60)
    options.add_argument("--rounds", type=int, default=5)
    arguments = options.parse_args()
    facts = machine()
    say_machine(facts)
    model = recognizer(arguments.run)
    spec, follower, count = model.spec, model.follower, arguments.pictures
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (count, spec.height, spec.width, 3), dtype=np.uint8)
    print(
        f"{model.name}, {spec.width} x {spec.height}, window of {spec.frames}, {follower.engine}; {count} pictures a round\n"
    )

    def engine(batch: int) -> None:
        rows: list[Any] = []
        made = Engine(
            model, [Memory(pictures, spec.fps)], sinks=[CallableSink(on_row=rows.append)], batch_size=batch
        )
        made.run()
        assert len(rows) == count

    def backbone() -> None:
        for index in range(count):
            follower.embed(pictures[index : index + 1])

    def windows(size: int, at_once: int) -> None:
        # A fraction of the steps: each costs as much as `size` pictures.
        state = None
        for index in range(size, size + max(2, count // size)):
            window = pictures[np.arange(index - size, index) % count]
            features = [follower.embed(window[k : k + at_once]) for k in range(0, size, at_once)][-1]
            _, state = follower.advance(features[-1:], state)

    sizes = (4, 16)
    jobs = {
        "backbone, one at a time": backbone,
        "engine, one at a time": lambda: engine(1),
        "engine, a file": lambda: engine(16),
        **{f"window of {size}": (lambda size=size: windows(size, size)) for size in sizes},
        **{f"window of {size}, a picture a call": (lambda size=size: windows(size, 1)) for size in sizes},
    }
    steps = dict.fromkeys(jobs, count)
    steps |= {name: max(2, count // size) for size in sizes for name in jobs if f"of {size}" in name}
    seconds = take_turns(jobs, arguments.rounds)
    each = {name: [1000 * value / steps[name] for value in values] for name, values in seconds.items()}
    print(
        table(
            ["a sampled picture", "ms, median"],
            [[name, f"{statistics.median(v):.2f}"] for name, v in each.items()],
        )
    )
    over = ratios(each["engine, one at a time"], each["backbone, one at a time"])
    print(
        f"\nengine over bare backbone: {over['median']:.3f} ({over['lowest']:.3f} to {over['highest']:.3f}); "
        f"goal {_MOST}: {verdict(over['median'] <= _MOST)}"
    )
    result: dict[str, Any] = {"machine": facts, "ms": each, "engine_over_backbone": over, "windows": {}}
    for size in sizes:
        for kind, way in (
            ("", "engine, a file"),
            (", a picture a call", "engine, one at a time"),
            ("", "engine, one at a time"),
        ):
            found = ratios(each[f"window of {size}{kind}"], each[way])
            result["windows"][f"{size}{kind} / {way}"] = found
            print(
                f"window of {size}{kind} over {way}: {found['median']:.2f} ({found['lowest']:.2f} to {found['highest']:.2f}); "
                f"goal {_SAVED * size:.1f}: {verdict(found['median'] >= _SAVED * size)}"
            )
    write(arguments.json, result)


if __name__ == "__main__":
    main()
