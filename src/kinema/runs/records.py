"""Run folders as a table: what each was trained on, what it reached, how large and how fast it is."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from kinema.errors import DataError, UsageError, closest

DEPTH = 2
"""The deepest that a run lies below the folder that is listed: runs/NAME, and runs/SEARCH/best."""


@dataclass
class RunRecord:
    """What a finished run says of itself.

    `accuracy`, `low`, `high`: video-level top-1 of `split` with its 95 % interval (None without one). `baseline` is the
    frame average's accuracy, `parameters` and `megabytes` the recognizer's size, `frames_per_second` what
    `kinema.evaluation.speed` measured (None in runs older than that). `fingerprint` names the rows with their splits,
    `tested` the segments that the accuracy is of. `leak` says how the splits leak, None where they do not.
    """

    folder: Path
    name: str
    model: str
    data: str
    accuracy: float | None
    low: float | None
    high: float | None
    split: str
    items: int
    protocol: str
    baseline: float | None
    parameters: int | None
    megabytes: float | None
    frames_per_second: float | None
    seconds: float | None
    date: datetime | None
    fingerprint: str
    tested: str
    leak: str | None
    folds: Any = None
    settings: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def how(self) -> str:
        """What was tested, in a word: the split, or the folds."""
        if self.folds is None:
            return self.split
        return "folds: one group out" if self.folds == "group" else f"{self.folds} folds"


def find_runs(folder: Path) -> tuple[list[RunRecord], list[str]]:
    """Return the finished runs in and below a folder, newest first, and a line for each that cannot be read.

    Raises `DataError` when there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of runs; `kinema train DATA` makes runs/")
    found, problems = [], []
    paths = sorted(
        {path for depth in range(DEPTH + 1) for path in folder.glob("*/" * depth + "results.json")}
    )
    for path in paths:
        # `kinema report RUN DATA` writes results too, but neither settings nor a recognizer.
        if not any((path.parent / name).exists() for name in ("params.json", "recognizer")):
            continue
        try:
            found.append(read_run(path.parent, folder))
        except DataError as error:
            problems.append(str(error))
    return sorted(found, key=lambda run: run.date or datetime.min.replace(tzinfo=UTC), reverse=True), problems


def read_run(folder: Path, root: Path | None = None) -> RunRecord:
    """Read one run. Raises `DataError` when the folder is not a finished run, or damaged."""
    results = _json(folder / "results.json")
    params = _json(folder / "params.json") if (folder / "params.json").is_file() else {}
    about_path = folder / "recognizer" / "recognizer.json"
    about = _json(about_path) if about_path.is_file() else {}
    try:
        report = results["report"]
        split = str(report["headline"]["split"])
        video = report["splits"][split]["video"]
        top1 = video["top1"]
        provenance = {**report.get("provenance", {}), **about.get("provenance", {})}
        baselines = report.get("baselines", {})
        average = baselines.get("frame averaging", {}).get(split)
        weights = folder / "recognizer" / "weights.safetensors"
        leaks = list(report.get("leaks") or [])
        split_by = report.get("split_by") or provenance.get("split_by")
        return RunRecord(
            folder=folder,
            name=_name(folder, root),
            model=str(params.get("architecture") or about.get("model") or results.get("architecture") or "–"),
            data=str(provenance.get("data") or params.get("data") or "–"),
            accuracy=_number(top1["value"]),
            low=_number(top1.get("low")),
            high=_number(top1.get("high")),
            split=split,
            items=int(video["items"]),
            protocol=str(report.get("protocol", "")),
            baseline=None if average is None else _number(average["top1"]["value"]),
            parameters=results.get("model_param_count"),
            megabytes=weights.stat().st_size / 1e6 if weights.is_file() else None,
            frames_per_second=_number((provenance.get("speed") or {}).get("frames_per_second")),
            seconds=_number(provenance.get("seconds") or results.get("seconds")),
            date=_date(provenance.get("date"), folder),
            fingerprint=str(provenance.get("data_fingerprint") or ""),
            tested=_tested(folder, params.get("folds")),
            leak=f"split at random by {split_by}" if split_by else (str(leaks[0]) if leaks else None),
            folds=params.get("folds"),
            settings=_flat(params),
            metrics=_metrics(video),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{folder / 'results.json'}: not the results of a run of kinema train, or damaged ({error!r})"
        ) from error


