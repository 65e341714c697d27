"""What a run says of itself besides its report: provenance, settings, and S4's results."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from kinema import __version__
from kinema.data import Manifest
from kinema.evaluation.summary import ReportData
from kinema.models import Recognizer, model_entry
from kinema.training.fit import FitResult
from kinema.training.settings import TrainSettings
from kinema.training.work import Work


def provenance(
    manifest: Manifest,
    source: Path,
    settings: TrainSettings,
    report: ReportData,
    seconds: float,
    speed: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return what the recognizer and the report say of their origin: `seconds` of training, `speed` as it was measured."""
    return {
        "kinema": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": str(source),
        "data_fingerprint": manifest.fingerprint(),
        "train_labels": _train_labels(manifest),
        **({"split_by": manifest.split_by} if manifest.split_by else {}),
        "seed": settings.seed,
        "seconds": round(seconds, 1),
        "protocol": report.protocol,
        **({"calibration": report.calibration} if report.calibration else {}),
        **({"speed": speed} if speed else {}),
    }


def s4_results(
    recognizer: Recognizer,
    work: Work,
    settings: TrainSettings,
    result: FitResult,
    folder: Path,
    seconds: float,
    test_accuracy: float | None,
) -> dict[str, Any]:
    """The fields of S4's results.json, None where they have no meaning here; frames are counted as it counted them.

    `test_accuracy` is at video level. S4 had up to three rounds; the epochs of any more are in `fit_history.csv`.
    """
    best = result.history.iloc[result.best_epoch - 1]
    # With folds every item is tested once, and none has a split of its own.
    frames = pd.Series([t.segment.split or "test" for t in work.tracks]).to_frame("split")
    frames["rows"] = [len(t.frame_times) for t in work.tracks]
    rows = frames.groupby("split")["rows"].sum()
    head = {**model_entry(recognizer.name).settings, **recognizer.settings}
    stopped = [*result.rounds, None, None, None]
    backbone = getattr(recognizer.model, "backbone", None)
    sizes = [head.get("layer_1_size", head.get("hidden")), head.get("layer_2_size"), head.get("layer_3_size")]
    found: dict[str, Any] = {
        "architecture": recognizer.name,
        "batch_size": settings.batch_size,
        "data_total_rows_test": int(rows.get("test", 0)),
        "data_total_rows_train": int(rows.get("train", 0)),
        "data_total_rows_valid": int(rows.get("valid", 0)),
        "convolution_kernel_size": head.get("convolution_kernel_size", head.get("kernel")),
        "dropout": head.get("dropout"),
        "fit_best_round": result.best_round,
        "fit_dt_test_duration_seconds": f"{work.tested[1] - work.tested[0]:.0f}",
        "fit_dt_test_start": _clock(work.tested[0]),
        "fit_dt_test_end": _clock(work.tested[1]),
        "fit_dt_train_start": _clock(work.tested[0] - result.seconds),
        "fit_dt_train_end": _clock(work.tested[0]),
        "fit_num_epochs": len(result.history),
        "fit_best_epoch": result.best_epoch,
        **{f"fit_stopped_epoch{n + 1}": stopped[n] for n in range(3)},
        "fit_interrupted": result.interrupted,
        "fit_dt_train_duration_seconds": f"{result.seconds:.0f}",
        "fit_train_acc": _number(best["train_accuracy"]),
        "fit_train_loss": _number(best["train_loss"]),
        "fit_val_acc": _number(best["valid_accuracy"]),
        "fit_val_loss": _number(best["valid_loss"]),
        "fit_test_acc": test_accuracy,
        "layer_1_size": sizes[0],
        "layer_2_size": sizes[1],
        "layer_3_size": sizes[2],
        "model_id": folder.name,
        "model_weights_path": str(folder / "recognizer" / "weights.safetensors"),
        "pooling": head.get("pooling", getattr(backbone, "pooling", "avg")),
        "sequence_model": head.get("sequence_model", head.get("head")),
        "sequence_model_layers": head.get("sequence_model_layers", head.get("layers")),
        "verbose": True,
        "frame_size": [recognizer.spec.height, recognizer.spec.width],
        "model_param_count": sum(p.numel() for p in recognizer.model.parameters()),
        "num_features": getattr(backbone, "dim", None),
        "path_model": str(folder),
        "pretrained_model_name": getattr(backbone, "name", None),
        "sequence_length": recognizer.spec.frames,
        "clip": asdict(recognizer.spec),
        "seconds": round(seconds, 1),
    }
    return found


def test_accuracy(report: ReportData) -> float | None:
    """Return top-1 of test at video level, None without a test split."""
    if "test" not in report.splits:
        return None
    scores = report.splits["test"].at_video(report.temperature or 1.0)
    return float((scores.predictions == scores.targets).mean())


def headline(report: dict[str, Any]) -> dict[str, Any]:
    split = report["headline"]["split"]
    video = report["splits"][split]["video"]
    inflated = {"inflated_by": report["split_by"]} if report.get("split_by") else {}
    return {**inflated, "split": split, "unit": "video", "top1": video["top1"], "items": video["items"]}


def flat(params: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, dict):
            flat.update({f"{key} {name}": inner for name, inner in value.items()})
        else:
            flat[key] = value
    return flat


def _train_labels(manifest: Manifest) -> dict[str, int]:
    table = manifest.table
    learned = table[table["split"].isna() | (table["split"] == "train")]
    return {str(label): int(count) for label, count in learned["label"].value_counts().sort_index().items()}


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else round(float(value), 6)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="seconds")
