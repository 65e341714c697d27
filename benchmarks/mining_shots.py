"""The cuts that mining finds on its way through a video, beside PySceneDetect's detectors with their defaults.

    python benchmarks/mining_shots.py DATA [--folds 1 2] [--seed 7] [--work FOLDER] [--minutes 15] [--json out.json]

On the joined videos of mining_videos.py, every join of which is a cut: how many joins are found to within a frame and a half,
and how many cuts are found elsewhere (some of the samples hold cuts of their own: `both` counts those that at least one other
detector finds too). Processor seconds are of the whole pass with one decoding thread; kinema's finder looks at frames that are
decoded for scoring anyway, so its cost is the difference to decoding alone.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common import machine, parser, say_machine, table, write
from kinema.mining.clips import CutFinder
from kinema.video import open_source
from mining_videos import RATE, long_videos, stock_of

NEAR = 1.5 / RATE


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("data", type=Path)
    asked.add_argument("--folds", type=int, nargs="+", default=[1, 2])
    asked.add_argument("--seed", type=int, default=7)
    asked.add_argument("--work", type=Path, help="keep the videos here, and take those that are there")
    asked.add_argument("--minutes", type=float, default=15.0)
    asked.add_argument("--each", type=int, default=3)
    options = asked.parse_args()
    facts = machine()
    say_machine(facts)
    work = options.work or Path(tempfile.mkdtemp())
    stock = stock_of(options.data)
    videos = [
        video
        for fold in options.folds
        for video in long_videos(
            stock, fold, work / "videos",
            minutes=options.minutes, count=1, each=options.each, seed=options.seed,
        )
    ]  # fmt: skip
    ways: dict[str, Callable[[Path], list[float]]] = {
        "decoding alone": lambda path: _own(path, False),
        "kinema's CutFinder": lambda path: _own(path, True),
        "PySceneDetect, adaptive": lambda path: _library(path, "AdaptiveDetector"),
        "PySceneDetect, content": lambda path: _library(path, "ContentDetector"),
    }
    cuts: dict[str, list[list[float]]] = {}
    spent: dict[str, float] = {}
    for name, way in ways.items():
        began = time.process_time()
        cuts[name] = [way(video.path) for video in videos]
        spent[name] = time.process_time() - began
    joins = sum(len(video.joins) for video in videos)
    result = {}
    for name in list(ways)[1:]:
        found = more = both = 0
        for number, video in enumerate(videos):
            own = cuts[name][number]
            found += sum(_near(join, own) for join in video.joins)
            extra = [cut for cut in own if not _near(cut, video.joins)]
            more += len(extra)
            others = [cut for other in list(ways)[1:] if other != name for cut in cuts[other][number]]
            both += sum(_near(cut, others) for cut in extra)
        result[name] = {
            "found": found, "elsewhere": more, "elsewhere_both": both, "processor_seconds": spent[name],
        }  # fmt: skip
    minutes = sum(video.seconds for video in videos) / 60
    print(
        f"{len(videos)} videos, {minutes:.1f} minutes, {joins} joins; "
        f"decoding alone {spent['decoding alone']:.1f} processor seconds\n"
    )
    rows = [
        (
            name, f"{one['found']} ({100 * one['found'] / joins:.1f} %)", one["elsewhere"], one["elsewhere_both"],
            f"{one['processor_seconds']:.1f}",
        )
        for name, one in result.items()
    ]  # fmt: skip
    print(table(("", "joins found", "elsewhere", "both", "processor seconds"), rows))
    write(
        options.json, {"machine": facts, "joins": joins, "decoding": spent["decoding alone"], "ways": result}
    )


def _near(time_: float, cuts: list[float]) -> bool:
    return bool(len(cuts)) and float(np.abs(np.array(cuts) - time_).min()) < NEAR


def _own(path: Path, find: bool) -> list[float]:
    finder = CutFinder()
    with open_source(path, threads=1) as source:
        for picture in source.pictures(0.0, None):
            if find:
                finder.push(picture)
    finder.finish()
    return finder.cuts


def _library(path: Path, detector: str) -> list[float]:
    import scenedetect

    scenes = scenedetect.detect(os.fspath(path), getattr(scenedetect, detector)())
    return [float(scene[0].seconds) for scene in scenes[1:]]


if __name__ == "__main__":
    main()
