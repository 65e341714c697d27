"""What each labelled segment was taken for, as a table of the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kinema.data.video_paths import moved_path
from kinema.evaluation.scores import Scores
from kinema.evaluation.summary import ReportData


def write_segment_predictions(folder: Path, report: ReportData) -> Path:
    """Write `segment_predictions.csv`, a row a segment of every split as the report counts it, and return its path.

    The columns are those of `Scores.save`; relative names of videos start from `folder`.
    """
    parts = [part.at_video(report.temperature or 1.0) for part in report.splits.values()]
    parts = [part for part in parts if len(part)]
    table = pd.concat([part.table for part in parts], ignore_index=True)
    names = {name: moved_path(name, Path(report.root), folder.absolute()) for name in table["video"].unique()}
    logits = np.concatenate([part.logits for part in parts])
    scores = Scores(report.classes, table.assign(video=table["video"].map(names)), logits, "video")
    path = folder / "segment_predictions.csv"
    scores.save(path)
    return path
