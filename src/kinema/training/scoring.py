"""Scores of a model on segments: every window, as `Recognizer.timeline` would give it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from kinema.data import Segment
from kinema.data.clips import rate_of
from kinema.evaluation.scores import Scores
from kinema.models import FactorisedModel, Job, Recognizer, TimelineChunk, one_thread
from kinema.training.features import Track


@dataclass
class Followed:
    """Segments that were followed from beginning to end: tracks without stored features, and logits `(n, K)` of each.

    `problems` names the segments that could not be read.
    """

    tracks: list[Track]
    logits: list[np.ndarray]
    problems: list[str]


def follow_segments(
    recognizer: Recognizer, segments: Sequence[Segment], progress: Callable[[int, int], None] | None = None
) -> Followed:
    """Look at every segment with any recognizer, one whose model has no features of single pictures included."""
    found: dict[int, tuple[Track, np.ndarray]] = {}
    problems: list[str] = []
    parts: dict[int, list[TimelineChunk]] = {}
    done = 0
    for chunk in recognizer.timeline([Job(s.video, s.start, s.end, rate_of(s)) for s in segments]):
        parts.setdefault(chunk.job, []).append(chunk)
        if not chunk.last:
            continue
        done += 1
        whole, segment = parts.pop(chunk.job), segments[chunk.job]
        if chunk.error is not None:
            problems.append(str(chunk.error))
        else:
            times, frames, indices, logits = (
                np.concatenate([getattr(part, name) for part in whole])
                for name in ("times", "frame_times", "frame_indices", "logits")
            )
            found[chunk.job] = Track(segment, times, Path(), frames, indices.astype(np.int64)), logits
        if progress is not None:
            progress(done, len(segments))
    ordered = [found[i] for i in sorted(found)]
    return Followed([track for track, _ in ordered], [logits for _, logits in ordered], problems)


def score_tracks(model: FactorisedModel, tracks: Sequence[Track], classes: Sequence[str]) -> Scores:
    """Return clip-level scores: all full windows of each track, or its longest one where it is shorter than a window."""
    return scores_of(tracks, [track_logits(model, track) for track in tracks], model.frames, classes)


def scores_of(
    tracks: Sequence[Track], logits: Sequence[np.ndarray], frames: int, classes: Sequence[str]
) -> Scores:
    """Return the scores of `score_tracks` from logits `(n, K)` of each track, for windows of `frames` samples."""
    kept: list[np.ndarray] = []
    rows: list[dict[str, object]] = []
    for track, every in zip(tracks, logits, strict=True):
        full = every[min(frames, len(track.times)) - 1 :]
        kept.append(full)
        segment = track.segment
        row = {
            "video": segment.name,
            "start": np.nan if segment.start is None else segment.start,
            "end": np.nan if segment.end is None else segment.end,
            "label": segment.label,
            "split": segment.split,
            "group": segment.group,
        }
        rows += [{**row, "time": float(time)} for time in track.times[len(track.times) - len(full) :]]
    columns = ["video", "start", "end", "label", "split", "group", "time"]
    table = pd.DataFrame(rows, columns=columns)
    stacked = np.concatenate(kept) if kept else np.zeros((0, len(classes)))
    return Scores(list(classes), table, stacked.astype(np.float64), "clip")


@torch.inference_mode()
def track_logits(model: FactorisedModel, track: Track) -> np.ndarray:
    """Return logits `(n, K)` float32 of the window that ends at each sample of a track."""
    model.eval()
    features = torch.from_numpy(np.asarray(track.features, np.float32))
    with one_thread():
        result: np.ndarray = model.classify_track(features).numpy()
    return result
