"""Which clips a page shows: read from its address, written back into it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from kinema.mining.review import State
from kinema.web.review.clips import day_of
from kinema.web.review.models import Clip

WAITING = "waiting"
STATES = (
    (WAITING, "to review"),
    (State.ACCEPTED.value, "accepted"),
    (State.WRONG.value, "wrong"),
    (State.DISPUTED.value, "disputed"),
)
OPEN_STATES = (State.NEW.value, State.OPEN.value)


@dataclass(frozen=True)
class ClipFilter:
    """What the clips of a page have in common; "" for anything. `score`: at least so much; `day`: by the site's clock."""

    label: str = ""
    source: str = ""
    day: str = ""
    score: str = ""
    kind: str = ""
    state: str = ""

    @classmethod
    def of(cls, given: Any) -> Self:
        """Read a filter from an address or a form; what makes no sense is left out."""
        found = cls(**{name: str(given.get(name, "")).strip()[:300] for name in cls.__dataclass_fields__})
        return cls(
            label=found.label,
            source=found.source,
            day=found.day if day_of(found.day) else "",
            score=found.score if found.lowest is not None else "",
            kind=found.kind if found.kind in Clip.Kind.values else "",
            state=found.state if found.state in dict(STATES) else "",
        )

    @property
    def lowest(self) -> float | None:
        """The lowest score; None for any."""
        try:
            value = float(self.score)
        except ValueError:
            return None
        return value if 0 <= value <= 1 else None

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def clips(self) -> QuerySet[Clip]:
        """Return the clips, newest first."""
        found = Clip.objects.all()
        if self.label:
            # A clip is found under what it was called, and under what people call it.
            found = found.filter(Q(label=self.label) | Q(agreed=self.label))
        if self.source:
            found = found.filter(source=self.source)
        if self.kind:
            found = found.filter(kind=self.kind)
        if (day := day_of(self.day)) is not None:
            found = found.filter(recorded__gte=day, recorded__lt=day + timedelta(days=1))
        if (lowest := self.lowest) is not None:
            found = found.filter(score__gte=lowest)
        if self.state:
            found = found.filter(state__in=OPEN_STATES if self.state == WAITING else [self.state])
        return found

    def without_state(self) -> ClipFilter:
        """Return the filter of the same clips in any state."""
        return ClipFilter(**{**asdict(self), "state": ""})

    @property
    def fields(self) -> dict[str, str]:
        """What is set."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def query(self) -> str:
        """The filter as the query of an address, with "?"; "" for none."""
        return f"?{urlencode(self.fields)}" if self.fields else ""


def choices() -> dict[str, list[str]]:
    """Return the labels and sources to choose from, in two queries."""
    from kinema.data.wording import natural_key

    labels = Clip.objects.order_by().values_list("label", flat=True).distinct()
    agreed = Clip.objects.order_by().exclude(agreed="").values_list("agreed", flat=True).distinct()
    sources = Clip.objects.order_by().exclude(source="").values_list("source", flat=True).distinct()
    return {
        "labels": sorted(labels.union(agreed), key=natural_key),
        "sources": sorted(sources, key=natural_key),
    }
