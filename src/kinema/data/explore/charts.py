"""The numbers behind the charts of the page; its template draws them as SVG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kinema.data.columns import SPLITS
from kinema.data.explore.facts import ClipFacts
from kinema.data.manifest import Manifest
from kinema.data.wording import count

_MOST_BINS = 30
_WIDE_RANGE = 200.0  # a larger ratio of longest to shortest is shown in steps that grow


@dataclass(frozen=True)
class Part:
    """A piece of a bar: `kind` is a split or "none" or "all"; `start` and `width` in percent of the chart."""

    kind: str
    start: float
    width: float
    number: int


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart; `text` says its length in words."""

    name: str
    value: int
    text: str
    parts: tuple[Part, ...]

    def number(self, kind: str) -> int:
        """Return how many clips the part of that kind stands for."""
        return sum(part.number for part in self.parts if part.kind == kind)


@dataclass(frozen=True)
class Chart:
    """Bars, longest first unless they have an order of their own; `note` says what is left out."""

    title: str
    bars: tuple[Bar, ...]
    note: str = ""


@dataclass(frozen=True)
class Bin:
    """One column of a histogram, from `low` to `high`; `height` in percent of the highest."""

    low: float
    high: float
    value: int
    height: float


@dataclass(frozen=True)
class Histogram:
    """Columns of numbers of clips, with the least, the median and the greatest value."""

    title: str
    unit: str
    bins: tuple[Bin, ...]
    least: float
    middle: float
    most: float
    note: str = ""


def by_split(
    manifest: Manifest, values: Iterable[str | None], title: str, names: Sequence[str], note: str = ""
) -> Chart:
    """Return the clips of each name, divided by split; `values` has that of each row."""
    split, divided = manifest.table["split"], bool(manifest.splits)
    counted = Counter(zip(values, split.where(split.notna(), "none"), strict=True))
    totals = {name: [counted[name, part] for part in (*SPLITS, "none")] for name in names}
    longest = max((sum(parts) for parts in totals.values()), default=1)
    bars = []
    for name, numbers in totals.items():
        start, parts = 0.0, []
        for kind, number in zip((*SPLITS, "none"), numbers, strict=True):
            width = 100 * number / max(1, longest)
            if number:
                kind = kind if divided else "all"
                parts.append(Part(kind, round(start, 3), round(width, 3), number))
            start += width
        texts = [f"{number:,} {kind}" for kind, number in zip(SPLITS, numbers[:3], strict=True) if number]
        bars.append(Bar(name, sum(numbers), ", ".join(texts), tuple(parts)))
    return Chart(title, tuple(bars), note)


def groups(manifest: Manifest, most: int = 24) -> Chart:
    """Return the largest groups by split, and how many clips the others have."""
    sizes = manifest.table["group"].value_counts()
    divided = manifest.divided("group")
    order = {name: i for i, name in enumerate(manifest.groups)}
    first = sorted(divided[:most], key=lambda name: order[name])
    rest = sorted(
        (name for name in sizes.index if name not in set(first)), key=lambda n: (-sizes[n], order[n])
    )
    shown = [*first, *rest[: most - len(first)]]
    left = sizes[[name for name in sizes.index if name not in set(shown)]]
    note = "no clip has a group" if not len(sizes) else ""
    if len(left):
        span = f"{left.min()}" if left.min() == left.max() else f"{left.min()} to {left.max()}"
        each = "each with" if len(left) > 1 else "with"
        note = f"and {count(len(left), 'group')} more, {each} {span} {'clip' if span == '1' else 'clips'}"
    return by_split(manifest, manifest.table["group"], "Groups", shown, note)


