"""Splits and folds that keep each group whole, and the search for leaks in splits that others made."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kinema.data.groups import assign_groups
from kinema.data.manifest import Manifest
from kinema.data.readers.tables import SPLITS, count, listing, natural_key
from kinema.errors import DataError, UsageError, closest

FRACTIONS = {"train": 0.7, "valid": 0.15, "test": 0.15}

# What a class absent from a split costs: nothing can be learnt without train, nothing reported without test.
_ABSENT = {"train": 1000.0, "test": 10.0, "valid": 5.0}


def split_by_group(
    manifest: Manifest, fractions: Mapping[str, float] | None = None, seed: int = 0, *, replace: bool = False
) -> Manifest:
    """Return the manifest with each row in train, valid or test, no group divided, classes in equal
    proportion.

    `fractions` gives the share of each wanted split (default 0.7, 0.15, 0.15). Splits that the table has are
    kept, and only what is missing is made: rows without a split are given one, and a missing valid (or test)
    is taken out of train; `replace=True` forgets them all. Rows without a group are grouped by
    `assign_groups`. Rows of one video count as one group too. The result depends on the rows and the seed,
    not on the order of the rows. `notes` says what was done and what could not be: a class whose clips are
    all of one group stays in train.

    Raises `UsageError` for fractions that are not shares of 1, `DataError` when there are fewer groups than
    splits.
    """
    shares = _shares(FRACTIONS if fractions is None else fractions)
    manifest = _grouped(manifest)
    notes = list(manifest.notes)
    table = manifest.table.assign(split=None) if replace else manifest.table
    given = table["split"]
    missing = [name for name in shares if not (given == name).any()]
    if given.isna().all():
        free, wanted = given.isna(), list(shares)
    elif given.isna().any():
        free, wanted = given.isna(), list(shares)
        notes.append(f"{count(int(free.sum()), 'clip')} without a split given one; the others keep theirs")
    elif missing and (given == "train").any():
        free, wanted = given == "train", [name for name in SPLITS if name == "train" or name in missing]
        notes.append(f"{' and '.join(missing)} taken from train by group; the other given splits are kept")
    elif missing:
        raise DataError(
            f"{_name(manifest)}: no train split to take {listing(missing)} from; replace the given splits"
        )
    else:
        kept = f"the given splits are kept ({', '.join(manifest.splits)}); ask to replace them for new ones"
        return manifest.replace(table, [*notes, kept])
    blocks = _blocks(table)
    place = {block: name for block, name, moves in zip(blocks, given, free, strict=True) if not moves}
    moving = [block not in place for block in blocks]
    tally = _Tally.of(table[moving], [block for block, moves in zip(blocks, moving, strict=True) if moves])
    if len(set(blocks)) < len(wanted) or (
        free.any() and len(tally.blocks) < len(wanted) and not given.isna().any()
    ):
        raise DataError(
            f"{_name(manifest)}: {count(len(tally.blocks), 'group')} cannot fill {len(wanted)} splits "
            f"({', '.join(wanted)}) without dividing one; add recordings, or ask for fewer splits"
        )
    parts = [shares.get(name, 0.0) for name in wanted]
    chosen = tally.divide([part / sum(parts) for part in parts], [_ABSENT[name] for name in wanted], seed)
    place |= {block: wanted[part] for block, part in zip(tally.blocks, chosen, strict=True)}
    # A given split that divides a group stays as it is, and is reported.
    split = [
        place[block] if moves or not isinstance(name, str) else name
        for block, moves, name in zip(blocks, moving, given, strict=True)
    ]
    result = manifest.replace(table.assign(split=pd.Series(split, index=table.index, dtype=object)), notes)
    result.notes += _report(result, list(shares), seed)
    return result


def folds(manifest: Manifest, k: int | str, seed: int = 0, *, valid: float = 0.0) -> list[Manifest]:
    """Return one manifest a fold, in which `split` is test for the groups left out and train for the rest.

    `k` is the number of folds, stratified and by group, or "group" to leave one group out at a time. `valid`
    is the share of the remaining clips to take as a validation split, by group. Given splits are forgotten.
    The last note of each names the fold and the groups of its test split.

    Raises `UsageError` for another `k`, `DataError` when there are fewer groups than folds.
    """
    if not 0 <= valid < 1:
        raise UsageError(f"valid is the share of clips to validate on, from 0 to below 1, not {valid}")
    manifest = _grouped(manifest)
    blocks = _blocks(manifest.table)
    tally = _Tally.of(manifest.table, blocks)
    if k == "group":
        number, chosen = len(tally.blocks), list(range(len(tally.blocks)))
    elif isinstance(k, int) and k >= 2:
        number = k
    else:
        raise UsageError(
            f"folds are a number from 2 up, or 'group' to leave one group out at a time, not {k!r}"
        )
    if len(tally.blocks) < max(number, 2):
        have = count(len(tally.blocks), "group")
        mend = "ask for fewer, or add recordings"
        raise DataError(f"{_name(manifest)}: {have} cannot make {max(number, 2)} folds; {mend}")
    if k != "group":
        chosen = tally.divide([1 / number] * number, [10.0] * number, seed)
    fold_of = dict(zip(tally.blocks, chosen, strict=True))
    notes = [*manifest.notes, *(["the given splits are set aside for folds"] if manifest.splits else [])]
    made = []
    for fold in range(number):
        split = ["test" if fold_of[block] == fold else "train" for block in blocks]
        one = manifest.replace(manifest.table.assign(split=pd.Series(split, dtype=object)), notes)
        if valid:
            one = split_by_group(one, {"train": 1 - valid, "valid": valid}, seed)
        test = one.filter(split="test").groups
        one.notes.append(f"fold {fold + 1} of {number}: test groups {listing(test)}")
        made.append(one)
    return made


@dataclass
class _Tally:
    """Clips of each class in each block of rows that must stay together: `counts` (blocks, classes)."""

    blocks: list[str]
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, table: pd.DataFrame, blocks: Sequence[str]) -> _Tally:
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


def _blocks(table: pd.DataFrame) -> list[str]:
    # Rows are tied by their group and by their video; a block is named by its first group in natural order.
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    pairs = [(f"g{g}", f"v{v}") for g, v in zip(table["group"], table["video"], strict=True)]
    for group, video in sorted(set(pairs)):
        first, second = sorted((root(group), root(video)), key=natural_key)
        parent[second] = first
    return [root(group)[1:] for group, _ in pairs]


def _grouped(manifest: Manifest) -> Manifest:
    if not len(manifest):
        raise DataError(f"{_name(manifest)}: there are no clips to split")
    return assign_groups(manifest) if manifest.table["group"].isna().any() else manifest


def _shares(fractions: Mapping[str, float]) -> dict[str, float]:
    for name, share in fractions.items():
        if name not in SPLITS:
            raise UsageError(f"unknown split '{name}'; {closest(name, SPLITS)}")
        if not 0 <= share <= 1:
            raise UsageError(f"the fraction of {name} must be between 0 and 1, not {share}")
    if abs(sum(fractions.values()) - 1) > 1e-6:
        given = ", ".join(f"{share:g}" for share in fractions.values())
        raise UsageError(f"fractions must sum to 1, but {given} sum to {sum(fractions.values()):g}")
    return {name: fractions[name] for name in SPLITS if fractions.get(name, 0) > 0}


def _report(manifest: Manifest, wanted: Sequence[str], seed: int) -> list[str]:
    table = manifest.table
    parts = []
    for name in (name for name in SPLITS if name in wanted or name in manifest.splits):
        part = table[table["split"] == name]
        groups = count(part["group"].nunique(), "group")
        parts.append(f"{name} {count(len(part), 'clip')} ({len(part) / len(table):.0%}) of {groups}")
    notes = [f"split by group, seed {seed}: {', '.join(parts)}"]
    held = table.groupby("label")["group"].nunique()
    lone = [name for name in manifest.classes if held[name] < len(parts)]
    if lone:
        shown = listing([f"'{name}' ({count(int(held[name]), 'group')})" for name in lone])
        notes.append(f"cannot be in every split, having fewer groups than there are splits: {shown}")
    for name in manifest.splits:
        lacking = set(manifest.classes) - set(table.loc[table["split"] == name, "label"].dropna()) - set(lone)
        if lacking:
            notes.append(f"{name} has no clip of {listing(map(repr, sorted(lacking, key=natural_key)))}")
    if manifest.divided("group"):
        divided = listing(map(repr, manifest.divided("group")), 3)
        notes.append(f"the given splits divide the group {divided}: they leak")
    return notes


def _name(manifest: Manifest) -> str:
    return str(manifest.path or manifest.root)
