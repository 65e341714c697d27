"""Heads fitted on stored features: the model's own, and the baseline without time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinema.models import FactorisedModel, TemporalHead, create_head, one_thread
from kinema.training.batches import WindowBatches, Windows, describe_tracks
from kinema.training.features import Track
from kinema.training.fit import FitResult, fit
from kinema.training.rounds import only
from kinema.training.settings import TrainSettings, on_features


class HeadTraining:
    """Fits heads on windows of tracks; windows are described once for each kind of head.

    `tracks` and `mirrored` are in the same order; `mirrored` may be empty. `classes` are those of the logits.
    """

    def __init__(
        self,
        tracks: list[Track],
        mirrored: Sequence[Track | None],
        classes: list[str],
        settings: TrainSettings,
        device: str,
        say: Callable[[str], None],
    ) -> None:
        self.tracks, self.mirrored, self.classes = tracks, mirrored, classes
        self.settings, self.device, self.say = on_features(settings), device, say
        self._windows: dict[str, tuple[Windows, Windows | None]] = {}

    def fit(
        self, model: FactorisedModel, train: Sequence[int], valid: Sequence[int], **outside: Any
    ) -> FitResult:
        """Fit the model's head on the tracks `train`; `outside` goes to `fit`."""
        straight, mirrored = self._described(model.head)
        settings = self.settings if valid else replace(self.settings, patience=0)
        # Features are not computed again: a backbone that could learn has nothing to learn from.
        batches = WindowBatches(
            straight, train, self.targets(train), len(self.classes), settings=settings, mirrored=mirrored
        )
        checked = WindowBatches(straight, valid, self.targets(valid), len(self.classes))
        with one_thread(), only(model, "head"):
            model.head.prepare(batches.sample())
            self._choose(model, straight, train)
            return fit(
                model,
                batches,
                checked if valid else None,
                settings,
                device=self.device,
                say=self.say,
                **outside,
            )

    def _choose(self, model: FactorisedModel, windows: Windows, train: Sequence[int]) -> None:
        own = [windows.described[torch.from_numpy(rows)] for rows in windows.rows(train)]
        there = [place for place, described in enumerate(own) if len(described)]
        targets = self.targets(train)
        groups = [str(self.tracks[i].segment.group or self.tracks[i].segment.name) for i in train]
        said = model.head.choose(
            [own[i] for i in there], [targets[i] for i in there], [groups[i] for i in there]
        )
        if said:
            self.say(said)

    def frame_average(
        self,
        model: FactorisedModel,
        train: Sequence[int],
        valid: Sequence[int],
        checkpoint: Path | None = None,
    ) -> FactorisedModel | None:
        """The baseline without time: a linear classifier of the mean of `model`'s features. None after Ctrl-C."""
        torch.manual_seed(self.settings.seed)
        head = create_head("mean", model.backbone.dim, len(self.classes), model.frames)
        baseline = FactorisedModel(len(self.classes), model.frames, model.backbone, head)
        fitted = self.fit(baseline, train, valid, checkpoint=checkpoint)
        return None if fitted.interrupted else baseline

    @torch.inference_mode()
    def train_accuracy(self, model: FactorisedModel, train: Sequence[int]) -> float:
        """Video-level top-1 on the training tracks, from the windows that were trained on."""
        straight, _ = self._described(model.head)
        right = [
            int(
                model.head.decide(straight.described[torch.from_numpy(rows)].float())
                .softmax(1)
                .mean(0)
                .argmax()
            )
            == target
            for rows, target in zip(straight.rows(train), self.targets(train), strict=True)
        ]
        return float(np.mean(right))

    def targets(self, rows: Sequence[int]) -> list[int]:
        """Return the class numbers of tracks."""
        return [self.classes.index(str(self.tracks[i].segment.label)) for i in rows]

    def _described(self, head: TemporalHead) -> tuple[Windows, Windows | None]:
        """Describe all tracks once for each kind of head; folds share them, since describing learns nothing."""
        key = f"{type(head).__name__} {getattr(head, 'pooling', '')}"
        if key not in self._windows:
            stride = max(1, head.frames // 4)
            with one_thread():
                straight = describe_tracks(head, self.tracks, stride)
                mirrored = describe_tracks(head, self.mirrored, stride) if self.mirrored else None
            self._windows[key] = straight, mirrored
        return self._windows[key]
