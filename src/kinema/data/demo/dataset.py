"""The demo data set on disk: videos in class folders, a manifest, the truth about every frame."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from kinema.data.demo.clips import FPS, Clip, Take, compose, compose_untrimmed, segments
from kinema.data.demo.seeding import ACTIONS, SCENARIOS
from kinema.errors import DataError, UsageError
from kinema.files import atomic_path, write_json, write_text

if TYPE_CHECKING:
    from kinema.data.manifest import Manifest

TITLE = "synthetic: drawn by kinema demo, not a recording"
SOURCE = "synthetic (kinema demo)"
VERSION = 1  # of the drawing: raise it when the same seed gives other pixels
# without "cpu-independent", x264 can write other bytes for the same pixels from one call to the next
_ENCODING = {"crf": "20", "preset": "veryfast", "threads": "1", "x264-params": "cpu-independent=1"}
_COLUMNS = (
    "video",
    "start",
    "end",
    "label",
    "split",
    "group",
    "subject",
    "scenario",
    "synthetic",
    "source",
    "seed",
)

# Schuldt, Laptev & Caputo, ICPR 2004, as KTH's 00sequences.txt has them
_TRAIN = (11, 12, 13, 14, 15, 16, 17, 18)
_VALID = (19, 20, 21, 23, 24, 25, 1, 4)


def render_demo(
    folder: str | os.PathLike[str],
    *,
    subjects: int = 25,
    seed: int = 0,
    scenarios: Sequence[str] = SCENARIOS,
    clips_per_subject: int = 3,
    seconds: float = 2.2,
    actions: Sequence[str] = ACTIONS,
    untrimmed: bool = True,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Render the demo data set into `folder` and return its manifest.

    Every subject does every action in `clips_per_subject` of the `scenarios`, taken in turn, `seconds` long each:
    `videos/ACTION/personNN_ACTION_dM.mp4` (160 x 120, 25 frames a second), `truth/personNN_ACTION_dM.csv` (one row a
    frame, see `Take.truth`), `manifest.csv` (group = subject; the official KTH split of subjects), `untrimmed.mp4` with
    `untrimmed.csv` (segments) and `truth/untrimmed.csv` (frames) of a subject who is nowhere else, and `README.txt`.
    A clip depends on seed, subject, action, scenario and seconds alone.

    Files appear whole or not at all; a second call renders what is missing. `progress(done, total)` is called as videos
    are finished. More than one worker means processes that import the caller's main module: guard it as usual.

    Raises `UsageError` for a setting out of range and `DataError` for a folder that holds a set of other settings.
    """
    from kinema.data.manifest import Manifest

    _check(subjects, scenarios, clips_per_subject, seconds, actions)
    folder = Path(folder)
    _claim(folder, {"version": VERSION, "seed": seed, "seconds": seconds, "fps": FPS})
    clips = plan(subjects, seed, scenarios, clips_per_subject, seconds, actions)
    jobs: list[Clip | int] = [clip for clip in clips if not _finished(folder, clip)]
    total = len(clips) + int(untrimmed)
    if untrimmed and not all(
        (folder / name).exists() for name in ("untrimmed.mp4", "untrimmed.csv", "truth/untrimmed.csv")
    ):
        jobs.insert(0, seed)
    done = total - len(jobs)
    for _ in _run(folder, jobs, workers):
        done += 1
        if progress:
            progress(done, total)
    write_text(folder / "README.txt", _readme(seed))
    write_text(folder / "manifest.csv", _manifest(clips))
    return Manifest.read(folder / "manifest.csv")


