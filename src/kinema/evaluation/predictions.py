"""Predictions on disk: one or many videos in; tables, timelines, subtitles and annotated copies out."""

from __future__ import annotations

import csv
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from kinema.data import Manifest
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, KinemaError, UsageError
from kinema.evaluation.annotate import annotate_video
from kinema.evaluation.prediction_names import fingerprint, settle
from kinema.evaluation.prediction_parts import Part, header
from kinema.evaluation.segments import MIN_SECONDS, segments_of
from kinema.evaluation.subtitles import web_vtt
from kinema.evaluation.video_inputs import Truth, VideoInput, video_inputs
from kinema.files import atomic_path, write_text
from kinema.models.prediction import Job, TimelineChunk, video_mean
from kinema.video import FolderSource, open_source

Progress = Callable[[float, int, str], None]


class TimelineModel(Protocol):
    """What is needed of a `Recognizer`; `name`, `model` and `temperature` are described too where it has them."""

    classes: list[str]
    spec: ClipSpec

    def timeline(self, jobs: Sequence[Job], *, batch_size: int = 16) -> Iterator[TimelineChunk]: ...

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]: ...


@dataclass
class VideoResult:
    """What became of one video.

    `label`, `confidence` and `probabilities` `(K,)` are video-level, None where nothing could be read; `seconds` is how much
    of the video was seen. `error` says why it, or a part of it, could not be read, and is empty otherwise. `truth` is its
    label in the manifest. `files`: what was written of it alone. `reused`: an earlier call had done it.
    """

    video: str
    label: str | None = None
    confidence: float | None = None
    probabilities: NDArray[np.float32] | None = None
    seconds: float = 0.0
    error: str = ""
    truth: str | None = None
    split: str | None = None
    files: list[Path] = field(default_factory=list)
    reused: bool = False

    @property
    def failed(self) -> bool:
        """Whether there is no prediction."""
        return self.label is None


@dataclass
class PredictionRun:
    """The folder of results, its two tables, and a result for each video that was reached, in the order given."""

    out: Path
    videos: list[VideoResult]

    @property
    def videos_csv(self) -> Path:
        return self.out / "videos.csv"

    @property
    def frame_predictions_csv(self) -> Path:
        return self.out / "frame_predictions.csv"

    @property
    def failed(self) -> list[VideoResult]:
        """The videos without a prediction."""
        return [result for result in self.videos if result.failed]


def predict_to_folder(
    recognizer: TimelineModel,
    videos: Manifest | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    annotate: bool = True,
    subtitles: bool = True,
    batch_size: int = 16,
    fps: float | None = None,
    min_seconds: float = MIN_SECONDS,
    limit: int | None = None,
    progress: Progress | None = None,
) -> PredictionRun:
    """Predict videos, folders of videos or a manifest (see `video_inputs`) and write the results into the folder `out`.

    - `videos.csv`: a row a video: `video, prediction, confidence`, a column a class, `seconds`, `error` (why it or a part of
      it could not be read); then `label, split` when a manifest says something of them.
    - `frame_predictions.csv` in S4's columns: one a class, `prediction, video, frame, label, split, error`, a line for every
      frame from the first one on. `frame` is the file name of an image in a frame folder, else the number of the frame
      counted from 0; `error` is 1 or 0, and empty like `label` and `split` where the truth is not known.
    - `NAME.json` (timeline, segments, video level, protocol), `NAME.vtt` (subtitles), `NAME.mp4` (annotated) for each video;
      NAME is its file's, with folders before it or a number behind it where another has that name.
    - `parts/`: the rows of each video as they came.

    Both tables hold the videos of this call. A video that was finished by an earlier call with the same content, recognizer
    and settings is not computed again, and one that was being read goes on where it was; a video that could not be read is
    tried again. A bad video never stops the others. Memory does not grow with the length of a video. `fps` is the rate
    of frame folders, `min_seconds` the shortest stretch in subtitles, `limit` takes the first videos only; `progress` gets
    the videos done (with a fraction), their number, and what is being done.

    Raises `DataError` when there is no video, `KinemaError` when `out` cannot be written or another process writes to it.
    On `KeyboardInterrupt` the tables are written with what was finished.
    """
    if batch_size < 1:
        raise UsageError(f"batch_size must be at least 1, not {batch_size}")
    folder = Path(out)
    inputs = video_inputs(videos, fps=fps, out=folder)[:limit]
    with _locked(folder):
        worker = _Worker(recognizer, inputs, folder, annotate, subtitles, min_seconds, progress)
        try:
            worker.work(batch_size)
        except BaseException:
            # What is finished is kept and listed; a second failure on the way must not hide the first.
            with suppress(KinemaError, OSError):
                worker.tables()
            raise
        return worker.tables()


