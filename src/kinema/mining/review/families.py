"""Families: clips that show the same footage, of one video or of several; they are reviewed side by side, and split together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from kinema.errors import KinemaError
from kinema.mining.review.candidate import Candidate

if TYPE_CHECKING:
    from kinema.data import Manifest


@dataclass(frozen=True)
class Families:
    """`family_of`: the family of each clip that has company, by uid. `problems`: a line for each video that was not compared."""

    family_of: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def neighbours(self, uid: str) -> list[str]:
        """Return the uids of the clips that show the same as one, without itself."""
        return [near for near in self._members.get(self.family_of.get(uid, ""), ()) if near != uid]

    @cached_property
    def _members(self) -> dict[str, list[str]]:
        members: dict[str, list[str]] = {}
        for uid, family in self.family_of.items():
            if family:
                members.setdefault(family, []).append(uid)
        return members


def find_families(
    manifest: Manifest,
    candidates: Sequence[Candidate],
    *,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Families:
    """Compare the clips of a manifest by what they show (`kinema.data.likeness.near_duplicates`).

    `candidates`: those of its rows, in their order. A family is called as the first of its clips. Clips that cannot be
    compared have no family: they can be reviewed all the same.
    """
    from kinema.data.groups import tied_rows
    from kinema.data.likeness import near_duplicates

    if len(candidates) < 2:
        return Families({})
    try:
        report = near_duplicates(manifest, between="clips", workers=workers, progress=progress)
    except KinemaError as error:
        return Families({}, [f"no clip was compared with another: {error}"])
    uids = [candidate.uid for candidate in candidates]
    joins = [(pair.first.row, pair.second.row) for pair in report.pairs]
    names = tied_rows(uids, joins)
    alike = {names[row] for pair in joins for row in pair}
    found = {uid: name for uid, name in zip(uids, names, strict=True) if name in alike}
    return Families(found, report.problems)
