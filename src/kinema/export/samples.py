"""Pictures to compare and to calibrate with: of the training videos where they are at hand, else synthetic."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kinema.data import Manifest, Segment, read_data
from kinema.data.clips import rate_of, read_clip
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, KinemaError
from kinema.models import Recognizer
from kinema.video import open_source


def manifest_of(recognizer: Recognizer, data: str | os.PathLike[str] | None = None) -> Manifest | None:
    """Return the manifest that a recognizer was trained on: `data` where it is given, else its run's `data.csv`.

    None where a recognizer has no run, or the videos are no longer where they were. Raises `DataError` for `data` that
    cannot be read, or has a label that is none of the recognizer's classes.
    """
    if data is not None:
        manifest = read_data(data)
        for label in manifest.classes:
            if label not in recognizer.classes:
                raise DataError(
                    f"{data}: label '{label}' is not a class of this recognizer ({', '.join(recognizer.classes[:8])}); "
                    "give the data that it was trained on"
                )
        return manifest
    if recognizer.folder is None:
        return None
    path = recognizer.folder.parent / "data.csv"
    try:
        manifest = Manifest.read(path)
    except KinemaError:
        return None
    return manifest if any(segment.video.exists() for segment in manifest.segments()) else None


def segments_of(manifest: Manifest, split: str) -> list[Segment]:
    """Return the labelled segments of one split."""
    return [s for s in manifest.segments() if s.split == split and s.label is not None]


def spread(segments: Sequence[Segment], most: int) -> list[Segment]:
    """Return at most `most` segments, of every label in turn, spread evenly over each label's."""
    by_label: dict[str | None, list[Segment]] = {}
    for segment in segments:
        by_label.setdefault(segment.label, []).append(segment)
    each = -(-most // max(1, len(by_label)))
    chosen = [
        [own[i * len(own) // min(each, len(own))] for i in range(min(each, len(own)))]
        for own in by_label.values()
    ]
    turns = [own[i] for i in range(each) for own in chosen if i < len(own)]
    return turns[:most]


def clips_of(segments: Sequence[Segment], spec: ClipSpec) -> Iterator[NDArray[np.uint8]]:
    """Yield a clip uint8 `(T, H, W, 3)` of the beginning of each segment; those that cannot be read are left out."""
    for segment in segments:
        try:
            yield read_clip(segment, spec, segment.start or 0.0)
        except (KinemaError, OSError):
            continue


def stream_of(segments: Sequence[Segment], spec: ClipSpec, count: int) -> NDArray[np.uint8] | None:
    """Return `count` pictures `(count, H, W, 3)` of videos one after the other; None where nothing can be read."""
    found: list[NDArray[np.uint8]] = []
    for segment in segments:
        try:
            with open_source(segment.video, fps=rate_of(segment)) as source:
                for picture in spec.pictures(source, segment.start or 0.0, segment.end):
                    found.append(picture.image)
                    if len(found) == count:
                        return np.stack(found)
        except (KinemaError, OSError):
            continue
    return np.stack([found[i % len(found)] for i in range(count)]) if found else None


def synthetic_stream(spec: ClipSpec, count: int) -> NDArray[np.uint8]:
    """Return synthetic pictures `(count, H, W, 3)`: a bright square that moves over a ramp with some noise."""
    rng = np.random.default_rng(0)
    height, width = spec.height, spec.width
    ramp = np.broadcast_to(np.linspace(20, 180, width, dtype=np.float32)[None, :, None], (height, width, 3))
    side = max(1, min(height, width) // 4)
    pictures = np.empty((count, height, width, 3), np.uint8)
    for index in range(count):
        noisy = ramp + rng.normal(0, 8, (height, width, 3))
        left = (index * max(1, width // 16)) % max(1, width - side)
        noisy[height // 3 : height // 3 + side, left : left + side] = (250, 120, 40)
        pictures[index] = noisy.clip(0, 255).astype(np.uint8)
    return pictures