class _Worker:
    def __init__(
        self,
        recognizer: TimelineModel,
        inputs: list[VideoInput],
        out: Path,
        annotate: bool,
        subtitles: bool,
        min_seconds: float,
        progress: Progress | None,
    ) -> None:
        self.recognizer, self.inputs, self.out = recognizer, inputs, out
        self.annotate, self.subtitles, self.min_seconds = annotate, subtitles, min_seconds
        self.progress = progress
        self.results: dict[int, VideoResult] = {}
        self.identity = fingerprint(recognizer)
        settings = f"{self.identity} {min_seconds}"
        self.parts = settle(inputs, out, settings, recognizer.classes)

    def work(self, batch_size: int) -> None:
        """Predict what is not done yet; make the files of single videos that are missing."""
        todo = []
        for index, part in enumerate(self.parts):
            # An error may have passed, a disk that was away say; such a video is read again.
            if part.whole and not part.state.error:
                self._products(index, reused=True)
            else:
                todo.append(index)
        if not todo:
            return
        readers = {
            index: _Reader(self.inputs[index], self.parts[index], self.recognizer.spec) for index in todo
        }
        jobs = [readers[index].job() for index in todo]
        chunks = self.recognizer.timeline(jobs, batch_size=batch_size)
        since = time.perf_counter()
        try:
            for chunk in chunks:
                index = todo[chunk.job]
                reader = readers[index]
                # Chunks of one batch come together: the first bears its whole time, the sum is right.
                reader.part.state.work_seconds += time.perf_counter() - since
                reader.take(chunk, self.recognizer.probabilities(chunk.logits))
                self._tell(self._done_fraction(readers), f"predicting {reader.input.name}")
                if chunk.last:
                    self._products(index, reused=False)
                    del readers[index]
                since = time.perf_counter()
        finally:
            close = getattr(chunks, "close", None)
            if close:
                close()
            for reader in readers.values():
                reader.pause()

    def tables(self) -> PredictionRun:
        """Write both tables of the videos that were reached."""
        classes = self.recognizer.classes
        order = sorted(self.results)
        with atomic_path(self.out / "frame_predictions.csv") as temporary, temporary.open("wb") as table:
            table.write(header(classes).encode())
            for index in order:
                if self.parts[index].csv_path.is_file():
                    with self.parts[index].csv_path.open("rb") as lines:
                        shutil.copyfileobj(lines, table)
        known = any(entry.segments for entry in self.inputs)
        with (
            atomic_path(self.out / "videos.csv") as temporary,
            temporary.open("w", encoding="utf-8", newline="") as table,
        ):
            writer = csv.writer(table, lineterminator="\n")
            truth = ["label", "split"] if known else []
            writer.writerow(["video", "prediction", "confidence", *classes, "seconds", "error", *truth])
            for index in order:
                writer.writerow(_video_row(self.results[index], len(classes), known))
        return PredictionRun(self.out, [self.results[index] for index in order])

    def _products(self, index: int, *, reused: bool) -> None:
        entry, part = self.inputs[index], self.parts[index]
        state = part.state
        result = VideoResult(entry.name, truth=entry.label, split=entry.split, reused=reused)
        result.error = "; ".join(filter(None, [state.error, *state.problems]))
        rows = part.timeline()
        if len(rows):
            probabilities = rows["probabilities"]
            result.probabilities = video_mean(probabilities, rows["full"])
            result.label = self.recognizer.classes[int(result.probabilities.argmax())]
            result.confidence = float(result.probabilities.max())
            result.seconds = state.end - state.first_time
            self._write_files(entry, part, rows, result, reused)
        self.results[index] = result
        self._tell(len(self.results), f"done {entry.name}")

    def _write_files(
        self, entry: VideoInput, part: Part, rows: Any, result: VideoResult, reused: bool
    ) -> None:
        classes, state = self.recognizer.classes, part.state
        times, probabilities = np.array(rows["time"]), rows["probabilities"]
        paths = {suffix: self.out / f"{part.name}.{suffix}" for suffix in ("vtt", "mp4", "json")}
        segments = segments_of(times, probabilities, classes, min_seconds=self.min_seconds, end=state.end)
        if not (reused and paths["json"].is_file()):
            about = {
                "video": entry.name,
                "label": result.label,
                "confidence": result.confidence,
                "probabilities": dict(zip(classes, _numbers(result.probabilities), strict=True)),
                "seconds": round(result.seconds, 6),
                "frames": state.frames,
                "error": result.error,
                "recognizer": self._about_recognizer(),
                "protocol": _protocol(self.recognizer.spec),
                "classes": list(classes),
                "segments": [_segment(segment) for segment in segments],
            }
            _write_timeline(paths["json"], about, rows)
        result.files.append(paths["json"])
        if self.subtitles:
            if not (reused and paths["vtt"].is_file()):
                write_text(paths["vtt"], web_vtt(segments))
            result.files.append(paths["vtt"])
        if self.annotate:
            if not (reused and paths["mp4"].is_file()) and not self._annotate(
                entry, part, times, probabilities, paths["mp4"]
            ):
                return
            result.files.append(paths["mp4"])

    def _annotate(self, entry: VideoInput, part: Part, times: Any, probabilities: Any, path: Path) -> bool:
        begun, seconds = len(self.results), max(part.state.end - part.state.first_time, 1e-9)

        def tell(moment: float) -> None:
            share = min(1.0, (moment - part.state.first_time) / seconds)
            self._tell(begun + 0.5 + share / 2, f"annotating {entry.name}")

        try:
            annotate_video(
                entry.path,
                path,
                self.recognizer.classes,
                times,
                probabilities,
                start=entry.start,
                end=entry.end,
                fps=entry.fps,
                inference_ms=1000 * part.state.work_seconds / max(1, part.state.rows),
                progress=tell if self.progress else None,
            )
        except DataError:
            # The first pass met the same fault and its reason stands in videos.csv.
            if not part.state.error:
                raise
            return False
        return True

    def _about_recognizer(self) -> dict[str, Any]:
        found: dict[str, Any] = {"fingerprint": self.identity}
        for name in ("name", "temperature"):
            if hasattr(self.recognizer, name):
                found[name] = getattr(self.recognizer, name)
        return {**found, "clip": self.recognizer.spec.to_dict()}

    def _done_fraction(self, readers: dict[int, _Reader]) -> float:
        # Half of a video's work is its prediction where it is annotated afterwards.
        weight = 0.5 if self.annotate else 1.0
        return len(self.results) + weight * sum(
            reader.fraction for reader in readers.values() if reader.started
        )

    def _tell(self, done: float, what: str) -> None:
        if self.progress:
            self.progress(min(done, len(self.inputs)), len(self.inputs), what)


