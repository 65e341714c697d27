"""A network of timm without its classifier: its last map, pooled or flattened, as Keras's `include_top=False`."""

from __future__ import annotations

import copy
import hashlib
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from kinema.errors import UsageError, closest
from kinema.models.backbones import FrameBackbone
from kinema.models.own_backbone import OwnBackbone

Pooling = Literal["max", "avg", "flatten"]

# What ImageNet networks were trained with, timm's and Keras's alike; values in 0..1.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ConvolutionalFeatures(OwnBackbone):
    """Pictures `(N, 3, H, W)` to `(N, D)`: the last map of a timm network, then pooling, then a dense layer if wanted.

    ```
    (N, 3, H, W) ─ network ─▶ (N, C, h, w) ─ max | avg ─▶ (N, C)      ─┬──────────────────────────▶ (N, D)
                                           ─ flatten   ─▶ (N, C·h·w)  ─┴─ linear + ReLU (`dense`) ─▶ (N, D)
    ```

    `train_layers` above 0 leaves only so many of its last convolutions (or linear layers) to be trained.

    Raises `UsageError` when the network has no map (transformers) or the pictures are too small for it.
    """

    def __init__(
        self,
        name: str,
        weights: str,
        pooling: Pooling,
        height: int,
        width: int,
        dense: int = 0,
        train_layers: int = 0,
    ) -> None:
        if pooling not in get_args(Pooling):
            raise UsageError(f"unknown pooling '{pooling}': {closest(pooling, list(get_args(Pooling)))}")
        network = headless(name, weights)
        channels, rows, columns = map_shape(network, name, height, width)
        dim = channels * rows * columns if pooling == "flatten" else channels
        super().__init__(name, network, dense or dim)
        self.pooling = pooling
        self.dense = nn.Sequential(nn.Linear(dim, dense), nn.ReLU()) if dense else nn.Identity()
        self._still: list[nn.Module] = still_modules(network, train_layers)
        for module in self._still:
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> ConvolutionalFeatures:
        super().train(mode)
        for module in self._still:
            module.eval()  # else their norms would go on taking statistics
        return self

    def forward(self, pictures: Tensor) -> Tensor:
        """Return `(N, D)`."""
        maps: Tensor = self.network.forward_features(pictures)
        if self.pooling == "flatten":
            return self.dense(maps.flatten(1))
        return self.dense(maps.amax((2, 3)) if self.pooling == "max" else maps.mean((2, 3)))

    def fingerprint(self) -> str:
        """As `FrameBackbone.fingerprint`; the same weights pooled another way are another backbone."""
        return hashlib.sha256(f"{self.pooling} {super().fingerprint()}".encode()).hexdigest()[:24]


def headless(name: str, weights: str) -> Any:
    """Return a timm network whose parameters are those that `forward_features` needs; raises as `FrameBackbone`."""
    network = FrameBackbone(name, weights).network
    if hasattr(network, "pre_logits"):  # VGG's two layers of 4096 stand behind its map
        network.pre_logits = nn.Identity()
    return network


def map_shape(network: Any, name: str, height: int, width: int) -> tuple[int, int, int]:
    """Return `(C, h, w)` of the network's last map for pictures of `height` x `width` pixels."""
    try:
        blank = copy.deepcopy(network).to("meta").eval()
        shape = tuple(blank.forward_features(torch.empty(1, 3, height, width, device="meta")).shape)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise _too_small(name, height, width) from error
    if len(shape) != 4 or shape[1] != network.num_features:
        raise UsageError(
            f"backbone '{name}' has no map of features: choose a convolutional network, such as resnet50"
        )
    if 0 in shape:
        raise _too_small(name, height, width)
    return shape[1], shape[2], shape[3]


def _too_small(name: str, height: int, width: int) -> UsageError:
    return UsageError(
        f"pictures of {width} x {height} pixels are too small for '{name}', or not of the size that it takes: "
        "set height and width"
    )


def still_modules(network: nn.Module, train_layers: int) -> list[nn.Module]:
    """Return what stands before the last `train_layers` layers with weights; nothing where all are trained (0)."""
    if train_layers <= 0:
        return []
    leaves = [
        module for module in network.modules() if not list(module.children()) and list(module.parameters())
    ]
    weighted = [place for place, leaf in enumerate(leaves) if next(leaf.parameters()).ndim > 1]
    return leaves[: weighted[-train_layers]] if train_layers < len(weighted) else []
