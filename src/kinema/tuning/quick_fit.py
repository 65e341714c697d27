"""A training loop for heads on described windows that costs little besides the arithmetic.

The recipe is `kinema.training.fit`'s for a run without a valid split: AdamW without decay of biases and norms, warm-up
and cosine, cross-entropy with balanced classes and label smoothing, gradients clipped to length 1, the weights of the
last epoch. A search trains thousands of heads that take a second each, so what `fit` offers besides (checkpoints, logs,
devices) is left out, dropout takes its mask from random bytes, and standardised windows are shared between trials.
Without dropout the losses are `fit`'s (tests/tuning/test_quick_fit.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.errors import KinemaError
from kinema.models import TemporalHead
from kinema.training import TrainSettings

# What this loop obeys, and what makes no difference to a head on one thread of a CPU. Anything else needs `fit`.
_OBEYED = {
    "epochs", "batch_size", "windows", "learning_rate", "weight_decay", "warmup", "label_smoothing", "class_weights",
    "flip", "mixup", "seed", "precision",
}  # fmt: skip
_IRRELEVANT = {"patience", "workers", "backbone_learning_rate"}


@dataclass
class WindowTable:
    """Described windows `(N, …)` of many tracks, and of the same tracks mirrored; `first` row of each track, and the end.

    >>> import torch, numpy as np
    >>> table = WindowTable([torch.zeros(5, 3)], [np.array([0, 2, 5])])
    >>> table.rows([1]).tolist()
    [2, 3, 4]
    """

    sides: list[Tensor]
    first: list[NDArray[np.int64]]
    joined: Tensor | None = None  # all sides one after the other, where `sides` are parts of it

    def rows(self, tracks: Sequence[int], side: int = 0) -> NDArray[np.int64]:
        """Return the rows of these tracks, one track after the other."""
        first = self.first[side]
        return np.concatenate([np.zeros(0, np.int64), *(np.arange(first[i], first[i + 1]) for i in tracks)])


def is_quick(settings: TrainSettings) -> bool:
    """Whether every setting that differs from its default is one that `quick_fit` obeys."""
    return all(
        field.name in _OBEYED | _IRRELEVANT or getattr(settings, field.name) == field.default
        for field in fields(settings)
    )


def quick_fit(
    head: TemporalHead,
    table: WindowTable,
    tracks: Sequence[int],
    targets: Sequence[int],
    settings: TrainSettings,
    *,
    epoch_done: Callable[[int], None] | None = None,
) -> list[float]:
    """Train `head` in place on windows drawn at random from `tracks`; return the mean loss of each epoch.

    `targets` are the classes of `tracks`. `epoch_done(n)` is called after epoch n, from 1, with the head in eval mode.

    Raises `KinemaError` when the loss is no longer a number.
    """
    optimizer = torch.optim.AdamW(_groups(head, settings), fused=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    a_batch = settings.batch_size
    steps = -(-len(tracks) * settings.windows // a_batch) * settings.epochs
    loss_of = nn.CrossEntropyLoss(
        _balanced(targets, head.num_classes) if settings.class_weights == "balanced" else None,
        label_smoothing=settings.label_smoothing,
        reduction="none",
    )
    parameters = [p for p in head.parameters() if p.requires_grad]
    labels = np.asarray(targets, np.int64)
    losses, step = [], 0
    for epoch in range(settings.epochs):
        head.train()
        total = torch.zeros(())
        for inputs, own in _batches(table, tracks, labels, settings, epoch):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * _schedule(step, steps, settings.warmup)
            mixed, mixed_targets = _mixed(inputs, own, head.num_classes, settings.mixup)
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16-mixed"):
                loss = loss_of(head.decide(mixed), mixed_targets).sum() / len(own)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            total += loss.detach() * len(own)
            step += 1
        losses.append(float(total) / (len(tracks) * settings.windows))
        if not math.isfinite(losses[-1]):
            raise KinemaError(
                f"the loss is no longer a number in epoch {epoch + 1}: learning_rate={settings.learning_rate:g} is too high"
            )
        head.eval()
        if epoch_done is not None:
            epoch_done(epoch + 1)
    return losses


def video_probabilities(head: TemporalHead, table: WindowTable, tracks: Sequence[int]) -> NDArray[np.float64]:
    """Return the mean probabilities `(len(tracks), K)` of each track's windows."""
    return track_means(softmax(window_logits(head, table, tracks), axis=1), table, tracks)


