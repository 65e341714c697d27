"""Networks with a state of their own, as a graph of one picture: its states go in and come out.

A state that begins with zeros is what such a network takes in place of nothing at the start of a stream.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from types import MethodType

import torch
from torch import Tensor, nn

from kinema.data.clipspec import ClipSpec
from kinema.models.base import VideoModel
from kinema.models.clip_model import ClipModel
from kinema.models.movinet import MoViNet
from kinema.models.movinet_blocks import Passage
from kinema.models.runtimes.info import StateInfo
from kinema.models.runtimes.modules import Answer
from kinema.models.tsm import _SHARE, OnlineTSM, Shift

# What the shapes of states are counted from: any number would do.
_STREAMS = 2


class StepPath(nn.Module):
    """`pictures` uint8 `(B, H, W, 3)`, the next of B streams, and the states to `probabilities`, `logits` and the next states.

    `seen` int64 `(B,)` counts the pictures before this one; the others are what the layers keep.
    """

    def __init__(self, model: ClipModel, spec: ClipSpec, temperature: float) -> None:
        super().__init__()
        self.model, self.spec, self.answer = model, spec, Answer(temperature)
        self.states: list[StateInfo] = []

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what `forward` returns."""
        return ("probabilities", "logits", *(f"next_{state.name}" for state in self.states))

    def forward(self, pictures: Tensor, seen: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        logits, kept = self.step(self.spec.normalise(pictures), seen, states)
        probabilities, logits = self.answer(logits)
        return (probabilities, logits, seen + 1, *kept)

    def step(self, pictures: Tensor, seen: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Take normalised pictures `(B, 3, H, W)`; return logits `(B, K)` and the states."""
        raise NotImplementedError

    def describe(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Name the states: `seen`, then one for each shape."""
        self.states = [StateInfo("seen", (), "int64")]
        self.states += [StateInfo(f"state{i}", shape, "float32") for i, shape in enumerate(shapes)]


def step_module(model: VideoModel, spec: ClipSpec, temperature: float) -> StepPath | None:
    """Return the graph of one picture of a network with a state of its own; None where there is none to be made."""
    if isinstance(model, OnlineTSM):
        return _TSMStep(model, spec, temperature)
    if isinstance(model, MoViNet):
        return _MoViNetStep(model, spec, temperature)
    return None


class _Shelf:
    """Gives each layer its state of the call before, in the order in which they ask, and takes the new ones."""

    def __init__(self) -> None:
        self.before: list[Tensor | None] = []
        self.kept: list[Tensor] = []

    def begin(self, states: Sequence[Tensor] | None, layers: int) -> None:
        self.before = list(states) if states is not None else [None] * layers
        self.kept = []

    def exchange(self, now: Tensor) -> Tensor:
        """Return the layer's state, zeros at the start, and keep `now`."""
        before = self.before[len(self.kept)]
        self.kept.append(now)
        return torch.zeros_like(now) if before is None else before


class _TSMStep(StepPath):
    """The channels of each block's last picture, and the logits of the last T - 1 pictures, zeros where there were none."""

    def __init__(self, model: OnlineTSM, spec: ClipSpec, temperature: float) -> None:
        super().__init__(copy.deepcopy(model).eval(), spec, temperature)
        self.shelf, self.frames = _Shelf(), model.frames
        shifts = [module for module in self.model.modules() if isinstance(module, Shift)]
        for shift in shifts:
            shift.shifted = MethodType(_shifted_by_one(self.shelf), shift)  # type: ignore[method-assign]
        self.shelf.begin(None, len(shifts))
        pictures = torch.zeros(_STREAMS, spec.height, spec.width, 3, dtype=torch.uint8)
        with torch.inference_mode():
            logits = model_score(self.model, spec.normalise(pictures))
        shapes = [tuple(kept.shape[1:]) for kept in self.shelf.kept]
        if self.frames > 1:
            shapes.append((self.frames - 1, logits.shape[1]))
        self.describe(shapes)

    def step(self, pictures: Tensor, seen: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        layers = states[:-1] if self.frames > 1 else states
        self.shelf.begin(layers, len(layers))
        score = model_score(self.model, pictures)
        kept = self.shelf.kept
        if self.frames == 1:
            return score, kept
        scores = torch.cat([states[-1], score[:, None]], dim=1)
        counted = (seen + 1).clamp(max=self.frames)[:, None]
        return scores.sum(1) / counted, [*kept, scores[:, 1:]]


def model_score(model: nn.Module, pictures: Tensor) -> Tensor:
    """Return a TSM's logits of each picture `(B, K)`."""
    found: Tensor = model.score(pictures)  # type: ignore[operator]
    return found


def _shifted_by_one(shelf: _Shelf) -> Callable[[Shift, Tensor], Tensor]:
    def shifted(shift: Shift, pictures: Tensor) -> Tensor:
        fold = max(1, int(pictures.shape[1]) // _SHARE)
        earlier = shelf.exchange(pictures[:, :fold])
        return torch.cat([earlier, pictures[:, fold:]], dim=1)

    return shifted


class _OnePicture(Passage):
    """The passage of one picture of each of B streams, whose counts of pictures may differ: `shares` `(B, 1, 2)`."""

    def __init__(self, memory: int, seen: Tensor, states: Sequence[Tensor] | None) -> None:
        super().__init__(1, memory, 0, states, keeping=True)
        share = 1 / (seen + 1).clamp(max=memory).to(torch.float32)
        self.shares = torch.stack([1 - share, share], dim=1)[:, None]


class _MoViNetStep(StepPath):
    def __init__(self, model: MoViNet, spec: ClipSpec, temperature: float) -> None:
        super().__init__(model, spec, temperature)
        pictures = torch.zeros(_STREAMS, spec.height, spec.width, 3, dtype=torch.uint8)
        passage = _OnePicture(model.memory, torch.zeros(_STREAMS, dtype=torch.int64), None)
        with torch.inference_mode():
            model.eval().backbone(spec.normalise(pictures), passage)
        self.describe([tuple(kept.shape[1:]) for kept in passage.kept])

    def step(self, pictures: Tensor, seen: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        assert isinstance(self.model, MoViNet)
        passage = _OnePicture(self.model.memory, seen, states)
        features = self.model.backbone(pictures, passage)
        return self.model.head(features[..., None, None]).flatten(1), passage.kept
