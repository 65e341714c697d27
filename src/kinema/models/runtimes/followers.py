"""Followers over exported graphs: the windows, rings and states of `kinema.models.follow`, computed by another runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.models.embedder import Embedder
from kinema.models.runtimes.graphs import Graph
from kinema.models.runtimes.info import StateInfo

# Windows, or clips, in one call of a graph: more would cost memory and gain nothing.
_WINDOWS_A_CALL = 16
_CLIPS_A_CALL = 4


class HeadFollower:
    """A backbone's embedder, and the temporal head as a graph over its ring of the last T features.

    The state of a stream is the features `(<= T - 1, D)` of the pictures before.
    """

    def __init__(self, embedder: Embedder, head: Graph, frames: int) -> None:
        self.engine, self.at_a_time = embedder.engine, embedder.at_a_time
        self._embedder, self._head, self._frames = embedder, head, frames

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._embedder(pictures)

    def advance(self, samples: NDArray[Any], state: Any) -> tuple[NDArray[np.float32], Any]:
        samples = np.asarray(samples, np.float32)
        known = samples if state is None else np.concatenate([state, samples])
        before = len(known) - len(samples)
        found: list[NDArray[np.float32]] = []
        for begin in range(0, len(samples), _WINDOWS_A_CALL):
            ends = np.arange(before + begin, min(before + begin + _WINDOWS_A_CALL, len(known)))
            # The graph drops the oldest of the ring, whatever it is.
            rings = known[(ends[:, None] + np.arange(-self._frames, 0)).clip(0)]
            feeds = {"features": known[ends], "ring": rings}
            found.append(self._head.run(feeds, ["logits"])["logits"])
        return np.concatenate(found), known[-max(1, self._frames - 1) :].copy()

    def step(self, picture: NDArray[np.uint8], state: Any) -> tuple[NDArray[np.float32], Any]:
        logits, state = self.advance(self._embedder(picture[None]), state)
        return logits[0], state


@dataclass
class _Ring:
    """At most T - 1 earlier pictures `(<T, H, W, 3)`, how many there were, and the last logits `(K,)`."""

    pictures: NDArray[np.uint8]
    seen: int
    logits: NDArray[np.float32]


class ClipGraphFollower:
    """A graph of whole clips, computed every `stride` pictures as `ClipModel.track` does."""

    at_a_time = 1

    def __init__(self, whole: Graph, frames: int, stride: int) -> None:
        self.engine, self._whole = whole.engine, whole
        self._frames, self._stride = frames, stride

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return pictures

    def advance(self, samples: NDArray[Any], state: _Ring | None) -> tuple[NDArray[np.float32], Any]:
        seen = 0 if state is None else state.seen
        known = samples if state is None else np.concatenate([state.pictures, samples])
        before = len(known) - len(samples)
        due = np.array([i for i in range(len(samples)) if self._is_due(seen + i)], np.int64)
        computed = [] if state is None else [state.logits[None]]
        for begin in range(0, len(due), _CLIPS_A_CALL):
            ends = due[begin : begin + _CLIPS_A_CALL] + before
            clips = known[(ends[:, None] + np.arange(1 - self._frames, 1)).clip(0)]
            computed.append(self._whole.run({"pictures": clips}, ["logits"])["logits"])
        # The first picture of a stream is always due, so that every picture has an answer before it or at it.
        newest: NDArray[np.int64] = np.cumsum(np.isin(np.arange(len(samples)), due)) - (state is None)
        logits = np.concatenate(computed)[newest]
        kept = known[len(known) - min(len(known), self._frames - 1) :].copy()
        return logits, _Ring(kept, seen + len(samples), logits[-1])

    def step(self, picture: NDArray[np.uint8], state: Any) -> tuple[NDArray[np.float32], Any]:
        logits, state = self.advance(picture[None], state)
        return logits[0], state

    def _is_due(self, index: int) -> bool:
        return index == 0 or (index - (self._frames - 1)) % self._stride == 0


class StepFollower:
    """A graph of one picture with states of its own: one call a picture. A stream's state is what the graph gave back."""

    at_a_time = 1

    def __init__(self, step: Graph, states: list[StateInfo]) -> None:
        self.engine, self._step, self._states = step.engine, step, states

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return pictures

    def advance(self, samples: NDArray[Any], state: Any) -> tuple[NDArray[np.float32], Any]:
        found = []
        for picture in samples:
            logits, state = self.step(picture, state)
            found.append(logits)
        return np.stack(found), state

    def step(self, picture: NDArray[np.uint8], state: Any) -> tuple[NDArray[np.float32], Any]:
        held = state or first_states(self._states, 1)
        found = self._step.run({"pictures": picture[None], **held})
        return found["logits"][0], {entry.name: found[f"next_{entry.name}"] for entry in self._states}


def first_states(states: list[StateInfo], streams: int) -> dict[str, NDArray[Any]]:
    """Return the zeros with which `streams` streams begin."""
    return {entry.name: np.zeros((streams, *entry.shape), entry.dtype) for entry in states}
