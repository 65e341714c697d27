"""How fast long videos are mined: one 640x360 video, against its decoding alone and its pictures through the backbone alone.

    python benchmarks/mining_speed.py DATA [--minutes 60] [--every 2] [--rounds 3] [--work FOLDER] [--json out.json]

DATA holds `fights/`, whose clips are joined again and again. The jobs take turns in each round, in one process:

- mining: `mine_clips` from the file to written clips and their manifest: hash, decoding, cuts, backbone, head, peaks, cutting;
- decode alone: the same pictures (same sampling, size, threads), thrown away;
- backbone alone: the same number of pictures out of memory, through the same follower in the same batches, as many calls side
  by side as mining has.

Nobody can be faster than the slower of the two; the aim is 0.9 of it. Decoding takes processor time beside the backbone: where
the backbone alone keeps every core busy and decoding costs x of its processor seconds, 1 / (1 + x) is the bound, which is
printed as well. `--every`: an image recognizer (frame_mlp) on each so-many-th frame; without it the default video recognizer.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from common import machine, parser, ratios, say_machine, table, take_turns, verdict, write
from kinema.mining.clips import mine_clips, recognizer_scorer
from kinema.mining.clips.watched import WatchedVideo
from kinema.models import Recognizer
from kinema.video import VideoWriter, open_source

RATE, BATCH, AIM = 25.0, 16, 0.9


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("data", type=Path)
    asked.add_argument("--work", type=Path, help="keep the long video here, and take it if it is there")
    asked.add_argument("--minutes", type=float, default=60.0)
    asked.add_argument("--every", type=int, help="an image recognizer on each so-many-th frame")
    asked.add_argument("--rounds", type=int, default=3)
    options = asked.parse_args()
    work = options.work or Path(tempfile.mkdtemp())
    path = long_video(options.data, work / f"speed-{options.minutes:g}min.mp4", 60 * options.minutes)
    classes = [f"class{i}" for i in range(9)]
    recognizer = Recognizer.create("frame_mlp" if options.every else "motion_moments", classes)
    if options.every:
        recognizer = Recognizer.create("frame_mlp", classes, replace(recognizer.spec, frames=1))
    scorer = recognizer_scorer(recognizer)
    spec, follower = scorer.spec, scorer.follower
    pictures = round(60 * options.minutes * (RATE / options.every if options.every else spec.fps))
    with open_source(path) as source:
        memory = np.stack([p.image for _, p in zip(range(256), spec.pictures(source), strict=False)])

    def mining() -> None:
        with tempfile.TemporaryDirectory() as out:
            found = mine_clips(scorer, [path], out, every=options.every)
            if found.failed:
                raise SystemExit(found.failed[0].error)

    def decoding() -> None:
        with _EveryKth(path, options.every) if options.every else open_source(path) as source:
            for _ in spec.pictures(source, seen=lambda index, moment: None):
                pass

    def backbone() -> None:
        def one(first: int) -> None:
            follower.embed(memory[first % 240 : first % 240 + min(BATCH, pictures - first)])

        with ThreadPoolExecutor(follower.at_a_time) as pool:
            list(pool.map(one, range(0, pictures, BATCH)))

    processor: dict[str, list[float]] = {}

    def measured(name: str, job: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            began = time.process_time()
            job()
            processor.setdefault(name, []).append(time.process_time() - began)

        return run

    jobs = {"mining": mining, "decode alone": decoding, "backbone alone": backbone}
    facts = machine()
    say_machine(facts)
    seconds = take_turns({name: measured(name, job) for name, job in jobs.items()}, options.rounds)
    spent = {name: statistics.median(times[1:]) for name, times in processor.items()}
    slower = [max(d, b) for d, b in zip(seconds["decode alone"], seconds["backbone alone"], strict=True)]
    ratio = ratios(slower, seconds["mining"])
    rows = []
    for name, times in seconds.items():
        middle = statistics.median(times)
        rows.append((name, f"{middle:.1f}", f"{60 * options.minutes / middle:.1f}", f"{spent[name]:.1f}"))
    print(
        f"{options.minutes:g} minutes of 640x360 at {RATE:g} frames a second, {pictures} pictures, {follower.engine}"
    )
    print(table(("", "seconds", "times real time", "processor seconds"), rows))
    bound = spent["backbone alone"] / (spent["backbone alone"] + spent["decode alone"])
    print(
        f"mining against the slower of the two: {ratio['median']:.3f} ({ratio['lowest']:.3f} to {ratio['highest']:.3f}); "
        f"aim {AIM}: {verdict(ratio['median'] >= AIM)}; bound where the backbone keeps all cores busy: {bound:.3f}"
    )
    result = {
        "machine": facts,
        "seconds": seconds,
        "processor_seconds": spent,
        "ratio": ratio,
        "bound": bound,
    }
    write(options.json, {**result, "pictures": pictures, "minutes": options.minutes, "every": options.every})


class _EveryKth(WatchedVideo):
    """Each so-many-th frame, without a search for cuts."""

    def __init__(self, path: Path, every: int) -> None:
        super().__init__(path, every=every, threads=None)
        self.finder.push = lambda picture: None  # type: ignore[method-assign]
        self.finder.finish = lambda: None  # type: ignore[method-assign]


def long_video(data: Path, path: Path, seconds: float) -> Path:
    """Return a 640x360 video of that length, made of the clips of the data again and again."""
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    clips = sorted((data / "fights").glob("*/*.mp4"))
    with VideoWriter(path, RATE, size=(640, 360)) as out:
        while out.frame_count < seconds * RATE:
            for clip in clips:
                with open_source(clip) as source:
                    for frame in source.frames(fps=RATE, size=(640, 360)):
                        out.write(frame.image)
                if out.frame_count >= seconds * RATE:
                    break
    return path


if __name__ == "__main__":
    main()
