"""Models that see whole clips, not single pictures: how they follow a video picture by picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kinema.errors import UsageError
from kinema.models.base import VideoModel

# Clips in one call of a network while a video is followed; more would cost memory and gain nothing.
_CLIPS_A_CALL = 8


@dataclass
class ClipState:
    """What a `ClipModel` keeps between two pictures: at most T - 1 earlier ones `(<T, 3, H, W)`, and its last logits."""

    pictures: Tensor
    seen: int
    logits: Tensor


class ClipModel(VideoModel):
    """A network that looks at T pictures at once; subclasses write `forward(clips (B, 3, T, H, W)) -> logits (B, K)`.

    ```
    stream: picture (3, H, W) ─▶ ring of the last T pictures ─ every `stride` pictures ─▶ forward ─▶ logits (K,)
    ```

    A clip costs a whole forward pass, so `stride` says after how many pictures the next one is computed; the pictures in
    between repeat the last answer. The first full window is always computed, and windows are counted from the beginning of
    the stream, so a stream and a file get the same numbers. Before T pictures have been seen the first one stands
    for those missing.

    A network with a state of its own (causal convolutions, a shift buffer) overrides `track`, and takes one pass a picture.
    """

    def __init__(self, num_classes: int, frames: int, stride: int = 1) -> None:
        super().__init__(num_classes)
        if stride < 1:
            raise UsageError(
                f"model setting stride={stride}: give pictures from one clip to the next, at least 1"
            )
        self.frames = frames
        self.stride = stride

    def track(self, pictures: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Take the next normalised pictures `(n, 3, H, W)` of one stream, n > 0; None starts it.

        Returns the logits `(n, K)` of the windows that end at each of them, and the state for the next call.
        """
        before = 0 if state is None else len(state.pictures)
        seen = 0 if state is None else state.seen
        known = pictures if state is None else torch.cat([state.pictures, pictures])
        due = [i for i in range(len(pictures)) if self.is_due(seen + i)]
        found: list[Tensor] = []
        for begin in range(0, len(due), _CLIPS_A_CALL):
            ends = torch.tensor(due[begin : begin + _CLIPS_A_CALL]) + before
            places = (ends[:, None] + torch.arange(1 - self.frames, 1)).clamp(min=0)
            found.append(self(known[places.to(known.device)].transpose(1, 2)))
        computed = torch.cat(([] if state is None else [state.logits[None]]) + found)
        # The first picture of a stream is always due, so that every picture has an answer before it or at it.
        newest = np.cumsum([i in set(due) for i in range(len(pictures))]) - (state is None)
        logits = computed[torch.from_numpy(newest).to(computed.device)]
        kept = known[-(self.frames - 1) :] if self.frames > 1 else known[:0]
        return logits, ClipState(kept, seen + len(pictures), logits[-1])

    def is_due(self, index: int) -> bool:
        """Whether the window that ends at picture `index` (from 0) of a stream is computed."""
        return index == 0 or (index - (self.frames - 1)) % self.stride == 0