def splits(manifest: Manifest) -> Chart:
    """Return the clips of each split, with its groups."""
    table = manifest.table.assign(
        split=manifest.table["split"].where(manifest.table["split"].notna(), "none")
    )
    names = [name for name in (*SPLITS, "none") if (table["split"] == name).any()]
    longest = max((int((table["split"] == name).sum()) for name in names), default=1)
    bars = []
    for name in names:
        rows = table[table["split"] == name]
        width = 100 * len(rows) / max(1, longest)
        text = count(int(rows["group"].nunique()), "group")
        bars.append(
            Bar(
                "no split" if name == "none" else name,
                len(rows),
                text,
                (Part(name if manifest.splits else "all", 0.0, round(width, 3), len(rows)),),
            )
        )
    return Chart("Splits", tuple(bars))


def counts(
    title: str, clips: Sequence[ClipFacts], value: Callable[[ClipFacts], Hashable], most: int = 10
) -> Chart:
    """Return how many clips have each value, commonest first, the rare ones together."""
    counted = Counter(str(value(clip)) for clip in clips if clip.seen and value(clip))
    common = counted.most_common()
    rest = common[most:] if len(common) > most + 1 else []
    rows = common[: len(common) - len(rest)]
    longest = max((number for _, number in rows), default=1)
    total = max(1, sum(counted.values()))
    bars = [
        Bar(
            name,
            number,
            f"{100 * number / total:.0f} %",
            (Part("all", 0.0, round(100 * number / longest, 3), number),),
        )
        for name, number in rows
    ]
    note = ""
    if rest:
        note = f"and {count(len(rest), 'other')}, {count(sum(number for _, number in rest), 'clip')}"
    return Chart(title, tuple(bars), note)


def histogram(title: str, unit: str, values: Iterable[float]) -> Histogram | None:
    """Return a histogram of numbers above 0, in growing steps where they range widely; None for no numbers."""
    # Lengths that differ by rounding alone would leave bins of no width.
    numbers = np.round(np.array([value for value in values if value > 0], dtype=float), 6)
    if not len(numbers):
        return None
    low, high = float(numbers.min()), float(numbers.max())
    note = ""
    if high / low > _WIDE_RANGE:
        edges = np.geomspace(low, high, 21)
        note = "each column reaches further than the one before"
    elif high == low:
        edges = np.array([low, high])
    else:
        edges = np.histogram_bin_edges(numbers, bins="auto")
        if len(edges) - 1 > _MOST_BINS:
            edges = np.linspace(low, high, _MOST_BINS + 1)
    edges[0], edges[-1] = low, high
    heights = np.histogram(numbers, edges)[0] if high > low else np.array([len(numbers)])
    bins = tuple(
        Bin(float(a), float(b), int(n), round(100 * float(n) / float(heights.max()), 2))
        for a, b, n in zip(edges[:-1], edges[1:], heights, strict=True)
    )
    return Histogram(title, unit, bins, low, float(np.median(numbers)), high, note)


@dataclass(frozen=True)
class ClassRow:
    """One class in numbers: seconds are of the clips that were looked at."""

    name: str
    bar: Bar
    groups: int
    seconds: float
    median_seconds: float
    odd: int


def class_rows(manifest: Manifest, clips: Sequence[ClipFacts], odd: Sequence[bool]) -> list[ClassRow]:
    """Return one row a class, in natural order; clips without a label come last under an empty name."""
    table = manifest.table
    labels = table["label"].where(table["label"].notna(), "")
    names = [*manifest.classes, *([""] if (labels == "").any() else [])]
    bars = by_split(manifest, labels, "Classes", names).bars
    seconds: dict[str, list[float]] = {}
    strange: Counter[str] = Counter()
    for clip, is_odd in zip(clips, odd, strict=True):
        name = clip.segment.label or ""
        strange[name] += is_odd
        if clip.seen:
            seconds.setdefault(name, []).append(clip.seconds)
    groups_of = pd.Series(table["group"]).groupby(labels).nunique()
    return [
        ClassRow(
            name,
            bar,
            int(groups_of.get(name, 0)),
            sum(seconds.get(name, [])),
            float(np.median(seconds[name])) if name in seconds else 0.0,
            strange[name],
        )
        for name, bar in zip(names, bars, strict=True)
    ]
