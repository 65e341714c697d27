"""The main job: labelled videos in; a recognizer, its honest report and a run folder out."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import torch

from kinema.data import Manifest, assign_groups, folds, read_data, split_by_group
from kinema.data.clipspec import ClipSpec
from kinema.data.splits import without_splits
from kinema.errors import DataError, UsageError
from kinema.evaluation.evaluate import publish, save_baseline
from kinema.evaluation.speed import measure_speed
from kinema.models import FactorisedModel, Recognizer, default_spec, model_entry, torch_device
from kinema.training.distributed import AllStopError, is_follower, joined
from kinema.training.folding import fit_folds
from kinema.training.results import flat, headline, provenance, s4_results, test_accuracy
from kinema.training.run_folder import Run, new_run_folder, write_frame_predictions, write_summary_files
from kinema.training.run_state import Plan, RunState
from kinema.training.settings import Refit, TrainSettings
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
    refit: Refit | None = None,
    listener: Listener | None = None,
    **model_settings: Any,
) -> Run:
    """Train a recognizer on labelled videos, and write its run folder with `report.html`.

    - `data`: a manifest, or a folder that `read_data` recognises. Missing splits are made by group.
    - `model`, `model_settings`: a registered model and its settings. `clip`: changes to its ClipSpec.
    - `run`: a name below `runs/`, or a path. `settings`: changes to `TrainSettings`.
    - `k`: that many folds, or `"group"` to hold out one group at a time. Every item is then tested once by a model that
      has not seen its group, and the recognizer that is kept has learned from all items.
    - `device`: `auto` (a GPU where there is one), `cpu`, `torch` (torch on the CPU), `cuda`, `cuda:N` or `mps`.
    - `refit`: learn from valid too; the settings were chosen on it before (as `kinema tune` does in the end).

    Under torchrun the processes share the work, and this returns in the first one only: the others end with their share.

    >>> run = train("videos/", run="first")  # doctest: +SKIP
    >>> run.accuracy  # doctest: +SKIP
    0.93

    A run that is killed goes on with `resume`. Raises `DataError` for data that cannot be learned from, `UsageError` for settings
    that do not exist.
    """
    if is_follower():
        follow(device)
    torch_device(device)
    settings = settings if isinstance(settings, TrainSettings) else TrainSettings.from_dict(settings or {})
    manifest = _labelled(data if isinstance(data, Manifest) else read_data(data))
    if refit is not None and k is not None:
        raise UsageError("refit learns from valid, and folds have none; give one of the two")
    spec = ClipSpec.from_dict({**default_spec(model, model_settings).to_dict(), **(clip or {})})
    plan = Plan(model, model_settings, spec, settings, k, device, manifest, refit)
    recognizer = _build(plan)
    plan.manifest = _grouped(plan)
    state = RunState(new_run_folder(run, _name(manifest).stem))
    with state.held():
        state.begin(plan)
        return _carry_out(plan, recognizer, state, listener or Listener())


def resume(
    run: str | os.PathLike[str], *, device: str | None = None, listener: Listener | None = None
) -> Run:
    """Go on with a run whose process was killed, from its last checkpoint, with its settings and its manifest.

    On the same CPU the numbers are those of a run that was never stopped. `device` may be another one.

    Raises `UsageError` when the run is finished or there is none, `DataError` when its data has changed.
    """
    if is_follower():
        follow(device or "auto")
    listener = listener or Listener()
    state = RunState(Path(run))
    if not state.exists:
        if (state.run / "results.json").is_file():
            raise UsageError(f"{run}: this run is finished; kinema report {run} shows it")
        raise UsageError(f"{run}: holds no run that was begun; give the folder of one, such as runs/first")
    with state.held():
        plan = state.plan(listener.say)
        plan.device = device or plan.device
        return _carry_out(plan, _build(plan), state, listener)


def follow(device: str = "auto") -> NoReturn:
    """Do this process's share of the training that the first process leads, and end it; nothing is printed or written.

    It needs no arguments of the training: the first process tells it everything. What stops all of them, the first one says.
    """
    try:
        with joined(device) as team:
            plan: Any = team.told(None)
            recognizer = _build(plan)
            Work(
                recognizer, plan.manifest, plan.settings, plan.device, Listener(), Path(), Path(), team
            ).share()
    except (KeyboardInterrupt, AllStopError):
        raise SystemExit(1) from None
    # Nothing is left to be written or closed, and a decoder's thread that is still at work when the interpreter takes itself
    # apart can abort the process, which would end all others.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _build(plan: Plan) -> Recognizer:
    torch.manual_seed(plan.settings.seed)
    recognizer = Recognizer.create(plan.model, plan.manifest.classes, plan.spec, **plan.model_settings)
    recognizer.device = plan.device
    frozen = isinstance(recognizer.model, FactorisedModel) and recognizer.model.backbone.frozen
    if not frozen and plan.k is not None:
        raise UsageError("folds need a frozen backbone: leave out --folds, or set freeze=true")
    if frozen:
        plan.settings.refuse_without_pixels()
    return recognizer


def _carry_out(plan: Plan, recognizer: Recognizer, state: RunState, listener: Listener) -> Run:
    began = time.monotonic()
    folder, manifest, settings = state.run, plan.manifest, plan.settings
    listener.begun(folder)
    try:
        with joined(plan.device) as team:
            team.told(plan)
            work = Work(recognizer, manifest, settings, plan.device, listener, folder, state.folder, team)
            work.share()
        work.refit = plan.refit
        if work.frozen:
            work.extract(settings.flip)
        result, report = work.fit_splits() if plan.k is None else fit_folds(work, plan.k)
        if (
            result.interrupted and plan.refit is not None
        ):  # half of it must not be what test is looked at with
            raise KeyboardInterrupt
    except BaseException:
        state.forget_if_nothing_was_learned()
        raise
    seconds = time.monotonic() - began
    listener.stage("measuring the speed")
    speed = measure_speed(recognizer, [t.segment for t in work.timelines()[0] if t.segment.split == "test"])
    recognizer.provenance = provenance(manifest, _name(manifest), settings, report, seconds, speed)
    if work.frozen and {**model_entry(plan.model).settings, **recognizer.settings}.get("weights") == "none":
        recognizer.provenance["random_backbone"] = True
    params = {
        "architecture": plan.model,
        "data": str(_name(manifest)),
        "model": {**recognizer.settings},
        "clip": plan.spec.to_dict(),
        "training": settings.to_dict(),
        "folds": plan.k,
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
    notes = [text for text in (note, result.problem) if text]
    if notes:
        extra["note"] = "; ".join(notes)
    results = publish(report, folder, extra)
    recognizer.provenance["metrics"] = headline(results["report"])
    recognizer.save(folder / "recognizer")
    state.end()
    return Run(folder, recognizer, results)


def _name(manifest: Manifest) -> Path:
    return Path(manifest.path or manifest.root).resolve()


def _grouped(plan: Plan) -> Manifest:
    """Return the manifest with groups, and with all splits where no folds are asked for."""
    manifest = plan.manifest
    if plan.k is None:
        divided = split_by_group(manifest, seed=plan.settings.seed)
        if plan.refit is None:
            return divided
        learned = divided.table.assign(split=divided.table["split"].replace("valid", "train"))
        return divided.replace(
            learned, [*divided.notes, f"settings {plan.refit.chosen}; then valid was learned from too"]
        )
    manifest = manifest.replace(without_splits(manifest.table))
    if manifest.table["group"].isna().any():
        manifest = assign_groups(manifest)
    # Refuses what cannot be divided, before any video is read.
    folds(manifest, plan.k, seed=plan.settings.seed)
    return manifest


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
