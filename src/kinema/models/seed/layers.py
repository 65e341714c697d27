"""Layers that the originals took from Keras, with Keras's parameters, and the head that judges picture by picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kinema.errors import UsageError
from kinema.models.heads import TemporalHead


class OneBiasCell(nn.Module):
    """A recurrent layer with one bias a gate, as in Keras; torch's own have two that always add up.

    The bias is the weight of an input that is always 1, so an LSTM has 4 (D + 1 + H) H parameters. Started as Keras does:
    Glorot uniform, orthogonal recurrent weights, bias 0 and 1 for the forget gate.
    """

    def __init__(self, kind: type[nn.LSTM] | type[nn.RNN], dim: int, units: int) -> None:
        super().__init__()
        self.cell: Any = kind(dim + 1, units, bias=False, batch_first=True)
        weights = dict(self.cell.named_parameters())
        inputs, recurrent = weights["weight_ih_l0"], weights["weight_hh_l0"]
        with torch.no_grad():
            for gate in torch.split(inputs, units):
                nn.init.xavier_uniform_(gate)
            for gate in torch.split(recurrent, units):
                nn.init.orthogonal_(gate)
            inputs[:, -1] = 0
            if kind is nn.LSTM:
                inputs[units : 2 * units, -1] = 1  # torch's gates: in, forget, cell, out

    def forward(self, samples: Tensor) -> Tensor:
        """Return the output at every sample: `(B, T, D) -> (B, T, units)`."""
        ones = samples.new_ones(*samples.shape[:2], 1)
        outputs: Tensor = self.cell(torch.cat([samples, ones], dim=2))[0]
        return outputs


class GRUCell(nn.Module):
    """A GRU layer; torch's two biases are those of Keras 2's default (`reset_after`): 3 (D + H + 2) H parameters."""

    def __init__(self, dim: int, units: int) -> None:
        super().__init__()
        self.cell = nn.GRU(dim, units, batch_first=True)

    def forward(self, samples: Tensor) -> Tensor:
        """Return the output at every sample: `(B, T, D) -> (B, T, units)`."""
        outputs: Tensor = self.cell(samples)[0]
        return outputs


def lstm(dim: int, units: int) -> nn.Module:
    """Return an LSTM layer `(B, T, dim) -> (B, T, units)` with 4 (dim + 1 + units) units parameters."""
    return OneBiasCell(nn.LSTM, dim, units)


def simple_rnn(dim: int, units: int) -> nn.Module:
    """Return a plain tanh RNN layer `(B, T, dim) -> (B, T, units)` with (dim + 1 + units) units parameters."""
    return OneBiasCell(nn.RNN, dim, units)


def perceptron(dim: int, sizes: Sequence[int], dropout: float) -> tuple[nn.Sequential, int]:
    """Return linear + ReLU + dropout for each size above 0, up to the first 0, and the size of the last."""
    layers: list[nn.Module] = []
    for size in sizes:
        if size == 0:
            break
        layers += [nn.Linear(dim, size), nn.ReLU(), nn.Dropout(dropout)]
        dim = size
    return nn.Sequential(*layers), dim


def require_sizes(model: str, **sizes: int) -> None:
    """Raise `UsageError` for a layer size below 0."""
    for name, size in sizes.items():
        if size < 0:
            raise UsageError(f"model '{model}', setting {name}={size}: give 0 (no such layer) or more")


def require_dropout(model: str, dropout: float) -> None:
    """Raise `UsageError` for a dropout outside 0 to below 1."""
    if not 0 <= dropout < 1:
        raise UsageError(f"model '{model}', setting dropout={dropout}: give a share from 0 to below 1")


class PerPictureHead(TemporalHead):
    """The same classifier for every picture; a clip's logits are the mean of its pictures' logits.

    ```
    (B, T, D) ─ [linear, ReLU, dropout] x len(sizes) ─ linear ─▶ (B, T, K) ─ mean ─▶ (B, K)
    ```
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        frames: int,
        sizes: Sequence[int] = (),
        dropout: float = 0.0,
        first_dropout: float = 0.0,
    ) -> None:
        super().__init__(dim, num_classes, frames)
        hidden, width = perceptron(dim, sizes, dropout)
        self.layers = nn.Sequential(nn.Dropout(first_dropout), hidden, nn.Linear(width, num_classes))

    def decide(self, described: Tensor) -> Tensor:
        return self.layers(described).mean(1)
