"""The clips behind a run's numbers: what each is, what it was taken for, and the rows of its frames.

A run names its clips in `data.csv`, and in `frame_predictions.csv` what every frame was taken for. What a whole clip was
taken for stands in `segment_predictions.csv`; in runs without that file it is found from the frames again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kinema.data import Manifest, Segment
from kinema.errors import KinemaError
from kinema.web.runs.excerpts import rate_of

_LARGEST = 400_000_000
"""Bytes of a `frame_predictions.csv` beyond which a page does not read it: it would take longer than anybody waits."""
_PROBABILITY = "probability:"


@dataclass(frozen=True)
class Clip:
    """One labelled segment of a run; `row` is its place in the run's manifest, `split` where it was counted.

    `frames` `(n,)` are the numbers of its frames (names, of a frame folder) and `probabilities` `(n, K)` what was said at
    each; empty where the run does not say.
    """

    row: int
    segment: Segment
    label: str
    split: str
    prediction: str
    probability: float
    label_probability: float
    frames: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    probabilities: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    @property
    def numbered(self) -> bool:
        """Whether its frames have numbers, and not the names of files."""
        return _numbered(self.frames)

    @property
    def right(self) -> bool:
        """Whether it was taken for what it is."""
        return self.label == self.prediction

    @property
    def name(self) -> str:
        """The last parts of its video's path."""
        return "/".join(PurePosixPath(self.segment.name).parts[-2:]).lstrip("./")


@dataclass(frozen=True)
class Evidence:
    """All clips of a run that it could read. `exact`: their answers are the run's own, not found from frames again."""

    classes: list[str]
    clips: list[Clip]
    exact: bool
    problem: str = ""

    def clip(self, row: int) -> Clip | None:
        """Return the clip of that row of the run's manifest, None where the run has none or could not read it."""
        return next((clip for clip in self.clips if clip.row == row), None)

    def of(self, split: str, label: str | None = None, prediction: str | None = None) -> list[Clip]:
        """Return the clips of a split, of one class and taken for one class; the surest answers first."""
        found = [
            clip
            for clip in self.clips
            if clip.split == split
            and (label is None or clip.label == label)
            and (prediction is None or clip.prediction == prediction)
        ]
        return sorted(found, key=lambda clip: (-clip.probability, clip.row))


