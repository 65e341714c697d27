"""A split from beginning to end: groups joined where they share footage, one way to split, and a look for leaks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kinema.data.likeness import LikenessReport, accept_leaks, merge_groups, near_duplicates
from kinema.data.manifest import Manifest
from kinema.data.splits.at_random import random_split
from kinema.data.splits.by_group import FRACTIONS, folds, split_by_group
from kinema.data.splits.by_lists import Names, split_by_lists, split_by_table
from kinema.errors import UsageError

MERGES = ("footage", "places")
_GROUP = "group"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SplitSettings:
    """How a data set is split; at most one of the four ways other than by group is given.

    - By group, the default (`split_by_group`): `fractions`, `seed`, `replace`.
    - `folds`: a number, or "group" to hold out one at a time, with `valid` as the share of the rest (`folds`).
    - `lists`: names of videos for some splits (`split_by_lists`), or a `table` of them (`split_by_table`).
    - `by`: "clip" or "frame", at random (`random_split`), which needs `allow_leakage`.

    `merge` joins groups that share "footage", or footage or "places", beforehand; `check_content` looks for the same
    footage in two splits afterwards. `allow_leakage` accepts splits that leak, and marks them.

    Raises `UsageError` for two ways, or another `merge`.
    """

    fractions: Mapping[str, float] = field(default_factory=lambda: dict(FRACTIONS))
    seed: int = 0
    replace: bool = False
    folds: int | str | None = None
    valid: float = 0.0
    lists: Mapping[str, Names] = field(default_factory=dict)
    table: str | os.PathLike[str] | None = None
    by: str = _GROUP
    merge: str | None = None
    check_content: bool = False
    allow_leakage: bool = False

    def __post_init__(self) -> None:
        ways = {
            "folds": self.folds is not None,
            "lists of videos": bool(self.lists),
            "a table of splits": self.table is not None,
            f"by {self.by}": self.by != _GROUP,
        }
        given = [name for name, used in ways.items() if used]
        if len(given) > 1:
            raise UsageError(f"{given[0]} and {given[1]} are two ways to split; give one")
        if self.merge not in (None, *MERGES):
            raise UsageError(f"groups are merged by footage, or by places for both, not '{self.merge}'")


@dataclass(frozen=True)
class Splitting:
    """The `manifests` that came of it, one or one a fold, and what the clips have in common where that was asked for.

    `refused` says that footage is in two splits and that nobody accepted it.
    """

    manifests: list[Manifest]
    likeness: LikenessReport | None = None
    refused: bool = False

    def write(self, out: str | os.PathLike[str]) -> list[Path]:
        """Write the manifest to `out`, or the folds to `NAME-fold1.csv` and so on beside it; return the paths.

        Raises `UsageError` for a splitting that is refused.
        """
        if self.refused:
            raise UsageError(
                f"{os.fspath(out)}: the same footage is in two splits; merge groups or allow leakage"
            )
        return [one.write(path) for one, path in zip(self.manifests, self._paths(Path(out)), strict=True)]

    def _paths(self, out: Path) -> list[Path]:
        if len(self.manifests) == 1:
            return [out]
        digits = len(str(len(self.manifests)))
        return [
            out.with_name(f"{out.stem}-fold{number:0{digits}}{out.suffix}")
            for number in range(1, len(self.manifests) + 1)
        ]


def make_splits(
    manifest: Manifest,
    settings: SplitSettings | None = None,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Splitting:
    """Split a manifest as `settings` say.

    With `check_content` or `merge` all clips are decoded, `workers` videos at a time, and compared
    (`near_duplicates`, which also says what `progress` is told). Raises what the way to split raises.
    """
    settings = settings or SplitSettings()
    found = None

    def compare(compared: Manifest, between: str) -> LikenessReport:
        return near_duplicates(compared, between=between, workers=workers, progress=progress)

    if settings.merge is not None:
        found = compare(manifest, "groups")
        manifest = merge_groups(manifest, found, places=settings.merge == "places")
    if settings.folds is not None:
        made = folds(manifest, settings.folds, settings.seed, valid=settings.valid)
        # Whatever the folds, footage that two groups share is what could leak.
        found = compare(manifest, "groups") if settings.check_content and found is None else found
    else:
        made = [_split(manifest, settings)]
        found = compare(made[0], "splits") if settings.check_content else found
    if not settings.check_content or found is None or not any(found.leaks(one) for one in made):
        return Splitting(made, found)
    if not settings.allow_leakage:
        return Splitting(made, found, refused=True)
    return Splitting([accept_leaks(one, found) for one in made], found)


def _split(manifest: Manifest, settings: SplitSettings) -> Manifest:
    if settings.lists:
        return split_by_lists(manifest, settings.lists, allow_leakage=settings.allow_leakage)
    if settings.table is not None:
        return split_by_table(manifest, settings.table, allow_leakage=settings.allow_leakage)
    if settings.by != _GROUP:
        return random_split(
            manifest, settings.fractions, settings.seed, by=settings.by, allow_leakage=settings.allow_leakage
        )
    return split_by_group(manifest, settings.fractions, settings.seed, replace=settings.replace)
