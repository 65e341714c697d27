"""A published network over whole clips, with a head of one's own classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinema.models.clip_model import ClipModel


class ClipNetwork(ClipModel):
    """A backbone over the whole clip, and a head that belongs to the list of classes.

    ```
    clips (B, 3, T, H, W) ─ backbone ─▶ features (B, D), or tokens (B, N, D) ─ head ─▶ logits (B, K)
    ```
    """

    def __init__(
        self, num_classes: int, frames: int, stride: int, backbone: nn.Module, head: nn.Module, freeze: bool
    ) -> None:
        super().__init__(num_classes, frames, stride)
        self.backbone = backbone
        self.head = head
        self.frozen = False
        if freeze:
            self.freeze_backbone()

    def forward(self, clips: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(clips))
        return logits

    def freeze_backbone(self) -> None:
        """Exclude the backbone from training, its batch statistics and dropped paths included."""
        self.backbone.requires_grad_(False)
        self.frozen = True
        self.backbone.eval()

    def train(self, mode: bool = True) -> ClipNetwork:
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self


def linear_head(dim: int, num_classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Return dropout and a linear classifier whose first answers are near zero: `(B, dim) -> (B, K)`."""
    classifier = nn.Linear(dim, num_classes)
    nn.init.trunc_normal_(classifier.weight, std=0.02)
    nn.init.zeros_(classifier.bias)
    return nn.Sequential(nn.Dropout(dropout), classifier)


def keep_classifier(head: nn.Sequential, weight: Tensor | None, bias: Tensor | None) -> bool:
    """Take a published classifier for the last layer of `head` where it has as many classes; return whether it was taken."""
    classifier = head[-1]
    assert isinstance(classifier, nn.Linear)
    if weight is None or bias is None or len(bias) != classifier.out_features:
        return False
    with torch.no_grad():
        classifier.weight.copy_(weight.flatten(1))
        classifier.bias.copy_(bias)
    return True
