"""An estimate in plain words: how good, how sure that is, what was taken for what, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from kinema.data.takes import ENOUGH
from kinema.data.wording import count

if TYPE_CHECKING:
    from kinema.training.teaching.estimate import Estimate

Level = Literal["good", "fair", "poor", "unknown"]
_GOOD = 0.9


@dataclass(frozen=True)
class Verdict:
    """`level` is `good` only where nine of ten takes were recognized; `poor` where guessing may do as well."""

    level: Level
    headline: str
    sentences: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return asdict(self)


def verdict(found: Estimate | None, takes: Mapping[str, int]) -> Verdict:
    """Say what an estimate means; `takes` counts those of each label."""
    if found is None:
        lone = [label for label, number in takes.items() if number < 2]
        return Verdict(
            "unknown",
            "Too few takes for an estimate",
            [
                "Each take is tested by a recognizer that has not seen it, so an action needs two: one to learn from, one "
                "to be tested with.",
                f"Record another take of {_quoted(lone)}.",
            ],
        )
    wrong = found.total - found.right
    low, high = found.interval
    sentences = [
        f"Each take was tested by a recognizer that had learned from the others only. "
        f"{found.right} of {found.total} right means a share of {_percent(low)} to {_percent(high)} with 95 % confidence, "
        "of takes like these: other people, other light or another place may do worse.",
    ]
    sentences += _confusions(found)
    if low <= found.chance:
        level: Level = "poor"
        if wrong:
            sentences.append(
                f"Guessing would be right {_percent(found.chance)} of the time: so few takes cannot show that this is better."
            )
    else:
        level = "good" if found.share >= _GOOD else "fair"
    few = [f"'{label}' has {count(number, 'take')}" for label, number in takes.items() if number < ENOUGH]
    if few:
        sentences.append(f"Few takes say little ({', '.join(few)}): {ENOUGH} of each action are better.")
    if not wrong:
        # All right on a few takes proves less than it looks: the level says so, the headline is still a fact.
        level = "good" if low > found.chance else "fair"
        return Verdict(level, f"All {found.total} takes were recognized", sentences)
    verb = "was" if wrong == 1 else "were"
    return Verdict(
        level,
        f"{wrong} of {found.total} takes {verb} taken for something else: record more takes of {_quoted(_weak(found))}",
        sentences,
    )


def _weak(found: Estimate) -> list[str]:
    """Return the one or two labels whose takes were mistaken most."""
    shares = {
        label: sum(not a.right for a in found.of(label)) / len(found.of(label)) for label in found.labels
    }
    most = max(shares.values())
    return [label for label, share in shares.items() if share >= most - 1e-9][:2]


def _confusions(found: Estimate) -> list[str]:
    said = []
    for label in found.labels:
        own = found.of(label)
        for other in found.labels:
            mistaken = sum(answer.answer == other for answer in own)
            if other != label and mistaken:
                said.append(f"'{label}' was taken for '{other}' in {mistaken} of {count(len(own), 'take')}.")
    return said


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _quoted(labels: list[str]) -> str:
    return " and ".join(f"'{label}'" for label in labels)
