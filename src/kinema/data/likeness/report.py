"""What a search for near-duplicates found: pairs of clips with the same footage, and clips of the same place."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from kinema.data.manifest import Manifest, Segment
from kinema.data.segments import named
from kinema.data.wording import count, listing, natural_key


@dataclass(frozen=True)
class NearDuplicate:
    """Two segments that show the same footage.

    The `seconds` from `first_start` on in the first video show what those from `second_start` on show in the
    second (seconds from the start of the videos), `mirrored` as in a mirror. `likeness` (to 1) is the
    correlation of all that moves; where nothing does (`still`), of the pictures.
    """

    first: Segment
    second: Segment
    first_start: float
    second_start: float
    seconds: float
    mirrored: bool
    still: bool
    likeness: float

    def __str__(self) -> str:
        times = f"{self.seconds:.1f} s from {self.first_start:.2f} s and from {self.second_start:.2f} s"
        traits = [times, *(["mirrored"] if self.mirrored else []), *(["nothing moves"] if self.still else [])]
        return f"{with_split(self.first)} = {with_split(self.second)}: {', '.join(traits)}, likeness {self.likeness:.2f}"


@dataclass(frozen=True)
class LikenessReport:
    """What clips of a manifest have in common across `between` (splits, groups or clips).

    `pairs`: the same footage, worst first: those in different splits, the longest first. `places`: rows of
    clips that show the same place with other footage, which is no leak in itself. `problems`: a line for each
    video that could not be compared.
    """

    manifest: Manifest
    between: str
    pairs: list[NearDuplicate]
    places: list[tuple[int, ...]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def leaks(self, manifest: Manifest | None = None) -> list[NearDuplicate]:
        """Return the pairs that stand in different splits (of another manifest with the same rows)."""
        split = (manifest or self.manifest).table["split"].tolist()
        return [pair for pair in self.pairs if differ(split[pair.first.row], split[pair.second.row])]

    def table(self) -> pd.DataFrame:
        """Return one row a pair: both names, splits and groups, times in seconds, mirrored, still, likeness."""
        ends = ("first", "second")
        columns = [f"{end}_{what}" for end in ends for what in ("video", "split", "group", "label", "start")]
        rows = [
            [
                *(part for end, start in ((pair.first, pair.first_start), (pair.second, pair.second_start))
                  for part in (end.name, end.split, end.group, end.label, round(start, 3))),
                round(pair.seconds, 3), pair.mirrored, pair.still, round(pair.likeness, 3),
            ]
            for pair in self.pairs
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=[*columns, "seconds", "mirrored", "still", "likeness"])

    def text(self, most: int = 20) -> str:
        """Return a summary, then the first `most` pairs and the largest places, a line each."""
        where = {"splits": " of different splits", "groups": " of different groups", "clips": ""}[
            self.between
        ]
        found = f"{count(len(self.pairs), 'pair') if self.pairs else 'no pair'}{where}"
        verb = "show" if len(self.pairs) > 1 else "shows"
        lines = [f"content of {count(len(self.manifest), 'clip')} compared: {found} {verb} the same footage"]
        lines += [f"  {self._word(pair)}  {pair}" for pair in self.pairs[:most]]
        if len(self.pairs) > most:
            lines.append(f"  and {count(len(self.pairs) - most, 'more pair')}")
        segments = self.manifest.segments()
        for rows in self.places[:5]:
            names: list[str] = sorted({segments[row].name for row in rows}, key=natural_key)
            shown = listing(names, 4)
            lines.append(f"  same place, other footage  {count(len(rows), 'clip')}: {shown}")
        if len(self.places) > 5:
            lines.append(f"  and {count(len(self.places) - 5, 'more place')}")
        return "\n".join([*lines, *(f"  not compared  {problem}" for problem in self.problems[:most])])

    def _word(self, pair: NearDuplicate) -> str:
        return "leak" if differ(pair.first.split, pair.second.split) else "near-duplicate"


def differ(one: str | None, other: str | None) -> bool:
    """Whether both are known and not the same."""
    return one is not None and other is not None and one != other


def with_split(segment: Segment) -> str:
    """Return the name of a segment with its times and its split, where it has them."""
    return named(segment) + (f" ({segment.split})" if segment.split else "")