class _Reader:
    """Feeds a part with the chunks of its job, which begins anew or behind what an earlier call has seen."""

    def __init__(self, entry: VideoInput, part: Part, spec: ClipSpec) -> None:
        self.input, self.part, self.spec = entry, part, spec
        self.started = False
        self.fraction = 0.0
        # A window needs its own pictures, the first of which needs two frames before it (gray_stack); one for luck.
        warm_up = spec.frames + 3
        self._resume = part.resumable(least=warm_up + 1)
        self._skip = warm_up if self._resume else 0
        self._truth = Truth(entry.segments)
        self._names: list[str] | None = None
        self._seconds: float | None = None
        self._count = part.state.frames if self._resume else 0
        self._seen_until = part.state.last_time if self._resume else -1.0

    def job(self) -> Job:
        entry, start = self.input, self.input.start
        if self._resume:
            # Row i stands for the time start + i / fps, so the grid goes on as if there had been no pause.
            start = (start or 0.0) + (self.part.state.rows - self._skip) / self.spec.fps
        return Job(entry.path, start, entry.end, entry.fps)

    def take(self, chunk: TimelineChunk, probabilities: NDArray[np.float32]) -> None:
        if not self.started:
            self._begin(chunk)
        skip = min(self._skip, len(chunk.times))
        self._skip -= skip
        new = chunk.frame_times > self._seen_until
        times, indices = chunk.frame_times[new], chunk.frame_indices[new]
        self.part.add(
            chunk.times[skip:],
            probabilities[skip:],
            self._full(chunk.full[skip:]),
            [self._names[index] if self._names else str(index) for index in indices.tolist()],
            times,
            self.input.name,
            self._truth,
        )
        if self._seconds and len(times):
            self.fraction = min(1.0, (float(times[-1]) - (self.input.start or 0.0)) / self._seconds)
        if chunk.last:
            error = str(chunk.error) if chunk.error else ""
            self.part.finish(error, getattr(chunk, "problems", None) or [])

    def pause(self) -> None:
        """Keep what came so far."""
        if self.started:
            with suppress(KinemaError):
                self.part.close()

    def _begin(self, chunk: TimelineChunk) -> None:
        self.started = True
        self.part.open(resume=self._resume)
        if chunk.error is not None and not len(chunk.times):
            return
        if self.input.path.is_dir():
            self._names = FolderSource(str(self.input.path), fps=self.input.fps or 25.0).names
        if not chunk.last:
            with open_source(self.input.path, fps=self.input.fps) as source:
                end = self.input.end or source.duration
            self._seconds = None if end is None else max(1e-9, end - (self.input.start or 0.0))

    def _full(self, full: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.ones_like(full) if self._resume else full


def _locked(folder: Path) -> Any:
    try:
        (folder / "parts").mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(folder / "parts" / ".lock"))
        return lock.acquire(timeout=0)
    except Timeout as error:
        raise KinemaError(
            f"{folder}: another kinema writes predictions there; wait, or choose another folder"
        ) from error
    except OSError as error:
        raise KinemaError(
            f"{folder}: cannot be written: {error.strerror or error}; choose another folder"
        ) from error


