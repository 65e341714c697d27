"""Frame backbones that are not timm's: any network that makes a vector of a picture."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from kinema.models.backbones import FrameBackbone


class OwnBackbone(FrameBackbone):
    """`network (N, 3, H, W) -> (N, dim)` behind the interface of `FrameBackbone`, so that it streams, exports and caches alike.

    `name` is part of the fingerprint: it names the layout where two networks could have the same tensors.
    """

    def __init__(self, name: str, network: nn.Module, dim: int) -> None:
        nn.Module.__init__(self)  # not FrameBackbone's, which builds a network of timm
        self.name = name
        self.frozen = False
        self.taps = ()
        self.network: Any = network
        self.parts = [(dim, 1, 1)]

    def forward(self, pictures: Tensor) -> Tensor:
        """Return `(N, dim)`."""
        features: Tensor = self.network(pictures)
        return features
