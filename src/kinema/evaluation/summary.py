"""Everything a report says, computed once: the same numbers go to results.json and to report.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kinema.errors import DataError
from kinema.evaluation.bootstrap import (
    RESAMPLES,
    accuracy_interval,
    balanced_accuracy_interval,
    difference_interval,
)
from kinema.evaluation.calibration import BINS, ece_by_chance, reliability
from kinema.evaluation.caveats import find_caveats
from kinema.evaluation.cross_validation import mean_and_deviation
from kinema.evaluation.metrics import measure, normalise_rows
from kinema.evaluation.scores import Scores, to_video

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class SplitScores:
    """The scores of one split.

    clip: unit "clip", uncalibrated logits; None when only segments were scored.
    video: unit "video"; None = the mean over `clip` of calibrated probabilities, which is what `predict`
        answers.
    """

    clip: Scores | None = None
    video: Scores | None = None

    def __post_init__(self) -> None:
        if self.clip is None and self.video is None:
            raise ValueError("give the scores of a split at clip level, at video level, or both")
        for name, scores in (("clip", self.clip), ("video", self.video)):
            if scores is not None and scores.unit != name:
                raise ValueError(f"{name}= holds scores of unit '{scores.unit}'")

    def at_video(self, temperature: float = 1.0) -> Scores:
        """The video-level scores that the report counts."""
        if self.video is not None:
            return self.video
        assert self.clip is not None
        return to_video(self.clip, temperature)


@dataclass
class ReportData:
    """What a report is made of.

    classes: K names in the order of the logits.
    protocol: one sentence: how the split was made, what a clip is, how clips become a video's answer.
    splits: by "train", "valid", "test"; any may be missing. The headline is of "test" where there is one.
    root: the folder that relative video paths start from (for the filmstrips).
    baselines: name → split → scores of the same items (unit "clip" or "video").
    history: `epoch, train_loss, valid_loss, train_accuracy, valid_accuracy, learning_rate`, one row an epoch.
    best_epoch: the epoch whose weights were kept.
    temperature: what the logits are divided by; None = not calibrated, or calibrated already.
    calibration: a sentence that says where the temperature comes from; empty = there is none.
    selected_on_valid: whether early stopping, search or the temperature used valid.
    params, provenance: shown as they are (settings; version, date, data fingerprint, seed, seconds, machine).
    data_description: plain text, as `Manifest.describe()` gives it. leaks: sentences; empty = none found.
    split_by: how the splits leak with their maker's consent (`Manifest.split_by`); None = they do not.
    folds: one row a fold (`cross_validation.fold_table`); `splits["test"]` then holds the pooled test items.
    events: the scores of events in whole videos (`evaluation.events.summary.summarise_events`); None = not scored.
    """

    classes: list[str]
    protocol: str
    splits: dict[str, SplitScores]
    root: Path
    baselines: dict[str, dict[str, Scores]] = field(default_factory=dict)
    history: pd.DataFrame | None = None
    best_epoch: int | None = None
    temperature: float | None = None
    calibration: str = ""
    selected_on_valid: bool = True
    params: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    data_description: str = ""
    leaks: list[str] = field(default_factory=list)
    split_by: str | None = None
    folds: pd.DataFrame | None = None
    events: dict[str, Any] | None = None


def summarise(
    report: ReportData, *, resamples: int = RESAMPLES, seed: int = 0, mistakes: int = 12
) -> dict[str, Any]:
    """Compute every number of a report; the result is JSON-serialisable and holds no NaN (undefined = None).

    Keys: protocol, classes, headline, splits, baselines, calibration, calibrated_by, temperature, mistakes, data, folds, events,
    caveats, split_by, params, provenance, data_description, leaks. Raises `DataError` when no split holds an item.
    """
    present = {name: part for name, part in _ordered(report.splits).items() if len(part.at_video())}
    if not present:
        raise DataError(
            "there is nothing to report: no split holds a scored item; check the manifest's split column"
        )
    temperature = report.temperature or 1.0
    video = {name: part.at_video(temperature) for name, part in present.items()}
    main = next(name for name in ("test", "valid", *present) if name in present)
    found: dict[str, Any] = {
        "protocol": report.protocol,
        "classes": report.classes,
        "headline": {"split": main, "unit": "video"},
        "splits": {
            name: {
                "clip": _numbers(part.clip, temperature, resamples, seed) if part.clip is not None else None,
                "video": _numbers(video[name], 1.0, resamples, seed),
            }
            for name, part in present.items()
        },
        "baselines": {
            name: {
                split: _baseline(name, scores, video[split], resamples, seed)
                for split, scores in _ordered(by_split).items()
                if split in video
            }
            for name, by_split in report.baselines.items()
        },
        "temperature": report.temperature,
        "calibrated_by": report.calibration,
        "calibration": {
            name: _calibration(part, report.temperature, seed)
            for name, part in present.items()
            if name != "train" or len(present) == 1
        },
        "mistakes": worst_mistakes(video[main], mistakes),
        "data": _data(report.classes, video),
        "folds": _folds(report.folds),
        "events": report.events,
        "history": report.history.to_dict("list") if report.history is not None else None,
        "best_epoch": report.best_epoch,
        "selected_on_valid": report.selected_on_valid,
        "leaks": [*report.leaks, *_shared(video)] if report.folds is None else report.leaks,
        "split_by": report.split_by,
        "params": report.params,
        "provenance": report.provenance,
        "data_description": report.data_description,
    }
    found["headline"].update(found["splits"][main]["video"])
    numbers: dict[str, Any] = jsonable(found)
    numbers["caveats"] = find_caveats(numbers)
    return numbers


def worst_mistakes(scores: Scores, count: int) -> list[dict[str, Any]]:
    """The wrong answers given with the highest probability, worst first."""
    probabilities, targets, answers = scores.probabilities(), scores.targets, scores.predictions
    wrong = np.flatnonzero(answers != targets)
    order = wrong[np.argsort(-probabilities[wrong, answers[wrong]], kind="stable")][:count]
    return [
        {
            "video": scores.table["video"][i],
            "start": scores.table["start"][i],
            "end": scores.table["end"][i],
            "group": scores.table["group"][i],
            "label": scores.classes[targets[i]],
            "prediction": scores.classes[answers[i]],
            "probability": probabilities[i, answers[i]],
            "label_probability": probabilities[i, targets[i]],
        }
        for i in order
    ]


def jsonable(value: Any) -> Any:
    """Return the value in JSON's own types: NaN and infinity as None, paths, dates and unknown objects as
    text.
    """
    if value is None or isinstance(value, (str, bool, np.bool_)):
        return bool(value) if isinstance(value, np.bool_) else value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if np.isfinite(float(value)) else None
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame):
        return [jsonable(row) for row in value.to_dict("records")]
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [
            jsonable(item)
            for item in (sorted(value, key=str) if isinstance(value, (set, frozenset)) else value)
        ]
    if value is pd.NaT or value is pd.NA:
        return None
    return value.isoformat() if isinstance(value, date) else str(value)


def _numbers(scores: Scores, temperature: float, resamples: int, seed: int) -> dict[str, Any]:
    found = measure(scores, temperature=temperature)
    numbers = {
        name: value for name, value in vars(found).items() if name not in {"top1", "balanced_accuracy"}
    }
    return {
        "top1": asdict(accuracy_interval(scores, resamples=resamples, seed=seed)),
        "balanced_accuracy": asdict(balanced_accuracy_interval(scores, resamples=resamples, seed=seed)),
        **numbers,
        "confusion_normalised": normalise_rows(found.confusion),
    }


def _baseline(name: str, baseline: Scores, video: Scores, resamples: int, seed: int) -> dict[str, Any]:
    scores = to_video(baseline)
    difference = difference_interval(video, scores, name=f"baseline '{name}'", resamples=resamples, seed=seed)
    return {
        "top1": asdict(accuracy_interval(scores, resamples=resamples, seed=seed)),
        "log_loss": measure(scores).log_loss,
        "difference": asdict(difference),
    }


def _calibration(part: SplitScores, temperature: float | None, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for level in ("clip", "video"):
        if part.clip is None:
            if level == "clip":
                continue
            before = after = part.at_video()
        elif level == "clip":
            before = after = part.clip
        else:
            before, after = to_video(part.clip), to_video(part.clip, temperature or 1.0)
        found[level] = {"before": _confidence(before, 1.0, seed)}
        if temperature is not None and part.clip is not None:
            found[level]["after"] = _confidence(after, temperature if level == "clip" else 1.0, seed)
    return found


def _confidence(scores: Scores, temperature: float, seed: int) -> dict[str, Any]:
    probabilities = scores.probabilities(temperature)
    found = measure(scores, temperature=temperature)
    mean, upper = ece_by_chance(probabilities, BINS, seed=seed)
    return {
        "ece": found.ece,
        "ece_by_chance": {"mean": mean, "upper": upper},
        "log_loss": found.log_loss,
        "brier": found.brier,
        "mean_confidence": probabilities.max(axis=1).mean(),
        "accuracy": found.top1,
        "reliability": asdict(reliability(probabilities, scores.targets, BINS)),
    }


def _data(classes: list[str], video: dict[str, Scores]) -> dict[str, Any]:
    counts = {name: np.bincount(scores.targets, minlength=len(classes)) for name, scores in video.items()}
    return {
        "splits": {
            name: {
                "segments": len(scores),
                "videos": scores.table["video"].nunique(),
                "groups": len(np.unique(scores.groups)),
            }
            for name, scores in video.items()
        },
        "segments_per_class": [
            {"class": label, **{name: counts[name][i] for name in counts}} for i, label in enumerate(classes)
        ],
    }


def _shared(video: dict[str, Scores]) -> list[str]:
    """Sentences on groups and videos that two splits share, whatever the caller checked before."""
    found = []
    names = list(video)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            for noun in ("group", "video"):
                both = sorted((set(video[one].table[noun]) & set(video[other].table[noun])) - {""})
                if both:
                    more = f" and {len(both) - 3} more" if len(both) > 3 else ""
                    plural = noun if len(both) == 1 else f"{len(both)} {noun}s"
                    found.append(f"{plural} in both {one} and {other}: {', '.join(both[:3])}{more}.")
    return found


def _folds(folds: pd.DataFrame | None) -> dict[str, Any] | None:
    if folds is None:
        return None
    return {"rows": folds, "over_folds": mean_and_deviation(folds)}


def _ordered(by_split: Mapping[str, Any]) -> dict[str, Any]:
    names = [
        *(name for name in SPLITS if name in by_split),
        *(name for name in by_split if name not in SPLITS),
    ]
    return {name: by_split[name] for name in names}
