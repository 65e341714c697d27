"""Long videos whose truth is known, for mining.py and mining_shots.py: clips of nine actions between stretches without any.

The groups (sequence of UT-Interaction, block of ten neighbours of the fights, UCF101's gNN, subject) are dealt into three folds;
fold 0 holds all those on which ways of choosing were compared. A fold's long videos are joined of its own clips: the six actions
of UT-Interaction, fight, Punch and YoYo stand between stretches of clips that show none of them (surveillance without fights,
daily life and falls, KTH, samples of HMDB51 and Kinetics), all stretched to 320x240 at 25 frames a second. There is less stock
than background, so stretches come again, cut differently and mirrored at random. Every join is a cut.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinema.video import VideoWriter, open_source

FOLDS = 3
SIZE, RATE = (320, 240), 25.0
SHORTEST = 2.0
"""Seconds that a planted clip lasts at least: the length of the clips that are mined."""
NONE = "background"
_VIDEOS = (".avi", ".mp4", ".mkv", ".webm")


@dataclass(frozen=True)
class Stock:
    """A clip of the data: its label (`NONE` for background), group, fold and seconds."""

    path: Path
    label: str
    group: str
    fold: int
    seconds: float


@dataclass(frozen=True)
class Planted:
    """A segment of a long video, seconds, and the group of the clip that was planted there."""

    label: str
    start: float
    end: float
    group: str


@dataclass
class Long:
    """A long video: its file, what is planted, and every join."""

    path: Path
    seconds: float
    planted: list[Planted]
    joins: list[float]


def stock_of(data: Path) -> list[Stock]:
    """Return the clips, their groups dealt out."""
    found: list[tuple[Path, str, str, int]] = []
    for path in sorted((data / "ut-interaction").glob("*/*.avi")):
        group = "_".join(path.stem.split("_")[:2])
        sequence = int(group.rpartition("seq")[2])
        found.append((path, path.parent.name, group, (sequence - 4) % 10 // 3))
    for label in ("fight", "noFight"):
        for path in sorted((data / "fights" / label).glob("*.mp4")):
            block = (int("".join(c for c in path.stem if c.isdigit())) - 1) // 10
            found.append((path, NONE if label == "noFight" else label, f"{label} block {block}", block + 1))
    for path in sorted((data / "ucf101" / "videos").glob("*/*.avi")):
        name, group = path.parent.name, path.stem.split("_")[2]
        number = int(group.removeprefix("g"))
        place = (1, 1, 0, 2)[number % 4] if name == "YoYo" else number
        found.append((path, name if name in ("Punch", "YoYo") else NONE, f"{name} {group}", place))
    for path in sorted((data / "falls").glob("*/*.mp4")):
        subject = path.stem.split("_")[0]
        found.append((path, NONE, f"falls {subject}", int(subject.removeprefix("subject")) + 1))
    for folder, places in (("kth", (1, 0, 2)), ("odd-videos", (0, 1, 0, 2))):
        paths = (path for path in sorted((data / folder).iterdir()) if path.suffix in _VIDEOS)
        for number, path in enumerate(paths):
            found.append((path, NONE, f"{folder} {path.stem}", places[number % len(places)]))
    clips = [Stock(path, label, group, place % FOLDS, _seconds(path)) for path, label, group, place in found]
    return [one for one in clips if one.seconds >= (1.0 if one.label == NONE else SHORTEST)]


def long_videos(
    stock: Sequence[Stock], fold: int, folder: Path, *, minutes: float, count: int, each: int, seed: int
) -> list[Long]:
    """Return `count` long videos of a fold with `each` segments of every action, as far as there are that many.

    Those that are in `folder` already are taken.
    """
    rng = random.Random(f"{seed} {fold}")
    own = [one for one in stock if one.fold == fold]
    labels = sorted({one.label for one in own} - {NONE})
    left: dict[str, list[Stock]] = {}
    for label in labels:
        of = [one for one in own if one.label == label]
        left[label] = rng.sample(of, len(of))
    found = []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        plants = [left[label].pop() for label in labels for _ in range(min(each, len(left[label])))]
        rng.shuffle(plants)
        own_seed = rng.random()
        path = folder / f"fold{fold}-seed{seed}-{number}-{minutes:g}min-{each}.mp4"
        record = path.with_suffix(".json")
        if not record.is_file():
            made = _make(own, plants, path, 60 * minutes, random.Random(own_seed))
            facts = [made.seconds, [vars(planted) for planted in made.planted], made.joins]
            record.write_text(json.dumps(facts), encoding="utf-8")
        seconds, planted, joins = json.loads(record.read_text(encoding="utf-8"))
        found.append(Long(path, seconds, [Planted(**one) for one in planted], joins))
    return found


def _make(
    stock: Sequence[Stock], plants: Sequence[Stock], path: Path, seconds: float, rng: random.Random
) -> Long:
    background = [one for one in stock if one.label == NONE]
    planted: list[Planted] = []
    joins: list[float] = []
    clock = 0.0
    gap = max(4.0, (seconds - sum(plant.seconds for plant in plants)) / (len(plants) + 1))
    with VideoWriter(path, RATE, size=SIZE, threads=1) as out:
        bag: list[Stock] = []
        for plant in [*plants, None]:
            until = clock + gap * rng.uniform(0.6, 1.4)
            while clock < until:
                bag = bag or rng.sample(background, len(background))
                one = bag.pop()
                take = min(one.seconds, rng.uniform(2.0, 8.0))
                start = rng.uniform(0, one.seconds - take)
                clock += _append(out, one.path, start, start + take, rng.random() < 0.5)
                joins.append(clock)
            if plant is not None:
                begin = clock
                clock += _append(out, plant.path, 0.0, None, rng.random() < 0.5)
                planted.append(Planted(plant.label, begin, clock, plant.group))
                joins.append(clock)
    return Long(path, clock, planted, joins[:-1])


def _append(out: VideoWriter, path: Path, start: float, end: float | None, mirrored: bool) -> float:
    count = 0
    with open_source(path, threads=1) as source:
        for frame in source.frames(start=start, end=end, fps=RATE, size=SIZE):
            out.write(np.ascontiguousarray(frame.image[:, ::-1]) if mirrored else frame.image)
            count += 1
    return count / RATE


def _seconds(path: Path) -> float:
    try:
        with open_source(path, threads=1) as source:
            return source.duration or 0.0
    except Exception as error:
        print(f"{path.name}: left out ({error})", file=sys.stderr)
        return 0.0
