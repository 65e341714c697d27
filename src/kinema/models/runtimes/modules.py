"""What an exported graph computes, as modules: uint8 pictures in, calibrated probabilities out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.models.base import FactorisedModel, VideoModel


class Answer(nn.Module):
    """Logits `(B, K)` to `probabilities`, softmax of logits over the temperature, and the logits themselves."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        return torch.softmax(logits / self.temperature, dim=1), logits


class WholePath(nn.Module):
    """`pictures` uint8 `(B, T, H, W, 3)` to `probabilities` `(B, K)` and `logits` `(B, K)`."""

    outputs = ("probabilities", "logits")

    def __init__(self, model: VideoModel, spec: ClipSpec, temperature: float) -> None:
        super().__init__()
        self.model, self.spec, self.answer = model, spec, Answer(temperature)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = self.answer(self.model(self.spec.clip(pictures)))
        return found


class BackbonePath(nn.Module):
    """`pictures` uint8 `(N, H, W, 3)` to `features` `(N, D)`."""

    outputs = ("features",)

    def __init__(self, backbone: nn.Module, spec: ClipSpec) -> None:
        super().__init__()
        self.backbone, self.spec = backbone, spec

    def forward(self, pictures: Tensor) -> Tensor:
        found: Tensor = self.backbone(self.spec.normalise(pictures))
        return found


class HeadPath(nn.Module):
    """`features` `(B, D)` of the next picture of B streams and `ring` `(B, T, D)` to `probabilities`, `logits`, `next_ring`.

    The ring holds the features of the last T pictures, oldest first; a stream begins with its first picture's in every
    row.
    """

    outputs = ("probabilities", "logits", "next_ring")

    def __init__(self, model: FactorisedModel, temperature: float) -> None:
        super().__init__()
        self.head, self.answer = model.head, Answer(temperature)

    def forward(self, features: Tensor, ring: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ring = torch.cat([ring[:, 1:], features[:, None]], dim=1)
        probabilities, logits = self.answer(self.head(ring))
        return probabilities, logits, ring


class WindowPath(nn.Module):
    """`features` `(B·T, D)` of the pictures of B clips in a row to `probabilities` and `logits`: what follows a backbone."""

    outputs = ("probabilities", "logits")

    def __init__(self, model: FactorisedModel, temperature: float) -> None:
        super().__init__()
        self.head, self.frames, self.answer = model.head, model.frames, Answer(temperature)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        windows = features.reshape(-1, self.frames, features.shape[1])
        found: tuple[Tensor, Tensor] = self.answer(self.head(windows))
        return found
