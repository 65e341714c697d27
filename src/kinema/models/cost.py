"""What the registered networks cost: parameters and multiply-adds, counted without computing anything."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from kinema.models.base import FactorisedModel, VideoModel
from kinema.models.clip_model import ClipModel
from kinema.models.registry import ModelEntry, create_model, model_entry


@dataclass(frozen=True)
class ModelCost:
    """A registered network with its default settings and clip, for `classes` classes.

    `parameters` are all, of frozen layers too; `gflops` are multiply-adds in 10^9 of one clip, and `published_gflops`
    those of the clip that its published figures belong to. `every` says after how many pictures of a stream a whole clip is
    computed, 0 that each picture is computed once; `exports` what `kinema export` writes
    beside the whole clip for a stream: `backbone + head`, `step` with its states, or nothing.
    """

    entry: ModelEntry
    parameters: int
    gflops: float
    published_gflops: float
    every: int
    exports: str

    @property
    def name(self) -> str:
        """Name of the registered network."""
        return self.entry.name


def model_cost(name: str) -> ModelCost:
    """Count parameters and multiply-adds of a registered network; no weights are read and no memory is taken for them.

    Convolutions, linear and recurrent layers and attention are counted, as papers do; norms, activations and pools are not.
    Raises `UsageError` for an unknown name and where an extra that the network needs is not installed.
    """
    entry = model_entry(name)
    settings: dict[str, Any] = {"weights": "none"} if "weights" in entry.settings else {}
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is nothing to initialise
        model = create_model(name, entry.classes, **settings).eval()
    gflops = published = _gflops(model, entry)
    if entry.published and entry.published.clip:
        frames, side = entry.published.clip
        other = replace(entry, spec=replace(entry.spec, frames=frames, height=side, width=side))
        with torch.device("meta"):
            published = _gflops(create_model(name, entry.classes, other.spec, **settings).eval(), other)
    whole = isinstance(model, ClipModel) and type(model).track is ClipModel.track
    return ModelCost(
        entry,
        sum(parameter.numel() for parameter in model.parameters()),
        gflops,
        published,
        model.stride if whole and isinstance(model, ClipModel) else 0,
        "backbone + head" if isinstance(model, FactorisedModel) else "" if whole else "step",
    )


def _gflops(model: VideoModel, entry: ModelEntry) -> float:
    model.to("meta").requires_grad_(False)
    spec = entry.spec
    clip = torch.empty(1, 3, spec.frames, spec.height, spec.width, device="meta")
    with FlopCounterMode(display=False) as counter:
        model(clip)
    # The counter counts a multiplication and its addition as two.
    return float(counter.get_total_flops()) / 2e9
