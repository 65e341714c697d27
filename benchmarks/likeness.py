"""How many altered copies of real clips the content check finds, by kind, and how many pairs it reports in error.

    python benchmarks/likeness.py DATA... [--clips N] [--others]

Of each data set N clips, drawn with a fixed seed, are written again, altered in sixteen ways. Originals are train,
copies test; `near_duplicates` sees both. A pair that is not a clip and its own copy is a false alarm. The thresholds
were chosen on the clips that are drawn for "ut-interaction fights" by default; --others draws from the rest.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from kinema.data import Manifest, Segment, read_data
from kinema.data.likeness import near_duplicates
from kinema.video import open_source

Picture = NDArray[np.uint8]
_LONGEST_SIDE = 360
_TUNED = 30


def crop(picture: Picture, part: float) -> Picture:
    y, x = int(picture.shape[0] * part), int(picture.shape[1] * part)
    return picture[y : picture.shape[0] - y, x : picture.shape[1] - x]


def crop_left(picture: Picture) -> Picture:
    return picture[:, int(0.05 * picture.shape[1]) :]


def resize(picture: Picture, factor: float) -> Picture:
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def brighten(picture: Picture) -> Picture:
    return np.clip(picture * 1.2 + 30, 0, 255).astype(np.uint8)


def gamma(picture: Picture) -> Picture:
    return (255 * (picture / 255.0) ** 0.6).astype(np.uint8)


def grey(picture: Picture) -> Picture:
    return np.repeat(picture.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)


def logo(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    marked = picture.copy()
    marked[int(0.05 * height) : int(0.15 * height), int(0.05 * width) : int(0.3 * width)] = 255
    place = int(0.05 * width), int(0.95 * height)
    return cv2.putText(marked, "NEWS 24", place, cv2.FONT_HERSHEY_SIMPLEX, height / 300, (255, 255, 0), 2)


def letterbox(picture: Picture) -> Picture:
    bar = int(0.1 * picture.shape[0])
    return cv2.copyMakeBorder(picture, bar, bar, 0, 0, cv2.BORDER_CONSTANT)


def everything(picture: Picture) -> Picture:
    return crop(brighten(resize(picture, 0.6))[:, ::-1], 0.05)


# What is done to each picture, the part of the clip that is kept (by its length and rate), every n-th frame, CRF.
Kept = Callable[[int, float], slice]
ALL: Kept = lambda n, fps: slice(None)  # noqa: E731
KINDS: dict[str, tuple[Callable[[Picture], Picture], Kept, int, int]] = {
    "encoded again, CRF 35": (lambda p: p, ALL, 1, 35),
    "half the size": (lambda p: resize(p, 0.5), ALL, 1, 28),
    "mirrored": (lambda p: p[:, ::-1], ALL, 1, 23),
    "brighter, clipped": (brighten, ALL, 1, 23),
    "gamma 0.6": (gamma, ALL, 1, 23),
    "grey": (grey, ALL, 1, 23),
    "logo and text": (logo, ALL, 1, 23),
    "half the frame rate": (lambda p: p, ALL, 2, 23),
    "starts 0.13 s later": (lambda p: p, lambda n, fps: slice(round(0.13 * fps), None), 1, 23),
    "starts 0.5 s later": (lambda p: p, lambda n, fps: slice(round(0.5 * fps), None), 1, 23),
    "middle half": (lambda p: p, lambda n, fps: slice(n // 4, n - n // 4), 1, 23),
    "5 % cropped at the left": (crop_left, ALL, 1, 23),
    "5 % cropped at each side": (lambda p: crop(p, 0.05), ALL, 1, 23),
    "10 % cropped at each side": (lambda p: crop(p, 0.1), ALL, 1, 23),
    "black bars of 10 %": (letterbox, ALL, 1, 23),
    "0.6 size, brighter, mirrored, 5 % cropped, 0.5 s later, CRF 33": (
        everything,
        lambda n, fps: slice(round(0.5 * fps), None),
        1,
        33,
    ),
}


def write(path: Path, pictures: list[Picture], fps: float, quality: int) -> None:
    height, width = (side - side % 2 for side in pictures[0].shape[:2])
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.options = {"crf": str(quality), "preset": "ultrafast"}
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def plant(segment: Segment, folder: Path) -> None:
    with open_source(segment.video, threads=1) as source:
        fps = source.fps or 25.0
        pictures = [frame.image for frame in source.frames(start=segment.start or 0.0, end=segment.end)]
    scale = min(1.0, _LONGEST_SIDE / max(pictures[0].shape))
    for kind, (change, kept, every, quality) in KINDS.items():
        chosen = [change(p) for p in pictures[kept(len(pictures), fps)][::every]]
        if scale < 1:
            chosen = [resize(p, scale) for p in chosen]
        write(folder / slug(kind) / f"{segment.row}.mp4", chosen, fps / every, quality)


def slug(kind: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in kind)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--clips", type=int, default=30, help="with --others")
    parser.add_argument("--others", action="store_true")
    settings = parser.parse_args()
    draw = random.Random(0)
    found, planted, false = dict.fromkeys(KINDS, 0), 0, 0
    for data in settings.data:
        manifest = read_data(data)
        segments = manifest.segments()
        order = sorted(segments, key=lambda segment: segment.name)
        chosen = draw.sample(order, min(_TUNED, len(order)))
        rest = [segment for segment in order if segment not in chosen]
        chosen = random.Random(1).sample(rest, min(settings.clips, len(rest))) if settings.others else chosen
        planted += len(chosen)
        with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as executor:
            folder = Path(name)
            list(executor.map(partial(plant, folder=folder), chosen))
            began = time.perf_counter()
            for kind in KINDS:
                rows = [(str(s.video), s.start, s.end, "train") for s in segments]
                rows += [(str(folder / slug(kind) / f"{s.row}.mp4"), None, None, "test") for s in chosen]
                columns = dict(
                    zip(("video", "start", "end", "split"), map(list, zip(*rows, strict=True)), strict=True)
                )
                report = near_duplicates(Manifest(columns))
                for pair in report.pairs:
                    if Path(pair.second.name).stem == str(pair.first.row):
                        found[kind] += 1
                    else:
                        false += 1
                        print(f"false alarm, {data.name}, {kind}: {pair}", file=sys.stderr)
            within = near_duplicates(manifest, between="clips")
            pairs = len(segments) * (len(segments) - 1) // 2
            print(
                f"{data.name}: {len(segments)} clips as they are, {pairs:,} pairs: {len(within.pairs)} reported as the same "
                f"footage, {len(within.places)} places; {time.perf_counter() - began:.0f} s in all"
            )
            for pair in within.pairs[:10]:
                print(f"  {pair}")
    print(f"\n{'copy':66} found of {planted}")
    for kind, number in found.items():
        print(f"{kind:66} {number:5}  {number / planted:7.1%}")
    print(f"false alarms among originals against copies: {false}")


if __name__ == "__main__":
    main()
