"""The runs that pages show: those of the folders that `serve` was given, the run it was given, and the site's own."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404

from kinema.errors import KinemaError
from kinema.runs import RunRecord, at_work, find_runs, read_run, sort_runs, unfinished_runs
from kinema.runs.records import DEPTH
from kinema.web.datasets import catalogue as datasets
from kinema.web.folder import inside, site
from kinema.web.recognizers import key_of

FILES = {
    "report.html": "The report, as one page",
    "results.json": "Every number of the report",
    "params.json": "All settings",
    "data.csv": "The clips, with their splits",
    "fit_history.csv": "Loss and accuracy of each epoch",
    "frame_predictions.csv": "Probabilities of every frame",
    "segment_predictions.csv": "What each clip was taken for",
    "confusion_matrix.csv": "Confusion matrix, counts",
    "confusion_matrix_normalised.csv": "Confusion matrix, shares",
    "confusion_matrix.png": "Confusion matrix, picture",
    "confusion_matrix_normalised.png": "Confusion matrix of shares, picture",
    "loss_curve.png": "Curves, picture",
    "reliability.png": "Reliability, picture",
    "class_scores.png": "Scores of each class, picture",
    "model_summary.txt": "The network's layers",
    "recognizer/recognizer.json": "What the recognizer is",
    "recognizer/weights.safetensors": "The recognizer's weights",
}
"""The files of a run that may be downloaded; nothing else in its folder is."""


@dataclass(frozen=True)
class Listed:
    """A finished run and the key that names it in addresses and forms."""

    key: str
    record: RunRecord

    @property
    def name(self) -> str:
        """Its name, as `kinema runs` prints it."""
        return self.record.name

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.record.folder

    @property
    def data_name(self) -> str:
        """What it was trained on, in a word: the title of a manifest of the site, else the name of its file or folder."""
        path = Path(self.record.data)
        if path.parent == site().place("manifests"):
            return datasets.entry_of(path).title
        return (
            path.parent.name or path.name
            if path.stem in ("manifest", "data", "labels") and path.suffix
            else path.name
        )

    def file(self, name: str) -> Path | None:
        """Return one of its `FILES`, or None where it has none of that name; links out of the run are not followed."""
        return inside(self.folder, name) if name in FILES else None

    def files(self) -> list[tuple[str, str, int]]:
        """Return name, meaning and bytes of what may be downloaded and is there."""
        found = ((name, text, self.file(name)) for name, text in FILES.items())
        return [(name, text, path.stat().st_size) for name, text, path in found if path and path.is_file()]

    def results(self) -> dict[str, Any]:
        """Return `results.json`. Raises `Http404` where it has gone meanwhile."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "results.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Http404(f"{self.name}: its results cannot be read") from error
        return found

    def report(self) -> dict[str, Any]:
        """Return the numbers of its report."""
        found: dict[str, Any] = self.results()["report"]
        return found

    def history(self) -> list[dict[str, float]]:
        """Return the rows of `fit_history.csv`, none where there is none."""
        return read_history(self.folder)


@dataclass(frozen=True)
class Begun:
    """A run that was begun and is not finished; `at_work`: a process is training it now."""

    key: str
    name: str
    folder: Path
    at_work: bool


def all_runs() -> tuple[list[Listed], list[str]]:
    """Return the finished runs, newest first, and a line for each that cannot be read."""
    found: dict[Path, Listed] = {}
    problems: list[str] = []
    for folder in folders():
        records, said = _found(folder, _stamps(folder))
        problems += said
        for record in records:
            found.setdefault(record.folder.resolve(), Listed(key_of(record.folder), record))
    if (given := _given()) is not None:
        found.setdefault(given.folder.resolve(), given)
    return in_order(found.values(), "date"), list(dict.fromkeys(problems))


def in_order(runs: Iterable[Listed], sort: str) -> list[Listed]:
    """Return the runs in the order of a column, as `kinema runs --sort` has it."""
    by_folder = {run.folder: run for run in runs}
    return [
        by_folder[record.folder] for record in sort_runs([run.record for run in by_folder.values()], sort)
    ]


def run_of(key: str) -> Listed:
    """Return the run of that key. Raises `Http404`."""
    for run in all_runs()[0]:
        if run.key == key:
            return run
    raise Http404(f"no run {key!r}: it may have been removed")


def unfinished() -> list[Begun]:
    """Return the runs that were begun and not finished."""
    found: dict[Path, Begun] = {}
    for folder in folders():
        for path in unfinished_runs(folder):
            name = path.relative_to(folder).as_posix() if path != folder else path.name
            found.setdefault(path.resolve(), Begun(key_of(path), name, path, at_work(path)))
    return list(found.values())


def begun_of(key: str) -> Begun:
    """Return the unfinished run of that key. Raises `Http404`."""
    for run in unfinished():
        if run.key == key:
            return run
    raise Http404(f"no unfinished run {key!r}: it may be finished or removed")


def folders() -> list[Path]:
    """Return the folders of runs that are there."""
    places = [*settings.KINEMA_RUNS, site().place("runs")]
    return [path for path in dict.fromkeys(places) if path.is_dir()]


def read_history(folder: Path) -> list[dict[str, float]]:
    """Return a dict an epoch of a run's `fit_history.csv`; numbers that are not known are left out."""
    rows = []
    try:
        with (folder / "fit_history.csv").open(newline="", encoding="utf-8") as file:
            for cells in csv.DictReader(file):
                numbers = {name: float(cell) for name, cell in cells.items() if name and cell}
                rows.append({name: value for name, value in numbers.items() if value == value})
    except (OSError, ValueError, TypeError):
        return []
    return [row for row in rows if "epoch" in row]


def _given() -> Listed | None:
    folder = Path(settings.KINEMA_RUN) if settings.KINEMA_RUN else None
    if folder is None or not (folder / "results.json").is_file():
        return None
    try:
        return Listed(key_of(folder), read_run(folder))
    except KinemaError:
        return None


def _stamps(folder: Path) -> tuple[tuple[str, int], ...]:
    found = []
    for depth in range(DEPTH + 1):
        for path in folder.glob("*/" * depth + "results.json"):
            try:
                found.append((str(path), path.stat().st_mtime_ns))
            except OSError:
                continue
    return tuple(sorted(found))


@lru_cache(maxsize=16)
def _found(folder: Path, stamps: tuple[tuple[str, int], ...]) -> tuple[list[RunRecord], list[str]]:
    """Read the runs of a folder once, until one of them is written anew."""
    return find_runs(folder)
