"""Whether exported files give the numbers of torch: alone, in batches, and over a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kinema.errors import KinemaError
from kinema.models import Recognizer
from kinema.models.follow import Follower
from kinema.models.runtimes.graphs import open_graph
from kinema.models.runtimes.names import Part
from kinema.models.runtimes.opening import follower_of
from kinema.models.runtimes.parts import PARITY, GraphPart, difference

STREAM = 40  # pictures
_BATCHES = (1, 3)


@dataclass(frozen=True)
class Parity:
    """The largest difference from torch of each part `graphs`, and of the probabilities of a stream (None without one)."""

    graphs: dict[str, float]
    stream: float | None

    @property
    def worst(self) -> float:
        """The largest of all."""
        return max([*self.graphs.values(), self.stream or 0.0])


def check_parity(
    recognizer: Recognizer,
    parts: Mapping[Part, GraphPart],
    paths: dict[Part, Path],
    pictures: NDArray[np.uint8],
    *,
    stream_pictures: int = STREAM,
) -> Parity:
    """Compare exported files with torch for one clip and for three, and for a stream of `pictures` `(n, H, W, 3)`.

    Probabilities may differ by `PARITY`, features by as much of the largest. Raises `KinemaError` with the figures where
    anything differs by more.
    """
    graphs: dict[str, float] = {}
    for name, path in paths.items():
        graph = open_graph(path, 1)
        found = [difference(parts[name], graph, _inputs(parts[name], pictures, batch)) for batch in _BATCHES]
        graphs[name] = max(found)
    stream = None
    other = follower_of(paths, recognizer.model, 1, recognizer.fingerprint(), "onnx")
    if other is not None:
        plain = Recognizer(
            recognizer.name, recognizer.model, recognizer.spec, recognizer.classes, device="torch"
        ).follower
        stream = _stream_difference(recognizer, plain, other, pictures[:stream_pictures])
    result = Parity(graphs, stream)
    if not result.worst <= PARITY:
        figures = ", ".join(
            f"{name} {value:.1e}" for name, value in {**graphs, "stream": stream or 0.0}.items()
        )
        raise KinemaError(
            f"the exported graphs differ from PyTorch by more than {PARITY:.0e} ({figures}): nothing was written; "
            "take another --to, and please report the model"
        )
    return result


def stream_probabilities(
    recognizer: Recognizer, follower: Follower, pictures: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return the probabilities `(n, K)` that `Recognizer.stream` gives for pictures `(n, H, W, 3)`."""
    state: Any = None
    rows = []
    for picture in pictures:
        logits, state = follower.step(picture, state)
        rows.append(recognizer.probabilities(logits))
    return np.stack(rows)


def _stream_difference(
    recognizer: Recognizer, plain: Follower, other: Follower, pictures: NDArray[np.uint8]
) -> float:
    expected, found = (stream_probabilities(recognizer, f, pictures) for f in (plain, other))
    apart = float(np.abs(expected - found).max())
    return apart if np.isfinite(apart) else float("inf")


def _inputs(part: GraphPart, pictures: NDArray[np.uint8], batch: int) -> list[torch.Tensor]:
    """Real pictures where the graph takes pictures; synthetic features and states."""
    inputs = part.example(batch, seed=batch)
    if "pictures" in part.inputs:
        place = part.inputs.index("pictures")
        shape = inputs[place].shape
        needed = int(np.prod(shape[:-3]))
        rows = np.arange(needed) * max(1, len(pictures) // needed) % len(pictures)
        inputs[place] = torch.from_numpy(np.ascontiguousarray(pictures[rows].reshape(shape)))
    return inputs
