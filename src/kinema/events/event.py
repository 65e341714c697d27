"""Event: something that happened, with a beginning, an end and a peak, in place of single frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from kinema.errors import DataError


@dataclass(frozen=True)
class Event:
    """A stretch of one source during which one label was seen.

    `start`, `end`, `peak_time`: seconds from the source's first frame, `end` that of the last row that supported the label,
    so far where the event goes on (`ended` false); of a single row a millisecond later, so that `end > start` holds.
    `peak` and `mean` are smoothed probabilities of `label`, the largest and the average over the rows that supported it;
    `means` averages every class over the same rows, and `rows` counts them.

    `source`: the name of the video or camera. `id`: unique among the events of one process and its folder.
    `began_at`: date and time of `start`, ISO 8601 in UTC, of a live source. `alert` is false where a cooldown has silenced
    the event: it is kept and shown, and nobody is told. `clip` and `thumbnail`: paths below the folder of the events.
    """

    label: str
    start: float
    end: float
    peak: float
    peak_time: float
    mean: float
    means: dict[str, float] = field(default_factory=dict)
    rows: int = 1
    source: str = ""
    id: str = ""
    ended: bool = True
    alert: bool = True
    began_at: str | None = None
    clip: str | None = None
    thumbnail: str | None = None

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start

    def to_dict(self) -> dict[str, Any]:
        """Return the values ready for JSON, times and probabilities rounded to a millionth."""
        values = asdict(self)
        for name, value in values.items():
            if isinstance(value, float):
                values[name] = round(value, 6)
        values["means"] = {name: round(value, 6) for name, value in self.means.items()}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Event:
        """Return the event of `to_dict`; names that this version does not know are passed over.

        Raises `DataError` when something needed is missing or of the wrong kind.
        """
        known = {entry.name for entry in fields(cls)}
        try:
            found = cls(**{name: value for name, value in values.items() if name in known})
            float(found.start), float(found.end), float(found.peak)
        except (TypeError, ValueError) as error:
            raise DataError(f"not an event ({error}): {str(dict(values))[:80]}") from error
        return found
