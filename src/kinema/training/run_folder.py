"""The run folder: S4's file names, its name, and the tables in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinema.errors import UsageError
from kinema.files import atomic_path, write_json, write_text
from kinema.models import Recognizer
from kinema.training.features import Track

# A table of all frames of a large data set would not fit a disk; above this many cells only valid and test are written.
_MOST_CELLS = 30_000_000


@dataclass
class Run:
    """A finished run: its folder, its recognizer, and the numbers of its report (`results["report"]`)."""

    folder: Path
    recognizer: Recognizer
    results: dict[str, Any]

    @property
    def accuracy(self) -> float:
        """Top-1 of the headline split at video level."""
        report = self.results["report"]
        return float(report["splits"][report["headline"]["split"]]["video"]["top1"]["value"])


def new_run_folder(name: str | None, data_name: str, parent: Path = Path("runs")) -> Path:
    """Return the folder for a run: `runs/NAME`, or a name made of the data and the time.

    Raises `UsageError` when the folder already holds a run, finished or not.
    """
    if name is None:
        stem = re.sub(r"[^\w.-]+", "-", data_name).strip("-") or "run"
        name = f"{stem}-{datetime.now():%Y%m%d-%H%M%S}"
    folder = Path(name) if "/" in name or Path(name).is_absolute() else parent / name
    if (folder / "results.json").exists():
        raise UsageError(f"{folder}: already holds a finished run; choose another name, or delete it")
    if (folder / "checkpoint" / "plan.json").exists():
        raise UsageError(
            f"{folder}: already holds a run that is not finished; go on with kinema train --resume {folder}, "
            "choose another name, or delete it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def model_summary(recognizer: Recognizer) -> str:
    """Return modules, shapes of parameters and their numbers as plain text."""
    lines = [f"{recognizer.name}: {len(recognizer.classes)} classes", ""]
    lines.append(f"{'module':60} {'parameters':>12} {'trainable':>12}")
    for name, module in recognizer.model.named_modules():
        if name.count(".") <= 1 and name:
            total, trainable = _parameters(module)
            lines.append(f"{name + ' (' + type(module).__name__ + ')':60} {total:12,} {trainable:12,}")
    total, trainable = _parameters(recognizer.model)
    lines += ["", f"{'Total params':60} {total:12,}", f"{'Trainable params':60} {trainable:12,}"]
    lines += [f"{'Non-trainable params':60} {total - trainable:12,}", "", repr(recognizer.model)]
    return "\n".join(lines) + "\n"


def write_frame_predictions(
    path: Path, recognizer: Recognizer, tracks: list[Track], logits: list[np.ndarray]
) -> str | None:
    """Write S4's `frame_predictions.csv`, a row for every frame of every track; return a note if some were left out.

    `logits` holds for each track `(n, K)`, one row a sampled time. A frame takes the newest row at or before its time.
    """
    cells = sum(len(track.frame_times) for track in tracks) * len(recognizer.classes)
    note = None
    chosen = list(zip(tracks, logits, strict=True))
    if cells > _MOST_CELLS:
        chosen = [(track, rows) for track, rows in chosen if track.segment.split in ("valid", "test")]
        note = "frame_predictions.csv holds valid and test only: with train it would have over 30 million numbers"
    names: dict[Path, list[str]] = {}
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        for number, (track, rows) in enumerate(chosen):
            frame_rows(recognizer, track, rows, names).to_csv(handle, index=False, header=number == 0)
    return note


def frame_rows(
    recognizer: Recognizer, track: Track, logits: np.ndarray, names: dict[Path, list[str]]
) -> pd.DataFrame:
    """Return S4's columns for every frame of one track: classes, prediction, video, frame, label, split, error."""
    segment = track.segment
    row = np.clip(np.searchsorted(track.times, track.frame_times + 1e-6, side="right") - 1, 0, None)
    probabilities = recognizer.probabilities(logits.astype(np.float32))[row]
    table = pd.DataFrame(probabilities.round(6), columns=recognizer.classes)
    predicted = np.array(recognizer.classes)[probabilities.argmax(1)]
    return table.assign(
        prediction=predicted,
        video=segment.name,
        frame=_frame_names(segment.video, track.frame_indices, names),
        label=segment.label,
        split=segment.split or "",
        error=predicted != segment.label,
    )


def write_summary_files(
    folder: Path, recognizer: Recognizer, params: dict[str, Any], history: pd.DataFrame | None
) -> None:
    """Write `params.json`, `model_summary.txt` and `fit_history.csv`."""
    write_json(folder / "params.json", params)
    write_text(folder / "model_summary.txt", model_summary(recognizer))
    if history is not None:
        with atomic_path(folder / "fit_history.csv") as temporary:
            history.to_csv(temporary, index=False)


def _parameters(module: Any) -> tuple[int, int]:
    total = sum(p.numel() for p in module.parameters())
    return total, sum(p.numel() for p in module.parameters() if p.requires_grad)


def _frame_names(video: Path, indices: np.ndarray, names: dict[Path, list[str]]) -> list[Any]:
    if not video.is_dir():
        return [int(index) for index in indices]
    if video not in names:
        from kinema.video import open_source

        with open_source(video) as source:
            names[video] = list(source.names)  # type: ignore[attr-defined]
    return [names[video][index] for index in indices]
