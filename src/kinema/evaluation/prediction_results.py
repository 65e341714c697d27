"""What became of each video: the two tables of all videos and the JSON of one."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.evaluation.prediction_parts import header
from kinema.evaluation.segments import LabelledStretch
from kinema.files import atomic_path


@dataclass
class VideoResult:
    """What became of one video.

    `label`, `confidence` and `probabilities` `(K,)` are video-level, None where nothing could be read;
    `seconds` is how much of the video was seen. `error` says why it, or a part of it, could not be read,
    and is empty otherwise. `truth` is its label in the manifest. `event_count`: its events, None where none
    were looked for. `files`: what was written of it alone. `reused`: an earlier call had done it.
    """

    video: str
    label: str | None = None
    confidence: float | None = None
    probabilities: NDArray[np.float32] | None = None
    seconds: float = 0.0
    error: str = ""
    truth: str | None = None
    split: str | None = None
    event_count: int | None = None
    files: list[Path] = field(default_factory=list)
    reused: bool = False

    @property
    def failed(self) -> bool:
        """Whether there is no prediction."""
        return self.label is None


@dataclass
class PredictionRun:
    """The folder of results, its tables, and a result for each video that was reached, in the order given.
    `with_events`: whether events were looked for, and `events_csv` written."""

    out: Path
    videos: list[VideoResult]
    with_events: bool = True

    @property
    def videos_csv(self) -> Path:
        return self.out / "videos.csv"

    @property
    def frame_predictions_csv(self) -> Path:
        return self.out / "frame_predictions.csv"

    @property
    def events_csv(self) -> Path:
        return self.out / "events.csv"

    @property
    def failed(self) -> list[VideoResult]:
        """The videos without a prediction."""
        return [result for result in self.videos if result.failed]


def write_frame_table(path: Path, classes: Sequence[str], parts: Sequence[Path]) -> None:
    """Join the lines of the videos' own files under S4's header."""
    with atomic_path(path) as temporary, temporary.open("wb") as table:
        table.write(header(classes).encode())
        for part in parts:
            if part.is_file():
                with part.open("rb") as lines:
                    shutil.copyfileobj(lines, table)


def write_video_table(
    path: Path, classes: Sequence[str], results: Sequence[VideoResult], *, truth: bool
) -> None:
    """Write a row a video; `truth` adds `label` and `split`."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        last = ["label", "split"] if truth else []
        writer.writerow(["video", "prediction", "confidence", *classes, "seconds", "error", *last])
        for result in results:
            writer.writerow(_video_row(result, len(classes), truth))


def _video_row(result: VideoResult, classes: int, known: bool) -> list[str]:
    truth = [result.truth or "", result.split or ""] if known else []
    if result.probabilities is None:
        return [result.video, "", "", *[""] * classes, "", result.error, *truth]
    numbers = [f"{value:.6g}" for value in result.probabilities.tolist()]
    row = [result.video, result.label or "", f"{result.confidence:.6g}", *numbers]
    return [*row, f"{result.seconds:.3f}", result.error, *truth]


def protocol(spec: ClipSpec) -> str:
    return (
        f"one row every {1 / spec.fps:g} s of the video: softmax(logits / temperature) of the window of "
        f"{spec.frames} pictures ({spec.span:g} s) that ends there, full once it has them all; video level: "
        "mean over full windows, or the last row of a video shorter than a window; energy: "
        "-T log sum exp(logits / T); times in seconds from the first frame"
    )


def segment_values(segment: LabelledStretch) -> dict[str, Any]:
    names = ("start", "end", "label", "mean", "peak", "peak_time")
    values = {name: getattr(segment, name) for name in names}
    return {name: value if isinstance(value, str) else round(value, 6) for name, value in values.items()}


def numbers(row: NDArray[Any]) -> list[float]:
    return [float(f"{value:.6g}") for value in row.tolist()]


def write_timeline(path: Path, about: dict[str, Any], rows: Any) -> None:
    """Write JSON with the timeline last, a line a row, never the whole text in memory."""
    text = json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(text[: text.rindex("}")].rstrip() + ',\n  "timeline": [')
        for number, row in enumerate(rows):
            line = {
                "time": round(float(row["time"]), 6),
                "full": bool(row["full"]),
                "energy": float(f"{row['energy']:.6g}") if np.isfinite(row["energy"]) else None,
                "probabilities": numbers(row["probabilities"]),
            }
            file.write((",\n    " if number else "\n    ") + json.dumps(line))
        file.write("\n  ]\n}\n")
