"""The official lists of Kinetics (label, youtube_id, time_start, time_end, split), and which clips of them are wanted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from kinema.data.columns import SPLITS, split_name
from kinema.data.readers.kinetics_list import (
    NEEDED,
    clip_name,
    is_kinetics_list,
    read_kinetics_list,
    split_of_name,
)
from kinema.data.wording import count, listing, natural_key
from kinema.errors import DataError, UsageError, closest

_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f]')
UNLABELLED = "unlabelled"
"""The folder of clips whose list gives no label, as those of some test splits."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Clips of one or more lists: columns `path, label, youtube_id, start, end, split`, one row a clip.

    `path` is CLASS/ID_000010_000020.mp4, as files of Kinetics are called; times are seconds, `split` is train,
    valid, test or None. `bad` has the rows that are no clips: columns `place` (file and line), `label`,
    `split`, `why`.
    """

    source: Path
    clips: pd.DataFrame
    bad: pd.DataFrame

    @property
    def classes(self) -> list[str]:
        return sorted(self.clips["label"].dropna().unique().tolist(), key=natural_key)


def read_lists(path: Path) -> Lists:
    """Read one list, or all lists in a folder. A clip that stands there twice counts once, the first.

    Raises `DataError` when there is none, or a file is no such list.
    """
    lists = [read_kinetics_list(file) for file in _files(path)]
    clips = pd.concat([one.clips for one in lists], ignore_index=True)
    places = [f"{one.file.name} line {line}" for one in lists for line in one.bad["line"]]
    bad = pd.concat([one.bad for one in lists], ignore_index=True).assign(place=places)
    if not len(clips):
        why = f"; {bad['place'][0]}: {bad['why'][0]}" if len(bad) else ""
        raise DataError(f"{path}: the list has no clips{why}")
    clips = clips.rename(columns={"time_start": "start", "time_end": "end"})
    folders = _folders(clips["label"].dropna().unique().tolist())
    columns = ("label", "youtube_id", "start", "end")
    clips["path"] = [
        f"{folders[label] if isinstance(label, str) else UNLABELLED}/{clip_name(name, start, end)}"
        for label, name, start, end in clips[[*columns]].itertuples(index=False, name=None)
    ]
    clips = clips.drop_duplicates("path", ignore_index=True)
    return Lists(path, clips, bad)


def choose(
    lists: Lists,
    *,
    classes: Sequence[str] | None = None,
    per_class: int | None = None,
    split: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the clips that are wanted, in the order in which to fetch them: a clip of each class in turn.

    `classes`: names, in any case, with spaces or underscores; all where None. `per_class`: at most so many of
    each class, drawn by `seed`: a larger number keeps the clips of a smaller one. `split`: train, valid or
    test (validate, val … are understood).

    Raises `UsageError` for a class or split that the lists do not have, with the nearest ones.
    """
    wanted = lists.clips[_wanted(lists, lists.clips, classes, split)]
    if not len(wanted):
        raise UsageError(f"{lists.source}: none of these classes has a clip in the split '{split}'")
    if per_class is not None:
        if per_class < 1:
            raise UsageError(f"per-class must be 1 or more, not {per_class}")
        order = [
            hashlib.blake2b(f"{seed} {path}".encode(), digest_size=8).digest() for path in wanted["path"]
        ]
        wanted = wanted.assign(_order=order).sort_values("_order").drop(columns="_order")
    turn = wanted.groupby("label", dropna=False, sort=False).cumcount()
    if per_class is not None:
        wanted, turn = wanted[turn < per_class], turn[turn < per_class]
    folder = wanted["path"].str.partition("/")[0]
    wanted = wanted.assign(_turn=turn, _folder=folder).sort_values(["_turn", "_folder"], kind="stable")
    return wanted.drop(columns=["_turn", "_folder"]).reset_index(drop=True)


def bad_rows(lists: Lists, classes: Sequence[str] | None = None, split: str | None = None) -> pd.DataFrame:
    """Return the rows that are no clips, of the chosen classes and split."""
    return lists.bad[_wanted(lists, lists.bad, classes, split)]


def _wanted(
    lists: Lists, table: pd.DataFrame, classes: Sequence[str] | None, split: str | None
) -> pd.Series[bool]:
    mask = pd.Series(True, index=table.index)
    if classes is not None:
        mask &= table["label"].isin(_named(lists, classes))
    if split is not None:
        mask &= table["split"] == _split(lists, split)
    return mask


def _named(lists: Lists, classes: Sequence[str]) -> list[str]:
    known = {_plain(label): label for label in lists.classes}
    if not known:
        raise UsageError(f"{lists.source}: these clips have no labels, so no class can be chosen")
    unknown = [name for name in classes if _plain(name) not in known]
    if unknown or not classes:
        if not unknown:
            raise UsageError("no class is named; leave out --classes for all of them")
        near = get_close_matches(_plain(unknown[0]), list(known), n=3, cutoff=0.5)
        words = set(_plain(unknown[0]).split())
        near += [name for name in known if words & set(name.split()) and name not in near][: 3 - len(near)]
        hint = f"did you mean {' or '.join(repr(known[name]) for name in near)}?" if near else "see its lists"
        raise UsageError(
            f"{lists.source}: unknown class {listing(map(repr, unknown))}; {hint} "
            f"({count(len(known), 'class', 'classes')})"
        )
    return list(dict.fromkeys(known[_plain(name)] for name in classes))


def _split(lists: Lists, word: str) -> str:
    name = split_name(word)
    if name is None:
        raise UsageError(f"unknown split '{word}'; {closest(word, SPLITS)}")
    there = [known for known in SPLITS if (lists.clips["split"] == known).any()]
    if name not in there:
        raise UsageError(
            f"{lists.source}: no clip is in the split '{word}'; there is {listing(there) or 'none'}"
        )
    return name


def _plain(label: str) -> str:
    return " ".join(label.replace("_", " ").casefold().split())


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [
        file
        for file in sorted(path.rglob("*.csv"), key=lambda file: natural_key(file.as_posix()))
        if not any(part.startswith(".") for part in file.relative_to(path).parts) and is_kinetics_list(file)
    ]
    if not found:
        raise DataError(f"{path}: no list of Kinetics here; give a CSV with {','.join(NEEDED)}")
    return sorted(found, key=lambda file: SPLITS.index(split_of_name(file) or "test"))


def _folders(labels: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    taken: set[str] = {UNLABELLED}
    for label in sorted(labels, key=natural_key):
        name = _NOT_IN_NAMES.sub("_", label).strip(" .") or "_"
        if name.casefold() in taken:  # "a/b" and "a_b", or "A" and "a" where case does not count
            name += f"_{hashlib.blake2b(label.encode(), digest_size=3).hexdigest()}"
        taken.add(name.casefold())
        found[label] = name
    return found
