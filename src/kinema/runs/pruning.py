"""Clearing away of runs: which are no longer wanted, and what of a run folder is kinema's own to delete."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from kinema.errors import DataError, UsageError
from kinema.runs.records import RunRecord, read_run, sort_runs

# What kinema writes into a run folder; anything else in it is somebody's own and is never deleted.
_ARTEFACTS = (
    "fit_history.csv", "model_summary.txt", "confusion_matrix.png", "confusion_matrix.csv",
    "confusion_matrix_normalised.png", "confusion_matrix_normalised.csv", "reliability.png", "class_scores.png",
    "loss_curve.png", "frame_predictions.csv", "segment_predictions.csv", "tensorboard", "checkpoint",
)  # fmt: skip
_IDENTITY = ("recognizer", "results.json", "params.json", "report.html", "data.csv")


def to_prune(
    runs: Sequence[RunRecord],
    *,
    keep_best: int | None = None,
    older_than: float | None = None,
    now: datetime | None = None,
) -> list[RunRecord]:
    """Return the runs to delete: all but the best `keep_best` of each data set, or those older than days, or both at once.

    Runs on other rows or splits are not ranked against each other. Raises `UsageError` when neither is given.
    """
    if keep_best is None and older_than is None:
        raise UsageError("say what to prune: --keep-best N, --older-than DAYS, or both")
    now = now or datetime.now(UTC)
    kept: set[Path] = set()
    if keep_best is not None:
        for identity in {(run.fingerprint, run.how) for run in runs}:
            same = [run for run in runs if (run.fingerprint, run.how) == identity]
            kept |= {run.folder for run in sort_runs(same, "accuracy")[:keep_best]}
    return [
        run
        for run in runs
        if run.folder not in kept
        and (
            older_than is None
            or (run.date is not None and (now - run.date).total_seconds() > 86400 * older_than)
        )
    ]


def prune(run: RunRecord, *, recognizer: bool = False) -> tuple[int, list[Path]]:
    """Delete what a run can do without, or with `recognizer` all of it; return the bytes freed and what was left.

    Without `recognizer` the recognizer, the report and the settings stay, so that the run can still be used and listed. Files
    that kinema did not write are always left. Raises `DataError` when the folder no longer is a run.
    """
    folder = run.folder
    if folder.is_symlink() or not (folder / "results.json").is_file():
        raise DataError(f"{folder}: not a run folder; nothing was deleted")
    read_run(folder)
    freed = 0
    for path in list(_prunable(folder, recognizer)):
        freed += _bytes(path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    left = sorted(path for path in folder.iterdir() if recognizer or path.name not in _IDENTITY)
    if recognizer and not left:
        folder.rmdir()
    return freed, left


def prunable_bytes(run: RunRecord, *, recognizer: bool = False) -> int:
    """Return how many bytes `prune` would free."""
    return sum(_bytes(path) for path in _prunable(run.folder, recognizer))


def _prunable(folder: Path, recognizer: bool) -> Iterator[Path]:
    for name in (*_ARTEFACTS, *(_IDENTITY if recognizer else ())):
        if (folder / name).exists() or (folder / name).is_symlink():
            yield folder / name
    # What `kinema report RUN DATA` leaves; a user's own `report-2.pdf` is no folder with results in it.
    yield from (path.parent for path in sorted(folder.glob("report-*/results.json")))


def _bytes(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.lstat().st_size
