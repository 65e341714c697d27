"""One trial: settings in, the grouped validation accuracy out. The test split is not in its hands."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from kinema.data import ClipSpec, Manifest, Segment, folds
from kinema.errors import DataError, KinemaError, UsageError
from kinema.evaluation import Scores
from kinema.evaluation.calibration import fit_temperature
from kinema.models import FactorisedModel, VideoModel, create_model, default_spec, one_thread
from kinema.training import Listener, TrainSettings
from kinema.training.pixels import fit_pixels, openable
from kinema.tuning.features import SharedFeatures, plain_settings
from kinema.tuning.names import TrialSettings
from kinema.tuning.quick_fit import (
    hurry,
    is_quick,
    quick_fit,
    track_means,
    video_probabilities,
    window_counts,
    window_logits,
)

# After which shares of a fit a trial may be given up, in percent.
RUNGS = (25, 50, 75)
Report = Callable[[int, float], None]


@dataclass
class Outcome:
    """What a trial found: top-1 and mean log loss (nats) of one answer a segment, over `items` segments held out.

    `temperature` is what the logits of their windows are to be divided by, to be neither over- nor under-confident.
    """

    accuracy: float
    loss: float
    items: int
    parameters: int
    seconds: float
    temperature: float


@dataclass
class Division:
    """Rows to learn from and rows to score."""

    train: list[int]
    valid: list[int]


def divide(manifest: Manifest, k: int | str | None, seed: int) -> tuple[Manifest, list[Division]]:
    """Return all rows but those of test, and what is held out of them: the valid split, or k folds by group.

    `manifest` has splits. Raises `DataError` where nothing is left to score, or a class is never learned.
    """
    table = manifest.table
    pool = manifest.replace(table[(table["split"] != "test").to_numpy()].reset_index(drop=True))
    if k is None:
        splits = pool.table["split"].tolist()
        made = [_rows(splits, "train", "valid")]
    else:
        made = [_rows(one.table["split"].tolist(), "train", "test") for one in folds(pool, k, seed)]
    where = manifest.path or manifest.root
    for part in made:
        if not part.valid or not part.train:
            raise DataError(
                f"{where}: no clip is left to {'choose on' if part.train else 'learn from'}; add recordings"
            )
        labels = pool.table["label"].to_numpy()
        unlearned = sorted(set(labels[part.valid]) - set(labels[part.train]))
        if unlearned and k is None:
            raise DataError(
                f"{where}: class '{unlearned[0]}' is in valid and not in train; add recordings, or leave it out"
            )
    return pool, made


@dataclass
class HeldOut:
    """Answers on held-out segments: whether right and the log loss `(n,)` of each, logits `(N, K)` and classes `(N,)` of
    their windows.
    """

    right: NDArray[np.bool_]
    losses: NDArray[np.float64]
    logits: NDArray[np.float64]
    targets: NDArray[np.int64]


class Workshop:
    """Scores settings on one data set: `pool` without its test rows, and the `divisions` of it."""

    def __init__(
        self,
        pool: Manifest,
        divisions: Sequence[Division],
        classes: list[str],
        *,
        seed: int = 0,
        device: str = "auto",
        listener: Listener | None = None,
    ) -> None:
        self.pool, self.divisions, self.classes = pool, list(divisions), classes
        self.seed, self.device = seed, device
        segments = pool.segments()
        self.segments = segments
        self.targets = [classes.index(str(segment.label)) for segment in segments]
        self._clips: list[Segment] | None = None  # those that can be read, with the split of the one division
        self.features = SharedFeatures(segments, classes, seed, device, listener or Listener())

    def score(self, settings: TrialSettings, report: Report | None = None) -> Outcome:
        """Train with these settings on what each division learns from, and score what it holds out.

        `report(percent, accuracy)` hears of what is known on the way, and may raise to give up.

        Raises `KinemaError` when the loss is no longer a number, `UsageError` and `DataError` as building the model does.
        """
        began = time.perf_counter()
        training = TrainSettings.from_dict({"seed": self.seed, **settings.training})
        spec = ClipSpec.from_dict(
            {**default_spec(settings.model, settings.model_settings).to_dict(), **settings.clip}
        )
        torch.manual_seed(training.seed)
        model = create_model(settings.model, len(self.classes), spec, **plain_settings(settings))
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        if isinstance(model, FactorisedModel) and model.backbone.frozen:
            with one_thread():
                found = self._score_head(model, settings, spec, training, report)
        else:
            if len(self.divisions) > 1:
                raise UsageError(
                    "folds need a frozen backbone: leave out --folds, or search with freeze=true"
                )
            del model
            found = self._score_pixels(settings, spec, training, report)
        return Outcome(
            float(found.right.mean()),
            float(found.losses.mean()),
            len(found.right),
            trained,
            time.perf_counter() - began,
            self.temperature(found),
        )

    def temperature(self, found: HeldOut) -> float:
        """Return what the logits of held-out windows are to be divided by."""
        labels = [self.classes[target] for target in found.targets]
        columns = {
            "video": "",
            "start": np.nan,
            "end": np.nan,
            "label": labels,
            "split": "valid",
            "group": "",
        }
        return fit_temperature(Scores(self.classes, pd.DataFrame(columns), found.logits, "clip")).temperature

    def _score_head(
        self,
        model: FactorisedModel,
        settings: TrialSettings,
        spec: ClipSpec,
        training: TrainSettings,
        report: Report | None,
    ) -> HeldOut:
        if not is_quick(training):
            training.refuse_without_pixels()
            raise UsageError(
                "a search of heads knows one round of training without a running mean of the weights: leave out "
                "stages, ema and accumulate"
            )
        table, key = self.features.table(settings, spec, model, training.flip)
        first = table.first[0]
        readable = np.flatnonzero(first[1:] > first[:-1])
        parts: list[HeldOut] = []
        for number, division in enumerate(self.divisions):
            head = copy.deepcopy(model.head)
            train = [i for i in division.train if i in set(readable)]
            valid = [i for i in division.valid if i in set(readable)]
            if not train or not valid:
                raise DataError("too few videos could be read to train and to choose; see kinema data check")
            head.prepare(_sample(table.sides, [table.rows(train, s) for s in range(len(table.sides))]))
            described = [table.sides[0][torch.from_numpy(table.rows([i]))] for i in train]
            groups = [str(self.segments[i].group or self.segments[i].name) for i in train]
            head.choose(described, [self.targets[i] for i in train], groups)
            own = self.features.standardised(head, table, key)
            hurry(head, training.seed)
            targets = np.array([self.targets[i] for i in valid])

            def rung(epoch: int, head=head, own=own, valid=valid, targets=targets) -> None:  # type: ignore[no-untyped-def]
                due = [p for p in RUNGS if -(-p * training.epochs // 100) == epoch < training.epochs]
                if due and report is not None and len(self.divisions) == 1:
                    found = video_probabilities(head, own, valid)
                    report(due[-1], float((found.argmax(1) == targets).mean()))
                    head.train()

            quick_fit(head, own, train, [self.targets[i] for i in train], training, epoch_done=rung)
            logits = window_logits(head, own, valid)
            if not np.isfinite(logits).all():
                raise KinemaError("the answers are no longer numbers: lower learning_rate")
            means = track_means(softmax(logits, axis=1), own, valid)
            losses = -np.log(np.maximum(means[np.arange(len(valid)), targets], 1e-12))
            windows = np.repeat(targets, window_counts(own, valid))
            parts.append(HeldOut(means.argmax(1) == targets, losses, logits, windows))
            if report is not None and number + 1 < len(self.divisions):
                so_far = np.concatenate([part.right for part in parts])
                report(100 * (number + 1) // len(self.divisions), float(so_far.mean()))
        return HeldOut(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(HeldOut)))

    def _score_pixels(
        self, settings: TrialSettings, spec: ClipSpec, training: TrainSettings, report: Report | None
    ) -> HeldOut:
        """Train everything on clips that are decoded meanwhile; one valid clip a segment answers after the last epoch."""
        (division,) = self.divisions
        split = {**dict.fromkeys(division.train, "train"), **dict.fromkeys(division.valid, "valid")}
        if self._clips is None:
            named = [replace(self.segments[i], split=name) for i, name in sorted(split.items())]
            self._clips, _ = openable(named)
        targets = np.array([self.classes.index(str(s.label)) for s in self._clips if s.split == "valid"])
        torch.manual_seed(training.seed)
        model: VideoModel = create_model(settings.model, len(self.classes), spec, **settings.model_settings)
        answers: list[torch.Tensor] = []  # of the valid clips, batch by batch
        last: list[torch.Tensor] = []  # the same of the epoch that ended last

        def keep(module: Any, inputs: Any, logits: torch.Tensor) -> None:
            if not module.training:
                answers.append(logits.detach().double().cpu())

        def epoch(done: int, total: int, row: dict[str, float]) -> None:
            last[:] = answers
            answers.clear()
            due = [p for p in RUNGS if -(-p * total // 100) == done < total]
            if due and report is not None:
                report(due[-1], row["valid_accuracy"])

        model.register_forward_hook(keep)
        result = fit_pixels(
            model, self._clips, self.classes, spec, training, device=self.device, progress=epoch
        )
        if result.interrupted:
            raise KeyboardInterrupt
        if result.problem:
            raise KinemaError(result.problem)
        logits = torch.cat(last).numpy()
        if not np.isfinite(logits).all():
            raise KinemaError("the answers are no longer numbers: lower learning_rate")
        losses = -log_softmax(logits, axis=1)[np.arange(len(targets)), targets]
        return HeldOut(logits.argmax(1) == targets, losses, logits, targets)


def _rows(splits: Sequence[str], train: str, valid: str) -> Division:
    return Division(
        [i for i, name in enumerate(splits) if name == train],
        [i for i, name in enumerate(splits) if name == valid],
    )


def _sample(
    sides: Sequence[torch.Tensor], rows: Sequence[NDArray[np.int64]], most: int = 4096
) -> torch.Tensor:
    """Return up to `most` windows `(N, …)` float32, evenly spread over the training windows of all sides."""
    parts = [
        side[torch.from_numpy(own[:: max(1, -(-len(own) * len(sides) // most))])]
        for side, own in zip(sides, rows, strict=True)
    ]
    return torch.cat(parts).float()
