"""Predictions on disk: one or many videos in; tables, timelines, subtitles and annotated copies out."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kinema.data import Manifest
from kinema.data.clipspec import ClipSpec
from kinema.errors import KinemaError, UsageError
from kinema.evaluation.annotate import annotate_video
from kinema.evaluation.prediction_events import VideoEvents, write_event_table
from kinema.evaluation.prediction_names import fingerprint, settle
from kinema.evaluation.prediction_parts import ROWS_FORMAT, Part, locked
from kinema.evaluation.prediction_reader import PartReader
from kinema.evaluation.prediction_results import (
    PredictionRun,
    VideoResult,
    numbers,
    protocol,
    segment_values,
    write_frame_table,
    write_timeline,
    write_video_table,
)
from kinema.evaluation.segments import MIN_SECONDS, segments_of
from kinema.evaluation.subtitles import web_vtt
from kinema.evaluation.video_inputs import VideoInput, video_inputs
from kinema.events import EventRules, energy
from kinema.files import write_text
from kinema.models.prediction import Job, TimelineChunk, video_mean

Progress = Callable[[float, int, str], None]
_FULL_DISK = 1 << 20  # bytes left


class TimelineModel(Protocol):
    """What is needed of a `Recognizer`; `name`, `model` and `temperature` are described too where it has
    them, and the event rules in its `folder` hold."""

    classes: list[str]
    spec: ClipSpec

    def timeline(self, jobs: Sequence[Job], *, batch_size: int = 16) -> Iterator[TimelineChunk]: ...

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]: ...


def predict_to_folder(
    recognizer: TimelineModel,
    videos: Manifest | Sequence[str | os.PathLike[str] | VideoInput],
    out: str | os.PathLike[str],
    *,
    annotate: bool = True,
    subtitles: bool = True,
    batch_size: int = 16,
    fps: float | None = None,
    min_seconds: float = MIN_SECONDS,
    limit: int | None = None,
    rules: EventRules | None = None,
    events: bool = True,
    progress: Progress | None = None,
) -> PredictionRun:
    """Predict videos, folders of videos or a manifest (see `video_inputs`) and write the results into the
    folder `out`.

    - `videos.csv`: a row a video: `video, prediction, confidence`, a column a class, `seconds`, `error`
      (why it or a part of it could not be read); then `label, split` when a manifest says something of
      them.
    - `frame_predictions.csv` in S4's columns: one a class, `prediction, video, frame, label, split, error`,
      a line for every frame from the first one on. `frame` is the file name of an image in a frame folder,
      else the number of the frame counted from 0; `error` is 1 or 0, and empty like `label` and `split`
      where the truth is not known.
    - `events.csv`: a row an event (`write_event_table`), as `rules` say; by default those stored with the
      recognizer, else `EventRules()`. Left out, as in `NAME.json`, without `events`.
    - `NAME.json` (timeline, segments, events and their rules, video level, protocol), `NAME.vtt` (subtitles),
      `NAME.mp4` (annotated) for each video; NAME is its file's, with folders before it or a number behind it
      where another has that name.
    - `parts/`: the rows and events of each video as they came.

    The tables hold the videos of this call. A video that was finished by an earlier call with the same
    content, recognizer and settings is not computed again, and one that was being read goes on where it
    was; a video that could not be read is tried again. Other rules change the events only. A bad video never
    stops the others. Memory does not grow with the length of a video. `fps` is the rate of frame folders,
    `min_seconds` the shortest stretch in subtitles, `limit` takes the first videos only; `progress` gets the
    videos done (with a fraction), their number, and what is being done.

    Raises `UsageError` for rules that name another class, `DataError` when there is no video, `KinemaError`
    when `out` cannot be written or another process writes to it. On `KeyboardInterrupt` the tables are written
    with what was finished.
    """
    if batch_size < 1:
        raise UsageError(f"batch_size must be at least 1, not {batch_size}")
    finder = None
    if events:
        finder = VideoEvents(rules or EventRules.of(getattr(recognizer, "folder", None)), recognizer.classes)
    folder = Path(out)
    inputs = video_inputs(videos, fps=fps, out=folder)[:limit]
    with locked(folder):
        worker = _Worker(recognizer, inputs, folder, annotate, subtitles, min_seconds, finder, progress)
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
        events: VideoEvents | None,
        progress: Progress | None,
    ) -> None:
        self.recognizer, self.inputs, self.out = recognizer, inputs, out
        self.annotate, self.subtitles, self.min_seconds = annotate, subtitles, min_seconds
        self.events, self.progress = events, progress
        self.results: dict[int, VideoResult] = {}
        self.identity = fingerprint(recognizer)
        settings = f"{self.identity} {min_seconds} rows {ROWS_FORMAT}"
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
            index: PartReader(self.inputs[index], self.parts[index], self.recognizer.spec) for index in todo
        }
        jobs = [readers[index].job() for index in todo]
        chunks = self.recognizer.timeline(jobs, batch_size=batch_size)
        getattr(
            self.recognizer, "follower", None
        )  # made when first asked for; no part of the time a picture takes
        since = time.perf_counter()
        try:
            for chunk in chunks:
                index = todo[chunk.job]
                reader = readers[index]
                # Chunks of one batch come together: the first bears its whole time, the sum is right.
                seconds = time.perf_counter() - since
                energies = energy(chunk.logits, getattr(self.recognizer, "temperature", 1.0))
                reader.take(chunk, self.recognizer.probabilities(chunk.logits), energies, seconds)
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
        """Write the tables of the videos that were reached."""
        order, classes = sorted(self.results), self.recognizer.classes
        results = [self.results[index] for index in order]
        parts = [self.parts[index].csv_path for index in order]
        run = PredictionRun(self.out, results, self.events is not None)
        write_frame_table(run.frame_predictions_csv, classes, parts)
        truth = any(entry.segments for entry in self.inputs)
        write_video_table(run.videos_csv, classes, results, truth=truth)
        if self.events:
            write_event_table(run.events_csv, [self.parts[index] for index in order])
        return run

    def _products(self, index: int, *, reused: bool) -> None:
        entry, part = self.inputs[index], self.parts[index]
        state = part.state
        result = VideoResult(entry.name, truth=entry.label, split=entry.split, reused=reused)
        result.error = "; ".join(filter(None, [state.error, *state.problems]))
        rows = part.timeline()
        if len(rows):
            probabilities = rows["probabilities"]
            result.probabilities = video_mean(np.asarray(probabilities), rows["full"])
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
        events = self.events.stored(part) if self.events and reused else None
        again = self.events is not None and events is None
        if self.events and again:
            events = self.events.find(part, entry.name)
        if again or not (reused and paths["json"].is_file()):
            about: dict[str, Any] = {
                "video": entry.name,
                "label": result.label,
                "confidence": result.confidence,
                "probabilities": dict(zip(classes, numbers(np.asarray(result.probabilities)), strict=True)),
                "seconds": round(result.seconds, 6),
                "frames": state.frames,
                "error": result.error,
                "recognizer": self._about_recognizer(),
                "protocol": protocol(self.recognizer.spec),
                "classes": list(classes),
                "segments": [segment_values(segment) for segment in segments],
            }
            if self.events and events is not None:
                about["event_rules"] = self.events.rules.to_dict()
                about["events"] = events
            write_timeline(paths["json"], about, rows)
            if self.events and again:  # after the JSON, so that they vouch for it
                self.events.keep(part, events or [])
        result.event_count = None if events is None else len(events)
        result.files.append(paths["json"])
        if self.subtitles:
            if not (reused and paths["vtt"].is_file()):
                write_text(paths["vtt"], web_vtt(segments))
            result.files.append(paths["vtt"])
        if self.annotate:
            there = reused and paths["mp4"].is_file()
            if there or self._annotate(entry, part, times, probabilities, paths["mp4"], result):
                result.files.append(paths["mp4"])

    def _annotate(
        self, entry: VideoInput, part: Part, times: Any, probabilities: Any, path: Path, result: VideoResult
    ) -> bool:
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
        except KinemaError as error:
            # One video that cannot be copied is noted; a full disk would meet all that follow.
            if shutil.disk_usage(self.out).free < _FULL_DISK:
                raise
            result.error = "; ".join(filter(None, [result.error, f"not annotated: {error}"]))
            return False
        return True

    def _about_recognizer(self) -> dict[str, Any]:
        found: dict[str, Any] = {"fingerprint": self.identity}
        for name in ("name", "temperature"):
            if hasattr(self.recognizer, name):
                found[name] = getattr(self.recognizer, name)
        return {**found, "clip": self.recognizer.spec.to_dict()}

    def _done_fraction(self, readers: dict[int, PartReader]) -> float:
        # Half of a video's work is its prediction where it is annotated afterwards.
        weight = 0.5 if self.annotate else 1.0
        return len(self.results) + weight * sum(
            reader.fraction for reader in readers.values() if reader.started
        )

    def _tell(self, done: float, what: str) -> None:
        if self.progress:
            self.progress(min(done, len(self.inputs)), len(self.inputs), what)
