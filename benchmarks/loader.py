"""Clips a second of the training loader, random access included, against plain loops of PyAV, OpenCV and torchcodec.

    python benchmarks/loader.py FOLDER_OF_VIDEOS... [--most 60] [--workers 2] [--rounds 5] [--json out.json]

Each job reads one clip of 16 pictures at 10 a second from a random place of each video (the same places for all), at
224x224 and at 112x112, as uint8 arrays `(16, H, W, 3)`. The loops are what one would write by hand, one thread each:
seek to the keyframe before the place, decode on to it, convert and resize the wanted frames. kinema's loader reads with one
thread and with `--workers`. torchcodec takes part where it can be imported.

They take turns in each round; medians. The target: with W workers at least 0.9 W times the best single loop, so that all
cores are busy. What this machine allows is shown beside it: the same loops in W processes at once, which share nothing but
memory and caches. Mind the pictures, too: the loops resize bilinearly, which aliases when a side is more than halved (320x240
to 112x112), where kinema averages.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import av
import cv2
import numpy as np
import torch

from common import machine, parser, ratios, say_machine, table, take_turns, verdict, videos_below, write
from kinema.data import ClipSpec, Segment
from kinema.training import TrainSettings
from kinema.training.batches import ClipBatches
from kinema.video import open_source

FRAMES, RATE, TARGET = 16, 10.0, 0.9
TOLERANCE = 0.002  # s: as kinema samples, so that all take the same frames
Reader = Callable[[Path, float, int], int]


def pyav_clip(path: Path, start: float, size: int) -> int:
    pictures: list[np.ndarray] = []
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        unit = float(stream.time_base)
        origin = (stream.start_time or 0) * unit
        if start > 0:
            container.seek(int((origin + start) / unit), stream=stream, backward=True)
        for frame in container.decode(stream):
            time = float(frame.pts if frame.pts is not None else frame.dts) * unit - origin
            if time >= start + len(pictures) / RATE - TOLERANCE:
                pictures.append(cv2.resize(frame.to_ndarray(format="rgb24"), (size, size)))
                if len(pictures) == FRAMES:
                    break
    return len(np.stack(pictures))


def opencv_clip(path: Path, start: float, size: int) -> int:
    pictures: list[np.ndarray] = []
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
    number = round(start * rate)
    if number:
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
    while len(pictures) < FRAMES and capture.grab():
        if number / rate >= start + len(pictures) / RATE - TOLERANCE:
            image = cv2.resize(capture.retrieve()[1], (size, size))
            pictures.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        number += 1
    capture.release()
    return len(np.stack(pictures))


def torchcodec_clip(path: Path, start: float, size: int) -> int:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1)
    last = decoder.metadata.end_stream_seconds - 1e-3
    times = [min(start + k / RATE, last) for k in range(FRAMES)]
    frames = decoder.get_frames_played_at(times).data.numpy()
    return len(np.stack([cv2.resize(frame, (size, size)) for frame in frames]))


def loops() -> dict[str, Reader]:
    found: dict[str, Reader] = {"PyAV loop": pyav_clip, "OpenCV loop": opencv_clip}
    try:
        from torchcodec.decoders import VideoDecoder  # noqa: F401
    except (ImportError, RuntimeError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        print(f"torchcodec takes no part: {reason}")
    else:
        found["torchcodec loop"] = torchcodec_clip
    return found


def one_thread() -> None:
    cv2.setNumThreads(1)


def compare(
    size: int,
    readers: dict[str, Reader],
    segments: list[Segment],
    pool: ProcessPoolExecutor,
    workers: int,
    rounds: int,
) -> dict[str, object]:
    spec = ClipSpec(frames=FRAMES, fps=RATE, height=size, width=size)
    videos, places = [s.video for s in segments], [s.start or 0.0 for s in segments]

    def loop(reader: Reader) -> Callable[[], object]:
        return lambda: [reader(video, place, size) for video, place in zip(videos, places, strict=True)]

    def loops_at_once(reader: Reader) -> Callable[[], object]:
        return lambda: list(pool.map(reader, videos, places, [size] * len(videos), chunksize=2))

    def loader(threads: int) -> Callable[[], object]:
        settings = TrainSettings(batch_size=8)
        batches = ClipBatches(segments, [0] * len(segments), 1, spec, settings, workers=threads)
        return lambda: sum(len(pictures) for pictures in batches.pictures())

    many = f"kinema, {workers} workers"
    jobs = {name: loop(reader) for name, reader in readers.items()}
    at_once = {f"{name}, {workers} processes": loops_at_once(reader) for name, reader in readers.items()}
    jobs |= at_once | {"kinema, 1 worker": loader(1), many: loader(workers)}
    seconds = take_turns(jobs, rounds)
    rate = {name: len(segments) / statistics.median(times) for name, times in seconds.items()}
    best = max(readers, key=lambda name: rate[name])
    most = max(at_once, key=lambda name: rate[name])
    ratio = ratios([taken / workers for taken in seconds[best]], seconds[many])
    allowed = ratios(seconds[most], seconds[many])
    print(table((f"{FRAMES}x{size}x{size}", "clips/s"), [(n, f"{r:.1f}") for n, r in rate.items()]))
    print(
        f"{workers} workers against {workers} times the {best}: {ratio['median']:.3f} "
        f"({ratio['lowest']:.3f} to {ratio['highest']:.3f}); target {TARGET}: "
        f"{verdict(ratio['median'] >= TARGET)}"
    )
    print(
        f"{workers} workers against {most}: {allowed['median']:.3f} "
        f"({allowed['lowest']:.3f} to {allowed['highest']:.3f})\n"
    )
    return {"clips_per_second": rate, "best_loop": best, "ratio": ratio, "against_processes": allowed}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("folders", type=Path, nargs="+")
    options.add_argument("--most", type=int, default=60, help="videos at most, spread over the folders (60)")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--rounds", type=int, default=5)
    asked = options.parse_args()
    cv2.setNumThreads(1)  # in the loops and in the loader alike
    torch.set_num_threads(1)
    facts = machine()
    say_machine(facts)
    readers = loops()
    videos = videos_below(asked.folders, asked.most)
    rng = np.random.default_rng(0)
    places = []
    for video in videos:
        with open_source(video) as source:
            places.append(float(rng.random()) * max(0.0, (source.duration or 0.0) - FRAMES / RATE))
    segments = [
        Segment(video, place, place + FRAMES / RATE, "a", None, None, row, video.name)
        for row, (video, place) in enumerate(zip(videos, places, strict=True))
    ]
    result = {}
    print(f"{len(videos)} clips of {FRAMES} pictures, median of {asked.rounds} rounds\n")
    with ProcessPoolExecutor(asked.workers, get_context("spawn"), one_thread) as pool:
        for size in (224, 112):
            result[f"{size}"] = compare(size, readers, segments, pool, asked.workers, asked.rounds)
    write(asked.json, {"machine": facts, "workers": asked.workers, "clips": len(videos), "sizes": result})


if __name__ == "__main__":
    main()