_KEYS: dict[str, Callable[[RunRecord], Any]] = {
    "accuracy": lambda r: -(r.accuracy if r.accuracy is not None else -1),
    "date": lambda r: -(r.date.timestamp() if r.date else 0),
    "size": lambda r: -(r.parameters or 0),
    "speed": lambda r: -(r.frames_per_second or 0),
    "name": lambda r: r.name,
    "data": lambda r: (r.data, r.fingerprint),
    "model": lambda r: r.model,
}
SORTS = tuple(_KEYS)
"""The columns that `sort_runs` knows."""


def sort_runs(runs: Sequence[RunRecord], by: str) -> list[RunRecord]:
    """Return the runs by a column: `accuracy`, `date`, `size` and `speed` begin with the most, the others with A."""
    if by not in _KEYS:
        raise UsageError(f"--sort {by}: {closest(by, list(_KEYS))}")
    return sorted(runs, key=_KEYS[by])


def run_table(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Return one row a run, numbers unrounded."""
    columns = [
        "name", "data", "model", "accuracy", "low", "high", "tested_on", "items", "baseline", "parameters", "megabytes",
        "frames_per_second", "train_seconds", "date", "data_fingerprint", "leak", "protocol",
    ]  # fmt: skip
    rows = [
        [
            r.name, r.data, r.model, r.accuracy, r.low, r.high, r.how, r.items, r.baseline, r.parameters, r.megabytes,
            r.frames_per_second, r.seconds, r.date.isoformat(timespec="seconds") if r.date else None, r.fingerprint,
            r.leak, r.protocol,
        ]
        for r in runs
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def run_rows(runs: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Return `run_table` as JSON has it, a dict a run: what is not known is None."""
    rows: list[dict[str, Any]] = json.loads(run_table(runs).to_json(orient="records", double_precision=15))
    return rows


def _tested(folder: Path, folds: Any) -> str:
    """Return a hash of the segments that were tested, empty where the run does not say."""
    try:
        table = pd.read_csv(folder / "data.csv", dtype=str, keep_default_na=False)
        chosen = table if folds is not None else table[table["split"] == "test"]
        columns = ["video", "start", "end", "label"]
        names = chosen["video"].map(lambda name: "/".join(Path(name).parts[-2:]))
        rows = sorted(map(tuple, chosen.assign(video=names)[columns].to_numpy().tolist()))
    except (OSError, KeyError, ValueError):
        return ""
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest() if rows else ""


def _metrics(video: dict[str, Any]) -> dict[str, float]:
    found = {
        "top-1": video["top1"]["value"],
        "balanced accuracy": (video.get("balanced_accuracy") or {}).get("value"),
        "macro F1": (video.get("macro") or {}).get("f1"),
        "log loss": video.get("log_loss"),
        "ECE": video.get("ece"),
    }
    return {name: float(value) for name, value in found.items() if _number(value) is not None}


def _flat(params: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, dict):
            found |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            found[name] = value
    return found


def _date(text: Any, folder: Path) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        found = datetime.fromtimestamp((folder / "results.json").stat().st_mtime, UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _name(folder: Path, root: Path | None) -> str:
    if root is None or folder == root:
        return folder.resolve().name
    return folder.relative_to(root).as_posix()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: missing; give the folder of a finished run") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: damaged ({error}); train again, or delete the folder") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: damaged (not a table); train again, or delete the folder")
    return found
