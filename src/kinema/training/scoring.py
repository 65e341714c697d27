"""Scores of a model on tracks of features: every window, as `Recognizer.timeline` would give it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from kinema.evaluation.scores import Scores
from kinema.models import FactorisedModel, one_thread
from kinema.training.features import Track


@torch.inference_mode()
def score_tracks(model: FactorisedModel, tracks: Sequence[Track], classes: Sequence[str]) -> Scores:
    """Return clip-level scores: all full windows of each track, or its longest one where it is shorter than a window."""
    model.eval()
    logits: list[np.ndarray] = []
    rows: list[dict[str, object]] = []
    for track in tracks:
        rows_of_track = track_logits(model, track)[min(model.frames, len(track.times)) - 1 :]
        logits.append(rows_of_track)
        segment = track.segment
        row = {
            "video": segment.name,
            "start": np.nan if segment.start is None else segment.start,
            "end": np.nan if segment.end is None else segment.end,
            "label": segment.label,
            "split": segment.split,
            "group": segment.group,
        }
        times = track.times[len(track.times) - len(rows_of_track) :]
        rows += [{**row, "time": float(time)} for time in times]
    columns = ["video", "start", "end", "label", "split", "group", "time"]
    table = pd.DataFrame(rows, columns=columns)
    stacked = np.concatenate(logits) if logits else np.zeros((0, len(classes)))
    return Scores(list(classes), table, stacked.astype(np.float64), "clip")


@torch.inference_mode()
def track_logits(model: FactorisedModel, track: Track) -> np.ndarray:
    """Return logits `(n, K)` float32 of the window that ends at each sample of a track."""
    model.eval()
    features = torch.from_numpy(np.asarray(track.features, np.float32))
    with one_thread():
        result: np.ndarray = model.classify_track(features).numpy()
    return result
