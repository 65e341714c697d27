"""Mixup and CutMix of the clips of one batch, drawn for the whole batch and applied to any part of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from kinema.training.settings import TrainSettings


@dataclass(frozen=True)
class Mix:
    """Clip i is mixed with clip `order[i]`: its share of the target is `share`.

    `box` is `(top, bottom, left, right)` as shares of the picture, which comes from the other clip in every picture; without one
    the clips are blended.
    """

    order: Tensor
    share: float
    box: tuple[float, float, float, float] | None = None

    def inputs(self, rows: Tensor, take: Callable[[Tensor], Tensor]) -> tuple[Tensor, float]:
        """Return the mixed inputs of `rows` and the exact share of their own; `take(rows)` gives inputs as floats."""
        own, other = take(rows), take(self.order[rows])
        if self.box is None:
            return self.share * own + (1 - self.share) * other, self.share
        height, width = own.shape[-2:]
        top, bottom = (round(edge * height) for edge in self.box[:2])
        left, right = (round(edge * width) for edge in self.box[2:])
        mixed = own.clone()
        mixed[..., top:bottom, left:right] = other[..., top:bottom, left:right]
        return mixed, 1 - (bottom - top) * (right - left) / (height * width)

    def targets(self, targets: Tensor, rows: Tensor, classes: int, share: float) -> Tensor:
        """Return the mixed targets `(len(rows), classes)` of class numbers `(B,)`."""
        one_hot = F.one_hot(targets, classes).float()
        return share * one_hot[rows] + (1 - share) * one_hot[self.order.to(rows.device)[rows]]


def mix_of_step(count: int, settings: TrainSettings, epoch: int, step: int) -> Mix | None:
    """Draw how a step's batch is mixed. Every process of a training draws the same, whatever else it has drawn."""
    if settings.mixup <= 0 and settings.cutmix <= 0:
        return None
    (seed,) = np.random.SeedSequence([settings.seed, epoch, step]).generate_state(1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))
        return draw_mix(count, settings.mixup, settings.cutmix)


def draw_mix(count: int, mixup: float, cutmix: float) -> Mix | None:
    """Draw how a batch of `count` clips is mixed, from torch's generator; None when it is not.

    With both Beta parameters above 0 each is taken half of the time. A box has the share `1 - share` of the picture and its
    proportions, and is cut at the borders.
    """
    if count < 2 or (mixup <= 0 and cutmix <= 0):
        return None
    cut = cutmix > 0 and (mixup <= 0 or bool(torch.rand(()) < 0.5))
    alpha = cutmix if cut else mixup
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(count)
    if not cut:
        return Mix(order, share)
    side = (1 - share) ** 0.5 / 2
    y, x = torch.rand(2).tolist()
    edges = (y - side, y + side, x - side, x + side)
    top, bottom, left, right = (min(1.0, max(0.0, edge)) for edge in edges)
    return Mix(order, share, (top, bottom, left, right))