def plan(
    subjects: int,
    seed: int,
    scenarios: Sequence[str],
    clips_per_subject: int,
    seconds: float,
    actions: Sequence[str],
) -> list[Clip]:
    """List the clips of a set: scenarios in turn, so that each action and each subject meets all of them alike."""
    clips = []
    for subject in range(1, subjects + 1):
        for action in actions:
            first = subject + ACTIONS.index(action)
            step = max(1, len(scenarios) // clips_per_subject)
            chosen = sorted({(first + step * take) % len(scenarios) for take in range(clips_per_subject)})
            clips += [Clip(seed, subject, action, scenarios[index], seconds) for index in chosen]
    return clips


def split_of(subject: int) -> str:
    """Return the official KTH split of a subject; subjects past 25 belong to training.

    >>> split_of(11), split_of(4), split_of(22)
    ('train', 'valid', 'test')
    """
    return "train" if subject in _TRAIN or subject > 25 else "valid" if subject in _VALID else "test"


def _check(
    subjects: int, scenarios: Sequence[str], clips_per_subject: int, seconds: float, actions: Sequence[str]
) -> None:
    unknown = [name for name in scenarios if name not in SCENARIOS] + [
        name for name in actions if name not in ACTIONS
    ]
    if unknown or not scenarios or not actions:
        raise UsageError(f"demo: unknown or missing {', '.join(unknown) or 'names'}; scenarios are {', '.join(SCENARIOS)}, "
                         f"actions are {', '.join(ACTIONS)}")  # fmt: skip
    if len(set(scenarios)) < len(scenarios) or len(set(actions)) < len(actions):
        raise UsageError("demo: a scenario or an action is named twice; name each once")
    if not 1 <= subjects <= 99:
        raise UsageError(f"demo: subjects must be 1 to 99, not {subjects}")
    if not 1 <= clips_per_subject <= len(scenarios):
        raise UsageError(
            f"demo: clips per subject must be 1 to the number of scenarios ({len(scenarios)}), not {clips_per_subject}"
        )
    if not 0.4 <= seconds <= 30:
        raise UsageError(f"demo: seconds must be 0.4 to 30, not {seconds}")


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Keep the settings that decide the pixels in `demo.json`, and refuse a folder made with others."""
    note = folder / "demo.json"
    if note.exists():
        try:
            held = json.loads(note.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{note}: not readable as JSON; delete the folder or choose another") from error
        if held.get("settings") != settings:
            raise DataError(
                f"{folder}: holds a demo set of other settings ({held.get('settings')}); choose another folder or delete it"
            )
        return
    if (folder / "manifest.csv").exists() or (folder / "videos").exists():
        raise DataError(f"{folder}: holds other data; choose a folder that is empty or does not exist")
    write_json(note, {"source": SOURCE, "note": TITLE, "settings": settings})


def _video(folder: Path, clip: Clip) -> Path:
    return folder / "videos" / clip.action / f"{clip.name}.mp4"


def _finished(folder: Path, clip: Clip) -> bool:
    return _video(folder, clip).exists() and (folder / "truth" / f"{clip.name}.csv").exists()


def _run(folder: Path, jobs: list[Clip | int], workers: int) -> Iterable[None]:
    if workers <= 1 or len(jobs) < 4:
        for job in jobs:
            _make(folder, [job])
            yield
        return
    # a few clips a message: workers stay busy, and the report of progress stays lively
    long, short = (
        [[job] for job in jobs if isinstance(job, int)],
        [job for job in jobs if isinstance(job, Clip)],
    )
    batches = long + [list(short[start : start + 4]) for start in range(0, len(short), 4)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(_make, folder, batch): len(batch) for batch in batches}
        try:
            for future in as_completed(waiting):
                future.result()
                yield from [None] * waiting[future]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _make(folder: Path, jobs: Sequence[Clip | int]) -> None:
    for job in jobs:
        if isinstance(job, Clip):
            take = compose(job)
            write_text(folder / "truth" / f"{job.name}.csv", take.truth())
            _encode(_video(folder, job), take)
        else:
            _make_untrimmed(folder, job)


def _make_untrimmed(folder: Path, seed: int) -> None:
    take = compose_untrimmed(seed, subject=100)  # beyond every subject of the set
    write_text(folder / "truth" / "untrimmed.csv", take.truth())
    rows = [
        ("untrimmed.mp4", f"{start:.2f}", f"{end:.2f}", label) for start, end, label in segments(take.labels)
    ]
    write_text(folder / "untrimmed.csv", _table(("video", "start", "end", "label"), rows))
    _encode(folder / "untrimmed.mp4", take)


def _encode(path: Path, take: Take) -> None:
    """Write H.264 with the word "synthetic" in the file's own title and comment, which `VideoWriter` has no place for."""
    with (
        atomic_path(path) as temporary,
        av.open(str(temporary), "w", options={"movflags": "+faststart"}) as container,
    ):
        container.metadata["title"] = f"{path.stem} ({TITLE})"
        container.metadata["comment"] = TITLE
        stream = container.add_stream("libx264", rate=FPS, options=_ENCODING)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        for image in take.frames():
            container.mux(stream.encode(_picture(image)))
        container.mux(stream.encode())


def _picture(image: NDArray[np.uint8]) -> Any:
    """Convert to 4:2:0 with integer arithmetic, the same everywhere."""
    return av.VideoFrame.from_ndarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), format="yuv420p")


def _manifest(clips: list[Clip]) -> str:
    rows = [
        (
            f"videos/{clip.action}/{clip.name}.mp4", "", "", clip.action, split_of(clip.subject),
            f"person{clip.subject:02d}", clip.subject, clip.scenario, True, SOURCE, clip.seed,
        )
        for clip in clips
    ]  # fmt: skip
    return _table(_COLUMNS, rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _readme(seed: int) -> str:
    return f"""SYNTHETIC DATA

Everything in this folder was drawn by `kinema demo` (seed {seed}). Nothing here is a recording and no person is shown.
The six actions, the four scenarios, the file names and the split of subjects follow the KTH action set (Schuldt, Laptev
and Caputo, ICPR 2004), so that the demo feels like the real thing; results on it say nothing about real video.

videos/ACTION/personNN_ACTION_dM.mp4  clips; d1 outdoors, d2 scale changes, d3 other clothes, d4 indoors
manifest.csv                          one row a clip; group = subject, split = KTH's official subjects
truth/NAME.csv                        one row a frame: label, visible, feet on the ground, joints in pixels
untrimmed.mp4, untrimmed.csv          a long video of a subject who is in no clip, and its segments
truth/untrimmed.csv                   its frames; "none" where nobody acts or nobody is in the picture
demo.json                             the settings that decide the pixels
"""
