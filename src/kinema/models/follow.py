"""How a recognizer follows a video: what it computes of each picture, and how the answers come from that."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError
from kinema.models.base import FactorisedModel, VideoModel, with_history
from kinema.models.clip_model import ClipModel
from kinema.models.devices import torch_device
from kinema.models.embedder import Embedder
from kinema.models.heads import Running
from kinema.models.threads import one_thread


class Follower(Protocol):
    """Follows streams of pictures; a stream's state is whatever `advance` or `step` returned last, None at its start.

    `engine` names what computes, `at_a_time` how many calls of `embed` may run side by side.
    """

    engine: str
    at_a_time: int

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[Any]:
        """Return what is computed of single pictures `(n, H, W, 3)`, of any streams: `(n, …)`."""

    def advance(self, samples: NDArray[Any], state: Any) -> tuple[NDArray[np.float32], Any]:
        """Take the next samples of a stream, made by `embed`; return logits `(n, K)` of the windows that end there."""

    def step(self, picture: NDArray[np.uint8], state: Any) -> tuple[NDArray[np.float32], Any]:
        """Take the next picture `(H, W, 3)` of a stream; return logits `(K,)` of the window that ends there."""


class FeatureFollower:
    """A factorised model: features of single pictures, and the temporal head over the last T of them."""

    def __init__(self, model: FactorisedModel, embedder: Embedder) -> None:
        self.engine, self.at_a_time = embedder.engine, embedder.at_a_time
        self._model, self._embedder = model, embedder

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._embedder(pictures)

    @torch.inference_mode()
    def advance(self, samples: NDArray[Any], state: Any) -> tuple[NDArray[np.float32], Any]:
        if self._model.training:  # to walk through all modules takes longer than a small head
            self._model.eval()
        track = _Track(deque(maxlen=max(1, self._model.frames - 1)), None) if state is None else state
        if len(samples) == 1 and track.running is not None:
            track.recent.append(samples[0].copy())
            return track.running.push(samples[0])[None], track
        features = torch.from_numpy(np.ascontiguousarray(samples))
        # One thread: the backbone has the cores meanwhile, and threads cost a small head more than they bring.
        with one_thread():
            if len(features) <= _FEW:
                logits = np.stack([self._one(sample, track) for sample in samples])
            else:
                logits = self._model.classify_track(features, track.known()).float().numpy()
                track.running = None
                track.recent.extend(samples[-self._model.frames :].copy())
        return logits, track

    def step(self, picture: NDArray[np.uint8], state: Any) -> tuple[NDArray[np.float32], Any]:
        logits, state = self.advance(self._embedder(picture[None]), state)
        return logits[0], state

    def _one(self, sample: NDArray[np.float32], track: _Track) -> NDArray[np.float32]:
        """Return the logits `(K,)` of the window that ends with one sample `(D,)`, and keep it."""
        if track.running is None:
            model, known = self._model, track.known()
            features = torch.from_numpy(np.ascontiguousarray(sample))[None]
            before = features if known is None else known
            # The window before this sample; its oldest sample leaves as the new one comes.
            track.running = model.head.running(with_history(before[-1:], model.frames, before[:-1]))
            if track.running is None:
                track.recent.append(sample.copy())
                window = with_history(features, model.frames, known)
                logits: NDArray[np.float32] = model.classify(window[None])[0].float().numpy()
                return logits
        track.recent.append(sample.copy())
        return track.running.push(sample)


# Samples up to which a running description costs no more than one of a whole stretch.
_FEW = 4


@dataclass
class _Track:
    """The last T - 1 samples `(D,)` of a stream, and the running answers where samples come one at a time."""

    recent: deque[NDArray[np.float32]]
    running: Running | None

    def known(self) -> Tensor | None:
        """The samples so far `(<T, D)`, oldest first; None at the start."""
        return torch.from_numpy(np.stack(self.recent)) if self.recent else None


class ClipFollower:
    """A model of whole clips: the pictures themselves, and its `track` over them, on the CPU or a GPU."""

    def __init__(self, model: ClipModel, spec: ClipSpec, device: str = "auto") -> None:
        self._device = torch_device(device)
        self.engine, self.at_a_time = f"torch {self._device.type}", 1
        self._spec = spec
        # On a GPU a copy, so that the recognizer's own model stays where it can be saved and trained.
        self._model = model if self._device.type == "cpu" else copy.deepcopy(model).to(self._device)

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return pictures

    @torch.inference_mode()
    def advance(self, samples: NDArray[Any], state: Any) -> tuple[NDArray[np.float32], Any]:
        if self._model.training:  # to walk through all modules takes longer than a small head
            self._model.eval()
        pictures = torch.from_numpy(np.ascontiguousarray(samples)).to(self._device)
        logits, state = self._model.track(self._spec.normalise(pictures), state)
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result, state

    def step(self, picture: NDArray[np.uint8], state: Any) -> tuple[NDArray[np.float32], Any]:
        logits, state = self.advance(picture[None], state)
        return logits[0], state


def create_follower(model: VideoModel, spec: ClipSpec, device: str, embedder: Embedder | None) -> Follower:
    """Return what follows videos with `model`; `embedder` computes the features of a factorised one."""
    if isinstance(model, FactorisedModel) and embedder is not None:
        return FeatureFollower(model, embedder)
    if isinstance(model, ClipModel):
        return ClipFollower(model, spec, device)
    raise UsageError(
        f"{type(model).__name__} is neither a FactorisedModel nor a ClipModel: it cannot follow a video"
    )