@torch.inference_mode()
def window_logits(head: TemporalHead, table: WindowTable, tracks: Sequence[int]) -> NDArray[np.float64]:
    """Return the logits `(N, K)` of these tracks' windows, one track after the other."""
    head.eval()
    rows = table.rows(tracks)
    parts = [
        head.decide(table.sides[0][torch.from_numpy(rows[begin : begin + 256])].float()).double()
        for begin in range(0, len(rows), 256)
    ]
    found: NDArray[np.float64] = torch.cat(parts).numpy()
    return found


def track_means(
    values: NDArray[np.float64], table: WindowTable, tracks: Sequence[int]
) -> NDArray[np.float64]:
    """Return the means `(len(tracks), K)` over each track's windows of values `(N, K)` in `window_logits`' order."""
    counts = window_counts(table, tracks)
    begins = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    means: NDArray[np.float64] = np.add.reduceat(values, begins, axis=0) / counts[:, None]
    return means


def window_counts(table: WindowTable, tracks: Sequence[int]) -> NDArray[np.int64]:
    """Return how many windows each of these tracks has."""
    first = table.first[0]
    return np.array([first[i + 1] - first[i] for i in tracks], np.int64)


class ByteDropout(nn.Module):
    """Dropout whose mask comes from random bytes: ten times as fast on a CPU, p rounded to 1/256."""

    def __init__(self, p: float, rng: np.random.Generator) -> None:
        super().__init__()
        self._least = min(255, round(p * 256))
        self._rng = rng

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or self._least == 0:
            return values
        drawn = torch.frombuffer(bytearray(self._rng.bytes(values.numel())), dtype=torch.uint8)
        keep = (drawn >= self._least).view(values.shape)
        return values * keep.to(values.dtype).mul_(256 / (256 - self._least))


def hurry(head: TemporalHead, seed: int) -> None:
    """Replace the dropouts of a head by `ByteDropout`; its parameters and what it computes in eval mode stay."""
    rng = np.random.Generator(np.random.SFC64(seed))
    for module in list(head.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Dropout:
                setattr(module, name, ByteDropout(child.p, rng))


def _batches(
    table: WindowTable,
    tracks: Sequence[int],
    labels: NDArray[np.int64],
    settings: TrainSettings,
    epoch: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw as `WindowBatches` does, number for number, a whole batch at a time."""
    chosen = np.asarray(tracks, np.int64)
    begins = np.stack([first[chosen] for first in table.first])
    counts = np.stack([first[chosen + 1] - first[chosen] for first in table.first])
    rng = np.random.default_rng([settings.seed, epoch])
    order = rng.permutation(np.tile(np.arange(len(chosen)), settings.windows))
    starts = np.cumsum([0, *(len(side) for side in table.sides[:-1])])
    for begin in range(0, len(order), settings.batch_size):
        part = order[begin : begin + settings.batch_size]
        sides = rng.integers(len(table.sides), size=len(part))
        rows = begins[sides, part] + (rng.random(len(part)) * counts[sides, part]).astype(np.int64)
        if table.joined is not None:  # one copy in place of two
            at = torch.from_numpy(rows + starts[sides])
            yield table.joined.index_select(0, at), torch.from_numpy(labels[part])
            continue
        inputs = [
            side[torch.from_numpy(rows[sides == number])].float() for number, side in enumerate(table.sides)
        ]
        own = np.concatenate([labels[part[sides == number]] for number in range(len(table.sides))])
        yield torch.cat(inputs), torch.from_numpy(own)


def _schedule(step: int, total: int, warmup: float) -> float:
    warm = max(1, round(warmup * total))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))


def _groups(head: TemporalHead, settings: TrainSettings) -> list[dict[str, object]]:
    own = [p for p in head.parameters() if p.requires_grad]
    return [
        {"params": params, "lr": settings.learning_rate, "weight_decay": decay}
        for params, decay in (
            ([p for p in own if p.ndim > 1], settings.weight_decay),
            ([p for p in own if p.ndim <= 1], 0.0),
        )
        if params
    ]


def _balanced(targets: Sequence[int], classes: int) -> Tensor:
    counts = np.bincount(np.asarray(targets), minlength=classes).astype(np.float64)
    weights = np.where(
        counts > 0, len(targets) / np.maximum(counts, 1) / max(1, int((counts > 0).sum())), 0.0
    )
    return torch.from_numpy(weights.astype(np.float32))


def _mixed(inputs: Tensor, targets: Tensor, classes: int, alpha: float) -> tuple[Tensor, Tensor]:
    if alpha <= 0 or len(targets) < 2:
        return inputs, targets
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(len(targets))
    one_hot = F.one_hot(targets, classes).to(inputs.dtype)
    return share * inputs + (1 - share) * inputs[order], share * one_hot + (1 - share) * one_hot[order]