def evidence(folder: Path, classes: list[str], window: int, folds: bool) -> Evidence:
    """Return what a run says of its clips. `window`: samples of a clip (`ClipSpec.frames`); `folds`: all are test."""
    stamps = tuple(
        (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else (0, 0)
        for path in (folder / name for name in ("data.csv", "frame_predictions.csv", _OWN))
    )
    with _lock:  # a page asks for its pictures at once
        return _evidence(folder, tuple(classes), window, folds, stamps)


_OWN = "segment_predictions.csv"
_lock = Lock()


@lru_cache(maxsize=3)
def _evidence(
    folder: Path, classes: tuple[str, ...], window: int, folds: bool, stamps: tuple[tuple[int, int], ...]
) -> Evidence:
    names = list(classes)
    try:
        segments = Manifest.read(folder / "data.csv").segments()
    except KinemaError as error:
        return Evidence(names, [], False, str(error))
    size = stamps[1][1]
    if size > _LARGEST:
        problem = f"frame_predictions.csv has {size / 1e6:.0f} MB, too many to read for a page: download it"
        frames: dict[int, pd.DataFrame] = {}
    else:
        frames, problem = _frames_of(folder, segments, names)
    own = _own_answers(folder, segments, names)
    clips = []
    for segment in segments:
        if segment.label not in classes:
            continue
        part = frames.get(segment.row)
        answer = own.get(segment.row)
        table = np.zeros((0, len(names)), np.float32)
        if part is not None:
            table = part[names].to_numpy()
        if answer is None:
            if not len(table):
                continue
            answer = _answer(table, window)
        best = int(answer.argmax())
        clips.append(
            Clip(
                row=segment.row,
                segment=segment,
                label=segment.label,
                split="test" if folds else segment.split or "test",
                prediction=names[best],
                probability=float(answer[best]),
                label_probability=float(answer[names.index(segment.label)]),
                frames=np.zeros(0) if part is None else part["frame"].to_numpy(),
                probabilities=table,
            )
        )
    if not clips and not problem:
        problem = "this run keeps no predictions of its clips; they may have been pruned"
    return Evidence(names, clips, bool(own), problem)


def _answer(probabilities: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """Return what a clip was taken for: the mean over its full windows, one a sampled time, as the report counts.

    A frame repeats the row of the newest sample, so that rows that differ are samples. Of samples that are alike, as where
    the model is sure, there are as many as their frames are times as many as those of the other samples.
    """
    changed = np.flatnonzero((np.diff(probabilities, axis=0) != 0).any(axis=1)) + 1
    begins = np.concatenate([[0], changed])
    lengths = np.diff(np.concatenate([begins, [len(probabilities)]]))
    usual = lengths[lengths <= 1.5 * np.median(lengths)].mean()
    samples = np.repeat(probabilities[begins], np.maximum(1, np.rint(lengths / usual)).astype(int), axis=0)
    mean: NDArray[np.float32] = samples[min(window, len(samples)) - 1 :].mean(axis=0)
    return mean


def _frames_of(
    folder: Path, segments: list[Segment], classes: list[str]
) -> tuple[dict[int, pd.DataFrame], str]:
    """Return the rows of `frame_predictions.csv` of each segment, by its row in the manifest."""
    path = folder / "frame_predictions.csv"
    try:
        table = pd.read_csv(
            path, dtype={"video": str, "label": str, "split": str, "frame": str}, keep_default_na=False
        )
        table[["frame", "video", "label", "split"]]  # a KeyError names what is missing
        table[classes] = table[classes].astype(np.float32)
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError, KeyError) as error:
        return {}, f"frame_predictions.csv: cannot be read ({str(error).splitlines()[0]})"
    numbers = pd.to_numeric(table["frame"], errors="coerce")
    if numbers.notna().all():
        table["frame"] = numbers.astype("int64")
    found: dict[int, pd.DataFrame] = {}
    by_video = _by_video(table["video"].unique().tolist(), segments)
    for name, part in table.groupby("video", sort=False):
        rows = by_video.get(str(name), [])
        if len(rows) == 1:
            found[rows[0].row] = part
        elif rows:
            found |= _divided(part, rows)
    return found, ""


def _divided(part: pd.DataFrame, segments: list[Segment]) -> dict[int, pd.DataFrame]:
    """Divide the rows of one video among its segments, which stand in the order of the manifest."""
    frame = part["frame"].to_numpy()
    begins = part["label"].to_numpy()[1:] != part["label"].to_numpy()[:-1]
    begins |= part["split"].to_numpy()[1:] != part["split"].to_numpy()[:-1]
    if _numbered(frame):
        begins |= np.diff(frame) != 1
    edges = [0, *(np.flatnonzero(begins) + 1).tolist(), len(part)]
    blocks = [part.iloc[begin:end] for begin, end in pairwise(edges)]
    if len(blocks) == len(segments) and all(
        block["label"].iloc[0] == segment.label for block, segment in zip(blocks, segments, strict=True)
    ):
        return {segment.row: block for segment, block in zip(segments, blocks, strict=True)}
    return _by_time(part, segments)


def _by_time(part: pd.DataFrame, segments: list[Segment]) -> dict[int, pd.DataFrame]:
    """Divide the rows of one video by the times of its segments; frames are counted at the video's own rate."""
    rate = rate_of(segments[0])
    if rate is None or not _numbered(part["frame"].to_numpy()):
        return {}
    seconds = part["frame"].to_numpy() / rate
    found = {}
    for segment in segments:
        begin, end = segment.start or 0.0, np.inf if segment.end is None else segment.end
        own = part[(seconds >= begin - 1e-3) & (seconds < end - 1e-3) & (part["label"] == segment.label)]
        if len(own) and not own["frame"].duplicated().any():
            found[segment.row] = own
    return found


def _numbered(frames: NDArray[Any]) -> bool:
    return bool(np.issubdtype(frames.dtype, np.number))


def _own_answers(folder: Path, segments: list[Segment], classes: list[str]) -> dict[int, NDArray[np.float32]]:
    """Return the probabilities of `segment_predictions.csv` by the row of the segment; none where there is no such file."""
    try:
        table = pd.read_csv(folder / _OWN, dtype={"video": str, "label": str}, keep_default_na=False)
        columns = [f"{_PROBABILITY}{name}" for name in classes]
        values = table[columns].to_numpy(np.float32)
        times = [
            pd.to_numeric(table[name], errors="coerce").fillna(-1.0).round(3) for name in ("start", "end")
        ]
    except (OSError, ValueError, KeyError):
        return {}
    by_video = _by_video(table["video"].unique().tolist(), segments)
    found = {}
    for index, (video, label, start, end) in enumerate(
        zip(table["video"], table["label"], *times, strict=True)
    ):
        for segment in by_video.get(video, []):
            own = (-1.0 if t is None else round(t, 3) for t in (segment.start, segment.end))
            if segment.label == label and tuple(own) == (start, end):
                found[segment.row] = values[index]
    return found


def _by_video(names: list[str], segments: list[Segment]) -> dict[str, list[Segment]]:
    """Return the segments of each video, by the name that the run's tables have for it.

    Those names start from the folder of the data, the manifest of the run from the run's folder. What all paths begin with
    that end in such a name is the folder of the data.
    """
    by_path: dict[tuple[str, ...], list[Segment]] = {}
    by_end: dict[str, list[tuple[str, ...]]] = {}
    for segment in segments:
        parts = segment.video.parts
        if parts not in by_path:
            by_end.setdefault(parts[-1], []).append(parts)
        by_path.setdefault(parts, []).append(segment)
    tails = {name: _tail(name) for name in names}
    fits = {
        name: [parts for parts in by_end.get(tail[-1], []) if parts[-len(tail) :] == tail] if tail else []
        for name, tail in tails.items()
    }
    roots = Counter(parts[: -len(tails[name])] for name, found in fits.items() for parts in found)
    common = roots.most_common(1)[0][0] if roots else ()
    found: dict[str, list[Segment]] = {}
    for name, candidates in fits.items():
        whole = (*common, *tails[name])
        if whole in candidates:
            found[name] = by_path[whole]
        elif len(candidates) == 1:
            found[name] = by_path[candidates[0]]
        else:
            by_name = [segment for segment in segments if segment.name == name]
            if by_name:
                found[name] = by_name
    return found


def _tail(name: str) -> tuple[str, ...]:
    return tuple(part for part in PurePosixPath(name).parts if part not in (".", ".."))
