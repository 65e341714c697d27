"""What a recognizer sees in clips: a description of each, by which they are alike or not, and its probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from kinema.data import Segment
from kinema.models import FactorisedModel, Recognizer, TemporalHead, create_model, default_spec, video_mean
from kinema.models.motion_moments import MotionMoments
from kinema.training import FeatureCache, Track
from kinema.training.batches import describe_tracks
from kinema.training.scoring import follow_segments, track_logits

WIDTH = 512
"""Numbers in a description."""
_AT_A_TIME = 64


@dataclass
class ClipViews:
    """Descriptions `(N, 512)` and probabilities `(N, K)` of the clips in `rows`, which are places in what was given.

    `problems`: a line for each clip that could not be read.
    """

    rows: list[int]
    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    problems: list[str] = field(default_factory=list)


def view_clips(
    recognizer: Recognizer, segments: Sequence[Segment], progress: Callable[[int, int], None] | None = None
) -> ClipViews:
    """Look at every clip with a recognizer of any kind; features are taken from the cache where they are there.

    The description is that of the recognizer's own head where it has one of moments, else mean, spread and change over time
    of the features of its backbone (or of the bundled one, where it has none of single pictures).
    """
    model = recognizer.model
    if isinstance(model, FactorisedModel):
        cache = FeatureCache(model.backbone, recognizer.spec, recognizer.embedder)
        extraction = cache.extract(segments, progress=progress)
        rows = [row for row, track in enumerate(extraction.tracks) if track is not None]
        tracks = extraction.readable()
        logits = [track_logits(model, track) for track in tracks]
        return ClipViews(
            rows,
            _described(model.head, tracks),
            _probabilities(recognizer, logits, model.frames),
            extraction.problems,
        )
    followed = follow_segments(recognizer, segments, progress)
    plain = _bundled(recognizer)
    cache = FeatureCache(plain.factorised.backbone, plain.spec, plain.embedder)
    extraction = cache.extract(segments, progress=progress)
    logits_of = {
        track.segment.row: rows for track, rows in zip(followed.tracks, followed.logits, strict=True)
    }
    seen = [
        (place, track, logits_of[track.segment.row])
        for place, track in enumerate(extraction.tracks)
        if track is not None and track.segment.row in logits_of
    ]
    return ClipViews(
        [place for place, _, _ in seen],
        _described(plain.factorised.head, [track for _, track, _ in seen]),
        _probabilities(recognizer, [own for _, _, own in seen], recognizer.spec.frames),
        followed.problems,
    )


def _probabilities(
    recognizer: Recognizer, logits: Sequence[NDArray[np.float32]], frames: int
) -> NDArray[np.float32]:
    """Return the calibrated probabilities `(N, K)` of whole clips: means over full windows."""
    found = np.zeros((len(logits), len(recognizer.classes)), np.float32)
    for row, own in enumerate(logits):
        full = np.arange(1, len(own) + 1) >= frames
        found[row] = video_mean(recognizer.probabilities(own), full)
    return found


@torch.inference_mode()
def _described(head: TemporalHead, tracks: Sequence[Track]) -> NDArray[np.float32]:
    """Return descriptions `(N, 512)`, of which each block has length 1 before it is projected at random.

    Distances are kept by a random projection (Johnson and Lindenstrauss 1984); the seed makes it one for all.
    """
    found = np.zeros((len(tracks), WIDTH), np.float32)
    projection: NDArray[np.float32] | None = None
    for begin in range(0, len(tracks), _AT_A_TIME):
        part = list(tracks[begin : begin + _AT_A_TIME])
        rows = _moments(head, part) if isinstance(head, MotionMoments) else _statistics(part)
        if projection is None:
            shape = (rows.shape[1], WIDTH)
            projection = np.random.default_rng(0).standard_normal(shape).astype(np.float32) / np.sqrt(WIDTH)
        found[begin : begin + len(part)] = rows @ projection
    return found


def _moments(head: MotionMoments, tracks: Sequence[Track]) -> NDArray[np.float32]:
    """Return the mean over windows of what the head's linear layer sees."""
    windows = describe_tracks(head, tracks, max(1, head.frames // 4))
    found = []
    for rows in windows.rows(range(len(tracks))):
        found.append(head.evidence(windows.described[torch.from_numpy(rows)].float()).mean(0))
    return torch.stack(found).numpy()


def _statistics(tracks: Sequence[Track]) -> NDArray[np.float32]:
    found = []
    for track in tracks:
        features = np.asarray(track.features, np.float32)
        steps = np.abs(np.diff(features, axis=0)).mean(axis=0) if len(features) > 1 else 0 * features[0]
        blocks = [
            np.sign(block) * np.sqrt(np.abs(block)) for block in (features.mean(0), features.std(0), steps)
        ]
        found.append(np.concatenate([block / max(1e-9, float(np.linalg.norm(block))) for block in blocks]))
    return np.stack(found)


def _bundled(recognizer: Recognizer) -> Recognizer:
    own = default_spec("frame_mlp", {})
    spec = replace(recognizer.spec, mean=own.mean, std=own.std)
    plain = Recognizer(
        "frame_mlp", create_model("frame_mlp", len(recognizer.classes), spec), spec, recognizer.classes
    )
    plain.device = recognizer.device
    return plain
