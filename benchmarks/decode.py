"""Speed of decoding and resizing, side by side in one run: kinema, plain PyAV, OpenCV, decord, FFmpeg's null
decode.

    python benchmarks/decode.py FOLDER_OF_VIDEOS [--size 224] [--rounds 5] [--json out.json]

Two jobs on every video of the folder: all frames to RGB of size x size, and 16 frames spread evenly over the
clip. The readers take turns within each round and the order rotates from round to round, so that a busy
moment of the machine meets all of them; the table shows the median over the rounds. Opening the file is part
of every time.

Null decode is decoding with the pictures thrown away, the bound for every reader. With the `ffmpeg` program
(when it is on the PATH) it is timed twice: once a file, which counts the start of the program, and all files
in one run through its concat reader, which does not (the files must then have one codec and size). decord
takes part when it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from kinema.video import open_source

VIDEO_SUFFIXES = {".avi", ".mp4", ".mkv", ".webm", ".mov", ".mpg"}
SAMPLES = 16
AT_ONCE = "null decode, ffmpeg, all at once"
Reader = Callable[[str, int], int]


def spread(count: int) -> list[int]:
    """Return the numbers of the 16 frames at the start of 16 equal parts of a clip."""
    return [k * count // SAMPLES for k in range(SAMPLES)]


def kinema_all(path: str, size: int) -> int:
    with open_source(path) as source:
        return sum(frame.image.shape[0] == size for frame in source.frames(size=(size, size)))


def pyav_all(path: str, size: int) -> int:
    with av.open(path, metadata_errors="replace") as container:
        container.streams.video[0].thread_type = "AUTO"
        images = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        return sum(cv2.resize(image, (size, size)).shape[0] == size for image in images)


def opencv_all(path: str, size: int) -> int:
    capture = cv2.VideoCapture(path)
    count = 0
    while True:
        good, image = capture.read()
        if not good:
            break
        count += cv2.cvtColor(cv2.resize(image, (size, size)), cv2.COLOR_BGR2RGB).shape[0] == size
    capture.release()
    return count


def decord_all(path: str, size: int) -> int:
    import decord

    reader = decord.VideoReader(path, width=size, height=size)
    return sum(reader.next().asnumpy().shape[0] == size for _ in range(len(reader)))


def null_ffmpeg(path: str, size: int) -> int:
    """Decode one file, or a list of files for the concat reader, with FFmpeg's own program, and throw it
    away.
    """
    reader = ["-f", "concat", "-safe", "0"] if path.endswith(".txt") else []
    command = ["ffmpeg", "-v", "error", "-nostdin", *reader, "-i", path, "-map", "0:v:0"]
    subprocess.run([*command, "-f", "null", "-"], check=True, stderr=subprocess.DEVNULL)
    return 0


def null_pyav(path: str, size: int) -> int:
    with av.open(path, metadata_errors="replace") as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))


def kinema_16(path: str, size: int) -> int:
    with open_source(path) as source:
        length = source.duration or 1.0
        frames = source.frames(end=length, fps=SAMPLES / length, size=(size, size))
        return len(np.stack([frame.image for frame in frames]))


def pyav_16(path: str, size: int) -> int:
    with av.open(path, metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        wanted = set(spread(stream.frames))
        images = []
        for index, frame in enumerate(container.decode(stream)):
            if index in wanted:
                images.append(cv2.resize(frame.to_ndarray(format="rgb24"), (size, size)))
                if len(images) == len(wanted):
                    break
        return len(np.stack(images))


def opencv_16(path: str, size: int) -> int:
    capture = cv2.VideoCapture(path)
    wanted = spread(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
    images = []
    for index in range(wanted[-1] + 1):
        if not capture.grab():
            break
        if index in wanted:
            image = cv2.resize(capture.retrieve()[1], (size, size))
            images.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    capture.release()
    return len(np.stack(images))


def decord_16(path: str, size: int) -> int:
    import decord

    reader = decord.VideoReader(path, width=size, height=size)
    return len(reader.get_batch(spread(len(reader))).asnumpy())


def measure(readers: dict[str, Reader], videos: list[str], size: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds that each reader took for all videos, one number a round."""
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    names = list(readers)
    listed = _concat_list(videos)
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            begin = time.perf_counter()
            for video in [listed] if name == AT_ONCE else videos:
                readers[name](video, size)
            if turn:  # the first round warms the disk cache and the libraries
                seconds[name].append(time.perf_counter() - begin)
    Path(listed).unlink()
    return seconds


def _concat_list(videos: list[str]) -> str:
    quoted = [str(Path(video).resolve()).replace("'", "'\\''") for video in videos]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False, encoding="utf-8") as handle:
        handle.writelines(f"file '{name}'\n" for name in quoted)
    return handle.name


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=224, help="side of the pictures in pixels (224)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=40, help="videos at most, spread over the folder (40)")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()

    found = sorted(str(p) for p in options.folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        sys.exit(f"{options.folder}: no videos in this folder")
    step = max(1, len(found) // options.most)
    videos = found[::step][: options.most]
    frames = sum(null_pyav(video, 0) for video in videos)

    all_frames: dict[str, Reader] = {"kinema": kinema_all, "PyAV": pyav_all, "OpenCV": opencv_all}
    sixteen: dict[str, Reader] = {"kinema": kinema_16, "PyAV": pyav_16, "OpenCV grab/retrieve": opencv_16}
    try:
        import decord  # noqa: F401
    except ImportError:
        print("decord is not installed: left out")
    else:
        all_frames["decord"], sixteen["decord"] = decord_all, decord_16
    all_frames["null decode, PyAV, its threads"] = null_pyav
    if shutil.which("ffmpeg"):
        all_frames["null decode, ffmpeg, once a file"] = null_ffmpeg
        all_frames[AT_ONCE] = null_ffmpeg
    else:
        print("no ffmpeg program on the PATH: PyAV's null decode stands for it")

    print(f"{len(videos)} videos, {frames} frames; {options.size}x{options.size} RGB; {os.cpu_count()} cores")
    result: dict[str, object] = {
        "videos": len(videos),
        "frames": frames,
        "size": options.size,
        "rounds": options.rounds,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": {"av": av.__version__, "opencv": cv2.__version__},
    }
    jobs = (
        ("all frames", all_frames, frames, "frames"),
        ("16 frames of a clip", sixteen, len(videos), "clips"),
    )
    for title, readers, amount, unit in jobs:
        seconds = measure(readers, videos, options.size, options.rounds)
        ours = seconds["kinema"]
        print(f"\n{title:<34}{unit + '/s':>10}   kinema is faster by (ratio, rounds' range)")
        table = {}
        for name, times in seconds.items():
            rate = amount / statistics.median(times)
            ratios = sorted(t / o for t, o in zip(times, ours, strict=True))
            ratio = statistics.median(ratios)
            table[name] = {"per_second": rate, "kinema_over_it": ratio, "range": [ratios[0], ratios[-1]]}
            print(f"{name:<34}{rate:>10.0f}   {ratio:5.2f}  ({ratios[0]:.2f} to {ratios[-1]:.2f})")
        result[title] = {"unit": f"{unit}/s", **table}
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
