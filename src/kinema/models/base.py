"""What every model offers: logits for clips, and for factorised models embedding, classification and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from kinema.models.backbones import FrameBackbone
    from kinema.models.heads import TemporalHead


class VideoModel(nn.Module):
    """`forward(clips (B, 3, T, H, W)) -> logits (B, K)`."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits `(B, K)` of normalised clips `(B, 3, T, H, W)`."""
        raise NotImplementedError


class FactorisedModel(VideoModel):
    """A backbone that sees single pictures, and a temporal head that sees the last T of its features.

    ```
    clips (B, 3, T, H, W) ── embed each picture ──▶ features (B, T, D) ── temporal head ──▶ logits (B, K)
    stream: picture (B, 3, H, W) ─ embed ─▶ (B, D) ─▶ ring of the last T features ─ head ─▶ logits (B, K)
    ```

    The ring is what makes streaming equal to offline prediction for every head: the logits at time t are a function of
    the window of T samples that ends at t. Before T samples have been seen the first one stands for those missing.
    """

    def __init__(self, num_classes: int, frames: int, backbone: FrameBackbone, head: TemporalHead) -> None:
        super().__init__(num_classes)
        self.frames = frames
        self.backbone = backbone
        self.head = head

    def embed(self, pictures: Tensor) -> Tensor:
        """Return features `(N, D)` of normalised pictures `(N, 3, H, W)`; one backbone pass."""
        return self.backbone(pictures)

    def classify(self, features: Tensor) -> Tensor:
        """Return logits `(B, K)` of windows of features `(B, T, D)`, oldest first."""
        return self.head(features)

    def forward(self, clips: Tensor) -> Tensor:
        batch, channels, frames, height, width = clips.shape
        pictures = clips.transpose(1, 2).reshape(batch * frames, channels, height, width)
        return self.classify(self.embed(pictures).reshape(batch, frames, -1))

    def step(self, features: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Take the features `(B, D)` of the next picture; return logits `(B, K)` and the state for the next call.

        The state is the ring `(B, T, D)`; None starts a stream.
        """
        if state is None:
            state = features[:, None].expand(-1, self.frames, -1)
        else:
            state = torch.cat([state[:, 1:], features[:, None]], dim=1)
        return self.classify(state), state

    def classify_track(self, features: Tensor, history: Tensor | None = None) -> Tensor:
        """Return logits `(n, K)` of the window that ends at each sample of `features` `(n, D)`.

        `history` `(h, D)` are the samples before the first. The same numbers as `classify` of each window, computed
        with what neighbouring windows share.
        """
        parts = []
        for offset in range(0, len(features), _PART):
            samples = with_history(
                features[: offset + _PART][offset:], self.frames, _before(features, offset, history)
            )
            parts.append(self.head.decide(self.head.describe_track(samples)))
        return torch.cat(parts) if parts else features.new_zeros(0, self.num_classes)

    def freeze_backbone(self) -> None:
        """Exclude the backbone from training, its batch statistics included."""
        self.backbone.requires_grad_(False)
        self.backbone.frozen = True
        self.backbone.eval()


# Samples of a track that are described at a time, so that hours of video need no more memory than minutes.
_PART = 256


def _before(features: Tensor, offset: int, history: Tensor | None) -> Tensor | None:
    if offset == 0:
        return history
    return features[:offset] if history is None else torch.cat([history, features[:offset]])


def with_history(features: Tensor, frames: int, history: Tensor | None = None) -> Tensor:
    """Return `features` `(n, D)` behind the `frames - 1` samples before them: `(frames - 1 + n, D)`.

    `history` `(h, D)` are samples before the first; those missing are replaced by the earliest sample known.
    """
    known = features
    if history is not None and frames > 1:
        known = torch.cat([history[-(frames - 1) :], features])
    missing = frames - 1 + len(features) - len(known)
    return torch.cat([known[:1].expand(missing, -1), known]) if missing > 0 else known


def windows(features: Tensor, frames: int, history: Tensor | None = None) -> Tensor:
    """Return the window of `frames` samples that ends at each sample, oldest first: `(n, D) -> (n, frames, D)`."""
    return with_history(features, frames, history).unfold(0, frames, 1).transpose(1, 2)
