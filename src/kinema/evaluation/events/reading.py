"""The labelled videos of a manifest with their rows: each whole video predicted once, and kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinema.data import Manifest, Segment, assign_groups
from kinema.errors import DataError
from kinema.evaluation.events.scoring import Labelled
from kinema.evaluation.events.videos import LabelledVideo, VideoRows
from kinema.evaluation.prediction_parts import Part, read_state
from kinema.evaluation.predictions import Progress, TimelineModel, predict_to_folder


def labelled_videos(
    recognizer: TimelineModel,
    manifest: Manifest,
    folder: str | os.PathLike[str],
    *,
    labels: Sequence[str],
    progress: Progress | None = None,
) -> tuple[list[LabelledVideo], list[str]]:
    """Predict every video of a manifest from its first frame to its last, and return them with the problems met.

    Rows are kept in `folder` as `predict_to_folder` keeps them: what is done is not computed again, and a stopped call goes
    on. Segments of `labels` are the truth, cut to the video; those of other labels, and rows without a label, say that
    nothing happens there. A video of which no frame can be read is a problem and is left out.

    Raises `DataError` when no video can be read.
    """
    if manifest.table["group"].isna().any():
        manifest = assign_groups(manifest)
    by_video: dict[str, list[Segment]] = {}
    for segment in manifest.segments():
        by_video.setdefault(segment.name, []).append(segment)
    run = predict_to_folder(
        recognizer,
        _whole(manifest),
        folder,
        annotate=False,
        subtitles=False,
        events=False,
        progress=progress,
    )
    found: list[LabelledVideo] = []
    problems: list[str] = []
    for result in run.videos:
        if result.error:
            problems.append(result.error)
        rows = _rows(run.out, result.files, recognizer.classes)
        if rows is None:
            continue
        segments = by_video[result.video]
        truth = _truth(segments, rows.duration, set(labels), problems)
        first = segments[0]
        found.append(
            LabelledVideo(
                result.video, rows, truth, first.group or result.video, first.split or "test", first.video
            )
        )
    if not found:
        raise DataError(f"no video could be read; first: {(problems or ['the manifest has no rows'])[0]}")
    return found, problems


def _whole(manifest: Manifest) -> Manifest:
    """Return the manifest with one row a video, without times."""
    table = manifest.table.drop_duplicates("video").reset_index(drop=True)
    return manifest.replace(
        table.assign(start=np.nan, end=np.nan, label=pd.Series([None] * len(table), dtype=object))
    )


def _rows(folder: Path, files: Sequence[Path], classes: Sequence[str]) -> VideoRows | None:
    if not files:
        return None
    parts = folder / "parts"
    name = files[0].stem
    state = read_state(parts / f"{name}.json")
    if state is None:
        return None
    rows: Any = Part(parts, name, classes, state).timeline()
    return VideoRows(
        np.array(rows["time"]),
        np.array(rows["probabilities"]),
        np.array(rows["energy"]),
        np.array(rows["full"]),
        max(float(state.end), float(rows["time"][-1])),
    )


def _truth(
    segments: Sequence[Segment], duration: float, labels: set[str], problems: list[str]
) -> list[Labelled]:
    found: list[Labelled] = []
    for segment in segments:
        if segment.label not in labels or segment.label is None:
            continue
        start = segment.start or 0.0
        end = duration if segment.end is None else min(segment.end, duration)
        if end <= start:
            problems.append(
                f"{segment.name}: '{segment.label}' from {start:g} s begins behind the end of the video "
                f"({duration:g} s) and is left out"
            )
            continue
        found.append((segment.label, start, end))
    return sorted(found, key=lambda one: (one[1], one[2], one[0]))
