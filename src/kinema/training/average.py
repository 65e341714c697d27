"""A running mean of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """`mean <- d * mean + (1 - d) * weight` after each step, with `d = min(decay, (1 + n) / (10 + n))` at step n (from 0).

    The lower decay of the first steps lets the mean forget the weights that it began with (as TensorFlow's
    `ExponentialMovingAverage` with `num_updates`). Only weights that learn are averaged; `applied` puts them into the model
    for a while.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self._parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.means = {name: p.detach().clone() for name, p in self._parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights after a step."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for name, parameter in self._parameters.items():
            self.means[name].mul_(decay).add_(parameter.detach(), alpha=1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the means inside, and its own weights again afterwards."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the model's weights and the means."""
        for name, parameter in self._parameters.items():
            own = parameter.detach().clone()
            parameter.copy_(self.means[name])
            self.means[name].copy_(own)

    def state_dict(self) -> dict[str, object]:
        """Return the means and the number of steps."""
        return {"steps": self.steps, "means": self.means}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Take what `state_dict` returned."""
        self.steps = int(state["steps"])  # type: ignore[call-overload]
        means: dict[str, Tensor] = state["means"]  # type: ignore[assignment]
        for name, mean in self.means.items():
            mean.copy_(means[name])
