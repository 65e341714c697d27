"""Cross-validation: each fold is held out once, and every item is tested by a model that has not seen its group."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from kinema.data import folds
from kinema.evaluation.baselines import FRAME_AVERAGING, MAJORITY, majority_class
from kinema.evaluation.calibration import fit_temperature
from kinema.evaluation.cross_validation import fold_table, pool_folds
from kinema.evaluation.evaluate import protocol_sentence
from kinema.evaluation.scores import Scores, to_video
from kinema.evaluation.summary import ReportData, SplitScores
from kinema.models import Recognizer, model_entry
from kinema.training.features import Track
from kinema.training.fit import FitResult
from kinema.training.scoring import score_tracks, track_logits
from kinema.training.work import Work


@dataclass
class _Fold:
    scores: Scores
    baseline: Scores | None
    majority: Scores
    train_top1: float
    logits: dict[int, np.ndarray]


def fit_folds(work: Work, k: int | str) -> tuple[FitResult, ReportData]:
    """Hold out each fold once; then fit on everything, for the recognizer that is kept."""
    single = work.recognizer.spec.frames == 1  # there is no time that a baseline could leave out
    parts: list[_Fold] = []
    divided = folds(work.manifest_of_tracks(), k, seed=work.settings.seed)
    work.listener.stage(f"training {len(divided)} folds")
    for number, fold in enumerate(divided):
        split = fold.table["split"].tolist()
        train = [i for i, name in enumerate(split) if name == "train"]
        test = [i for i, name in enumerate(split) if name == "test"]
        parts.append(_fold(work, train, test, work.saves(f"fold-{number + 1}")))
        work.listener.items(number + 1, len(divided))
    work.listener.stage("training on all items")
    everything = list(range(len(work.tracks)))
    heads, model = work.heads(), work.recognizer.factorised
    result = heads.fit(model, everything, [], **work.outside())
    if not single:
        work.baseline = heads.frame_average(model, everything, [])
    work.listener.stage("measuring")
    began = time.time()
    temperature = fit_temperature(pool_folds([part.scores for part in parts])).temperature
    calibrated = _cross_calibrated([part.scores for part in parts])
    pooled = pool_folds(calibrated)
    video = [to_video(scores) for scores in calibrated]
    table = fold_table(video, train_top1=[part.train_top1 for part in parts])
    work.recognizer.temperature = temperature
    work.held_out = {i: rows for part in parts for i, rows in part.logits.items()}
    what = "one group held out at a time" if k == "group" else f"{len(divided)} folds, groups kept whole"
    work.tested = began, time.time()
    baselines = {MAJORITY: {"test": pool_folds([part.majority for part in parts])}}
    if averaged := [part.baseline for part in parts if part.baseline is not None]:
        baselines[FRAME_AVERAGING] = {"test": to_video(pool_folds(averaged))}
    report = ReportData(
        classes=work.classes,
        protocol=protocol_sentence(
            work.recognizer,
            f"cross-validation, {what}; no setting was chosen on the folds, each fold is calibrated on the others",
        ),
        splits={"test": SplitScores(clip=pooled, video=to_video(pooled))},
        root=work.manifest.root,
        baselines=baselines,
        history=result.history,
        best_epoch=result.best_epoch,
        calibration=(
            "Each fold's logits are divided by the temperature that fits the other folds; the recognizer that is kept has "
            f"that of all folds, {temperature:.3f}."
        ),
        selected_on_valid=False,
        data_description=work.description(),
        split_by=work.manifest.split_by,
        folds=table,
    )
    return result, report


def as_test(tracks: list[Track]) -> list[Track]:
    """Return the tracks with the split test, which each of them was in once."""
    return [replace(track, segment=replace(track.segment, split="test")) for track in tracks]


def _fold(work: Work, train: list[int], test: list[int], checkpoint: Path | None) -> _Fold:
    torch.manual_seed(work.settings.seed)
    recognizer, heads = work.recognizer, work.heads()
    fresh = Recognizer.create(
        recognizer.name,
        work.classes,
        recognizer.spec,
        **{**recognizer.settings, **_unweighted(recognizer)},
    ).factorised
    fresh.backbone = recognizer.factorised.backbone
    fitted = heads.fit(fresh, train, [], checkpoint=checkpoint)
    single = recognizer.spec.frames == 1
    averaged = None if single else heads.frame_average(recognizer.factorised, train, [])
    if fitted.interrupted or (averaged is None and not single):  # half a fold is no measurement
        raise KeyboardInterrupt
    tested = as_test([work.tracks[i] for i in test])
    scores = score_tracks(fresh, tested, work.classes)
    baseline = None if averaged is None else score_tracks(averaged, tested, work.classes)
    labels = [work.tracks[i].segment.label for i in train]
    majority = majority_class(labels, to_video(scores))  # type: ignore[arg-type]
    logits = {i: track_logits(fresh, work.tracks[i]) for i in test}
    return _Fold(scores, baseline, majority, heads.train_accuracy(fresh, train), logits)


def _cross_calibrated(scores: list[Scores]) -> list[Scores]:
    """Divide each fold's logits by the temperature that fits the other folds."""
    found = []
    for index, own in enumerate(scores):
        others = pool_folds([*scores[:index], *scores[index + 1 :]])
        found.append(replace(own, logits=own.logits / fit_temperature(others).temperature))
    return found


def _unweighted(recognizer: Recognizer) -> dict[str, str]:
    return {"weights": "none"} if "weights" in model_entry(recognizer.name).settings else {}