def _video_row(result: VideoResult, classes: int, known: bool) -> list[str]:
    truth = [result.truth or "", result.split or ""] if known else []
    if result.probabilities is None:
        return [result.video, "", "", *[""] * classes, "", result.error, *truth]
    numbers = [f"{value:.6g}" for value in result.probabilities.tolist()]
    row = [result.video, result.label or "", f"{result.confidence:.6g}", *numbers]
    return [*row, f"{result.seconds:.3f}", result.error, *truth]


def _protocol(spec: ClipSpec) -> str:
    return (
        f"one row every {1 / spec.fps:g} s of the video: softmax(logits / temperature) of the window of {spec.frames} pictures "
        f"({spec.span:g} s) that ends there, full once it has them all; video level: mean over full windows, or the last row "
        "of a video shorter than a window; times in seconds from the first frame of the video"
    )


def _segment(segment: Any) -> dict[str, Any]:
    names = ("start", "end", "label", "mean", "peak", "peak_time")
    values = {name: getattr(segment, name) for name in names}
    return {name: value if isinstance(value, str) else round(value, 6) for name, value in values.items()}


def _numbers(row: Any) -> list[float]:
    return [float(f"{value:.6g}") for value in row.tolist()]


def _write_timeline(path: Path, about: dict[str, Any], rows: Any) -> None:
    """Write JSON with the timeline last, a line a row, never the whole text in memory."""
    text = json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(text[: text.rindex("}")].rstrip() + ',\n  "timeline": [')
        for number, row in enumerate(rows):
            line = {
                "time": round(float(row["time"]), 6),
                "full": bool(row["full"]),
                "probabilities": _numbers(row["probabilities"]),
            }
            file.write((",\n    " if number else "\n    ") + json.dumps(line))
        file.write("\n  ]\n}\n")
