"""Training of whole networks on clips that are decoded and augmented meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch

from kinema.data import Segment
from kinema.data.clips import read_clip
from kinema.data.clipspec import ClipSpec
from kinema.data.segments import usable_cores
from kinema.data.transforms import ClipAugmentation
from kinema.errors import DataError
from kinema.models import FactorisedModel
from kinema.training.batches import ClipBatches, as_floats
from kinema.training.distributed import Team
from kinema.training.fit import FitResult, fit
from kinema.training.rounds import only
from kinema.training.settings import TrainSettings

_PREPARED_CLIPS = 256  # from which a head takes the statistics that it standardises with


def fit_pixels(
    model: Any, segments: Sequence[Segment], classes: list[str], spec: ClipSpec, settings: TrainSettings,
    team: Team = Team(), **outside: Any,
) -> FitResult:  # fmt: skip
    """Fit `model` on clips of the segments whose split is train, and choose on those of valid; `outside` goes to `fit`."""

    def batches(split: str, team: Team) -> ClipBatches:
        chosen = [s for s in segments if s.split == split]
        return ClipBatches(
            chosen,
            [classes.index(str(s.label)) for s in chosen],
            len(classes),
            spec,
            settings,
            augmentation=augmentation(settings, spec) if split == "train" else None,
            workers=settings.workers or usable_cores(),
            team=team,
        )

    # What the first process prepares, the others take over with its weights.
    if isinstance(model, FactorisedModel) and team.leads and not _saved(outside):
        prepare_head(model, batches("train", Team()), settings)
    train, valid = batches("train", team), batches("valid", team)
    return fit(model, train, valid if len(valid) else None, settings, measure=True, team=team, **outside)


def augmentation(settings: TrainSettings, spec: ClipSpec) -> ClipAugmentation:
    """Return what changes the training clips; the channels of grey stacks are moments, so their colours stay."""
    colours = {"saturation": 0.0, "hue": 0.0} if spec.colour == "gray_stack" else {}
    return ClipAugmentation(
        flip=0.5 if settings.flip else 0.0,
        rand_augment=settings.rand_augment,
        rand_magnitude=settings.rand_magnitude,
        **colours,
    )


@torch.no_grad()
def prepare_head(model: FactorisedModel, train: ClipBatches, settings: TrainSettings) -> None:
    """Let the head take its statistics from features of training clips, as the first round will see them.

    Batch norms that learn in that round normalise by the batch; their running statistics are left as they were.
    """
    buffers = [(buffer, buffer.clone()) for buffer in model.backbone.buffers()]
    part = -(-settings.batch_size // settings.accumulate)
    described = []
    with only(model, settings.rounds[0]) as still:
        model.train()
        for module in still:
            module.eval()
        train.set_epoch(0)
        for inputs, _ in itertools.islice(train, -(-_PREPARED_CLIPS // settings.batch_size)):
            for pictures in inputs[:_PREPARED_CLIPS].split(min(part, 8)):
                clips = as_floats(train, pictures).transpose(1, 2)
                features = model.embed(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
                described.append(model.head.describe(features).float())
    for buffer, before in buffers:
        buffer.copy_(before)
    model.head.prepare(torch.cat(described))


def openable(segments: Sequence[Segment]) -> tuple[list[Segment], list[str]]:
    """Return the segments whose first frame can be read, and a line for each of the others."""
    found, problems = [], []
    for segment in segments:
        try:
            read_clip(segment, ClipSpec(frames=1, height=8, width=8), segment.start or 0.0)
            found.append(segment)
        except DataError as error:
            problems.append(str(error))
    return found, problems


def _saved(outside: dict[str, Any]) -> bool:
    checkpoint = outside.get("checkpoint")
    return checkpoint is not None and checkpoint.exists()
