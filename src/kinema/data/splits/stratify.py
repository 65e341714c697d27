"""Shares clips out among splits so that every class comes as near to its share as whole groups allow."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kinema.data.wording import natural_key


@dataclass
class Tally:
    """Clips of each class in each block of rows that must stay together: `counts` (blocks, classes)."""

    blocks: list[str]
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, table: pd.DataFrame, blocks: Sequence[str]) -> Tally:
        names = sorted(set(blocks), key=natural_key)
        labels = table["label"].fillna("").astype(str)
        classes = {label: j for j, label in enumerate(sorted(labels.unique(), key=natural_key))}
        index = {name: i for i, name in enumerate(names)}
        counts = np.zeros((len(names), max(len(classes), 1)))
        np.add.at(counts, ([index[b] for b in blocks], [classes[label] for label in labels]), 1)
        return cls(names, counts)

    def divide(self, shares: Sequence[float], absent: Sequence[float], seed: int) -> list[int]:
        """Return the part (0 …) of each block, so that every class comes as near to the shares as it can.

        Large blocks are placed first where they help most, then single blocks are moved and pairs exchanged
        while that helps; the best of several orders wins (after Sechidis et al., "On the stratification of
        multi-label data", 2011).
        """
        blocks = len(self.blocks)
        if not blocks:
            return []
        starts = 10 if blocks <= 300 else 2
        key = hashlib.sha256(repr((seed, self.blocks)).encode()).digest()
        random = np.random.default_rng(int.from_bytes(key[:8], "little"))
        cost = _Cost(self.counts, np.array(shares), np.array(absent))
        best: tuple[float, list[int]] = (math.inf, [])
        for _ in range(starts):
            order = np.lexsort((random.random(blocks), -self.counts.sum(axis=1)))
            part = cost.place(order.tolist())
            cost.improve(part, random.permutation(blocks), exchange=blocks <= 300)
            total = cost.total(part)
            if total < best[0] - 1e-9:
                best = (total, part.tolist())
        return best[1]


class _Cost:
    """How far an assignment is from its targets, class by class and in all."""

    def __init__(
        self, counts: NDArray[np.float64], shares: NDArray[np.float64], absent: NDArray[np.float64]
    ) -> None:
        # A last column holds the size, so that the parts keep their shares of all clips as well.
        self.counts = np.hstack([counts, counts.sum(axis=1, keepdims=True)])
        self.sums = np.maximum(self.counts.sum(axis=0), 1)
        self.targets = shares[:, None] * self.sums
        self.weights = np.append(np.ones(counts.shape[1]), counts.shape[1])
        self.absent = absent
        self.parts = np.arange(len(shares))

    def of(self, held: NDArray[np.float64], part: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the cost (n,) of the parts (n,) for the clips a class that they hold (n, classes + 1)."""
        far = (((held - self.targets[part]) / self.sums) ** 2 * self.weights).sum(axis=1)
        lacking = (held[:, :-1] < 0.5).sum(axis=1) * self.absent[part]
        return far + lacking + (held[:, -1] < 0.5) * 1e6

    def total(self, part: NDArray[np.int64]) -> float:
        return float(self.of(self.held(part), self.parts).sum())

    def held(self, part: NDArray[np.int64]) -> NDArray[np.float64]:
        held = np.zeros((len(self.parts), self.counts.shape[1]))
        np.add.at(held, part, self.counts)
        return held

    def place(self, order: Sequence[int]) -> NDArray[np.int64]:
        part = np.zeros(len(order), dtype=np.int64)
        held = np.zeros((len(self.parts), self.counts.shape[1]))
        for block in order:
            gain = self.of(held + self.counts[block], self.parts) - self.of(held, self.parts)
            part[block] = int(np.argmin(np.round(gain, 9)))
            held[part[block]] += self.counts[block]
        return part

    def improve(self, part: NDArray[np.int64], order: NDArray[np.int64], exchange: bool) -> None:
        held = self.held(part)
        for _ in range(5):
            moved = False
            for block in order.tolist():
                moved |= self._move(part, held, block)
                if exchange:
                    moved |= self._exchange(part, held, block)
            if not moved:
                return

    def _move(self, part: NDArray[np.int64], held: NDArray[np.float64], block: int) -> bool:
        here, clips = part[block], self.counts[block]
        now = self.of(held, self.parts)
        gain = self.of(held + clips, self.parts) - now + self.of(held - clips, self.parts)[here] - now[here]
        gain[here] = 0
        best = int(np.argmin(np.round(gain, 9)))
        if gain[best] >= -1e-9:
            return False
        held[here] -= clips
        held[best] += clips
        part[block] = best
        return True

    def _exchange(self, part: NDArray[np.int64], held: NDArray[np.float64], block: int) -> bool:
        here = int(part[block])
        others = np.flatnonzero(part != here)
        if not len(others):
            return False
        step, there, at = self.counts[others] - self.counts[block], part[others], np.full(len(others), here)
        now = self.of(held, self.parts)
        gain = self.of(held[here] + step, at) + self.of(held[there] - step, there) - now[here] - now[there]
        best = int(np.argmin(np.round(gain, 9)))
        if gain[best] >= -1e-9:
            return False
        held[here] += step[best]
        held[there[best]] -= step[best]
        part[block], part[others[best]] = there[best], here
        return True
