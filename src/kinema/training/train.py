"""The main job: labelled videos in; a recognizer, its honest report and a run folder out."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from kinema.data import Manifest, assign_groups, read_data, split_by_group
from kinema.data.clipspec import ClipSpec
from kinema.errors import DataError, UsageError
from kinema.evaluation.evaluate import publish, save_baseline
from kinema.models import (
    FactorisedModel,
    Recognizer,
    default_spec,
)
from kinema.training.results import flat, headline, provenance, s4_results, test_accuracy
from kinema.training.run_folder import Run, new_run_folder, write_frame_predictions, write_summary_files
from kinema.training.settings import TrainSettings
from kinema.training.work import Listener, Work

DEFAULT_MODEL = "motion_moments"


def train(
    data: Manifest | str | os.PathLike[str],
    *,
    model: str = DEFAULT_MODEL,
    run: str | None = None,
    k: int | str | None = None,
    clip: dict[str, Any] | None = None,
    settings: TrainSettings | dict[str, Any] | None = None,
    device: str = "auto",
    listener: Listener | None = None,
    **model_settings: Any,
) -> Run:
    """Train a recognizer on labelled videos, and write its run folder with `report.html`.

    - `data`: a manifest, or a folder that `read_data` recognises. Missing splits are made by group.
    - `model`, `model_settings`: a registered model and its settings. `clip`: changes to its ClipSpec.
    - `run`: a name below `runs/`, or a path. `settings`: changes to `TrainSettings`.
    - `k`: that many folds, or `"group"` to hold out one group at a time. Every item is then tested once by a model that
      has not seen its group, and the recognizer that is kept has learned from all items.
    - `device`: `auto`, `cpu`, `torch` (torch on the CPU) or `cuda`.

    >>> run = train("videos/", run="first")  # doctest: +SKIP
    >>> run.accuracy  # doctest: +SKIP
    0.93

    Raises `DataError` for data that cannot be learned from, `UsageError` for settings that do not exist.
    """
    listener = listener or Listener()
    began = time.monotonic()
    settings = settings if isinstance(settings, TrainSettings) else TrainSettings.from_dict(settings or {})
    manifest = _labelled(data if isinstance(data, Manifest) else read_data(data))
    spec = ClipSpec.from_dict({**default_spec(model, model_settings).to_dict(), **(clip or {})})
    torch.manual_seed(settings.seed)
    recognizer = Recognizer.create(model, manifest.classes, spec, **model_settings)
    recognizer.device = device
    frozen = isinstance(recognizer.model, FactorisedModel) and recognizer.model.backbone.frozen
    if not frozen and k is not None:
        raise UsageError("folds need a frozen backbone: leave out --folds, or set freeze=true")
    manifest = _grouped(manifest, k, settings.seed)
    folder = new_run_folder(run, _name(manifest).stem)
    work = Work(recognizer, manifest, settings, device, listener)
    try:
        if frozen:
            work.extract()
        if k is None:
            result, report = work.fit_splits(folder / "tensorboard", frozen)
        else:
            result, report = work.fit_folds(k, folder / "tensorboard")
    except BaseException:
        with suppress(OSError):  # a folder in which something was written stays
            folder.rmdir()
        raise

    recognizer.provenance = provenance(manifest, _name(manifest), settings, report, time.monotonic() - began)
    params = {
        "architecture": model,
        "data": str(_name(manifest)),
        "model": {**recognizer.settings},
        "clip": spec.to_dict(),
        "training": settings.to_dict(),
        "folds": k,
        "classes": manifest.classes,
    }
    listener.stage("writing the report")
    report.params = flat(params)
    report.provenance = {key: value for key, value in recognizer.provenance.items() if key != "metrics"}
    recognizer.save(folder / "recognizer")
    if work.baseline is not None:
        save_baseline(work.baseline.head, folder / "recognizer")
    write_summary_files(folder, recognizer, params, result.history)
    manifest.write(folder / "data.csv")
    note = write_frame_predictions(folder / "frame_predictions.csv", recognizer, *work.timelines())
    accuracy = test_accuracy(report)
    extra = s4_results(recognizer, work, settings, result, folder, time.monotonic() - began, accuracy)
    if note:
        extra["note"] = note
    results = publish(report, folder, extra)
    recognizer.provenance["metrics"] = headline(results["report"])
    recognizer.save(folder / "recognizer")
    return Run(folder, recognizer, results)


def _name(manifest: Manifest) -> Path:
    return Path(manifest.path or manifest.root).resolve()


def _grouped(manifest: Manifest, k: int | str | None, seed: int) -> Manifest:
    """Return the manifest with groups, and with all three splits where no folds are asked for."""
    if k is None:
        return split_by_group(manifest, seed=seed)
    manifest = manifest.replace(manifest.table.assign(split=None))
    return assign_groups(manifest) if manifest.table["group"].isna().any() else manifest


def _labelled(manifest: Manifest) -> Manifest:
    manifest.validate()
    if manifest.table["label"].isna().all():
        raise DataError(
            f"{_name(manifest)}: nothing is labelled; put videos into a folder a class, or fill 'label'"
        )
    if reserved := sorted(
        {"prediction", "video", "frame", "label", "split", "error"} & set(manifest.classes)
    ):
        raise DataError(
            f"{_name(manifest)}: a class cannot be called '{reserved[0]}', which is a column of "
            "frame_predictions.csv; rename it"
        )
    if len(manifest.classes) < 2:
        raise DataError(
            f"{_name(manifest)}: only one class, '{manifest.classes[0]}'; a recognizer needs at least two"
        )
    return manifest
