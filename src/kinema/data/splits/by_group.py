"""Splits and folds that keep each group whole, and the search for leaks in splits that others made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from kinema.data.columns import SPLITS
from kinema.data.groups import assign_groups, tied_rows
from kinema.data.leaky import COLUMN, MENDED_BY_GROUPS
from kinema.data.manifest import Manifest
from kinema.data.splits.stratify import Tally
from kinema.data.wording import count, listing, natural_key
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
    shares = checked_shares(FRACTIONS if fractions is None else fractions)
    manifest = _grouped(manifest)
    notes = list(manifest.notes)
    table = without_splits(manifest.table) if replace else manifest.table
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
    blocks = blocks_of(table)
    place = {block: name for block, name, moves in zip(blocks, given, free, strict=True) if not moves}
    moving = [block not in place for block in blocks]
    tally = Tally.of(table[moving], [block for block, moves in zip(blocks, moving, strict=True) if moves])
    if len(set(blocks)) < len(wanted) or (
        free.any() and len(tally.blocks) < len(wanted) and not given.isna().any()
    ):
        if manifest.split_by is not None and not given.isna().any():
            kept = f"no {' and '.join(missing)}: the given splits divide the groups to take from"
            return manifest.replace(table, [*manifest.notes, kept])
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
    blocks = blocks_of(manifest.table)
    tally = Tally.of(manifest.table, blocks)
    table = without_splits(manifest.table)
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
        one = manifest.replace(table.assign(split=pd.Series(split, dtype=object)), notes)
        if valid:
            one = split_by_group(one, {"train": 1 - valid, "valid": valid}, seed)
        test = one.filter(split="test").groups
        one.notes.append(f"fold {fold + 1} of {number}: test groups {listing(test)}")
        made.append(one)
    return made


def blocks_of(table: pd.DataFrame) -> list[str]:
    """Return the block of each row, named by its first group: rows are tied by their group and by their video."""
    first: dict[str, int] = {}
    same_video = [(first.setdefault(name, row), row) for row, name in enumerate(table["video"])]
    return tied_rows(table["group"].tolist(), same_video)


def without_splits(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table without splits, and without the mark of a leak that splitting by group mends."""
    if COLUMN in table.columns and set(table[COLUMN].dropna()) <= set(MENDED_BY_GROUPS):
        table = table.drop(columns=COLUMN)
    return table.assign(split=None)


def _grouped(manifest: Manifest) -> Manifest:
    if not len(manifest):
        raise DataError(f"{_name(manifest)}: there are no clips to split")
    return assign_groups(manifest) if manifest.table["group"].isna().any() else manifest


def checked_shares(fractions: Mapping[str, float]) -> dict[str, float]:
    """Return the shares of the wanted splits in the order train, valid, test. Raises `UsageError` unless they sum to 1."""
    for name, share in fractions.items():
        if name not in SPLITS:
            raise UsageError(f"unknown split '{name}'; {closest(name, SPLITS)}")
        if not 0 <= share <= 1:
            raise UsageError(f"the fraction of {name} must be between 0 and 1, not {share}")
    if abs(sum(fractions.values()) - 1) > 1e-6:
        given = ", ".join(f"{share:g}" for share in fractions.values())
        raise UsageError(f"fractions must sum to 1, but {given} sum to {sum(fractions.values()):g}")
    return {name: fractions[name] for name in SPLITS if fractions.get(name, 0) > 0}


def parse_fractions(text: str) -> dict[str, float]:
    """Return the shares of train, valid and test.

    >>> parse_fractions("0.7,0.15,0.15")
    {'train': 0.7, 'valid': 0.15, 'test': 0.15}

    Raises `UsageError` for anything but three numbers.
    """
    try:
        train, valid, test = (float(part) for part in text.split(","))
    except ValueError as error:
        what = f"--fractions {text}: give three numbers for train,valid,test: 0.7,0.15,0.15"
        raise UsageError(what) from error
    return {"train": train, "valid": valid, "test": test}


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
