"""Rounds of training: which parts learn in a round, and with which learning rates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from kinema.errors import KinemaError, UsageError
from kinema.models import VideoModel
from kinema.training.blocks import body_and_head
from kinema.training.settings import Stage, TrainSettings


@contextmanager
def only(model: VideoModel, stage: Stage) -> Iterator[list[nn.Module]]:
    """Let only the parts that `stage` names learn; yield the modules of the others, whose statistics stand still.

    `head`; a number N: the head and the last N blocks of the body; `all`: everything that the model lets learn. On leaving, every
    parameter is as it was.

    Raises `UsageError` when the body has fewer than N blocks.
    """
    body, _ = body_and_head(model)
    if isinstance(stage, int) and stage > len(body):
        names = ", ".join(block.name for block in body)
        raise UsageError(
            f"setting stages: {stage} blocks are asked for, and the body has {len(body)} ({names})"
        )
    learning = len(body) if stage == "all" else 0 if stage == "head" else stage
    still = body[: len(body) - learning]
    before = [(p, p.requires_grad) for block in still for p in block.parameters.values()]
    for parameter, _ in before:
        parameter.requires_grad_(False)
    try:
        yield [module for block in still for module in block.modules]
    finally:
        for parameter, learns in before:
            parameter.requires_grad_(learns)


def parameter_groups(model: VideoModel, settings: TrainSettings, number: int = 0) -> list[dict[str, Any]]:
    """Return AdamW's groups for round `number` (from 0), the head's first.

    The head has `learning_rate`, the last block of the body `backbone_learning_rate` (`learning_rate` in a model that names no
    `backbone`), each block below it `layer_decay` times that of the one above; all times `stage_rate ** number`. Biases and
    norms are not decayed.
    """
    body, head = body_and_head(model)
    top = settings.backbone_learning_rate if hasattr(model, "backbone") else settings.learning_rate
    factor = settings.stage_rate**number
    rates = [(head, settings.learning_rate * factor)]
    for depth, block in enumerate(reversed(body)):
        rates.append((block, top * settings.layer_decay**depth * factor))
    groups: dict[tuple[bool, float, bool], list[nn.Parameter]] = {}
    for block, rate in rates:
        for parameter in block.parameters.values():
            if parameter.requires_grad:
                groups.setdefault((block is not head, -rate, parameter.ndim > 1), []).append(parameter)
    if not groups:
        raise KinemaError("nothing to train: every parameter of the model is frozen")
    return [
        {"params": parameters, "lr": -rate, "weight_decay": settings.weight_decay if decayed else 0.0}
        for (_, rate, decayed), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def warm_cosine(optimizer: torch.optim.Optimizer, steps: int, warmup: float) -> Any:
    """Return a schedule: up in a line over `warmup` (a share) of `steps`, then down along half a cosine to 0."""
    import math

    total = max(1, steps)
    warm = max(1, round(warmup * total))

    def scale(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
