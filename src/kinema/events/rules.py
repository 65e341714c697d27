"""What turns rows of probabilities into events: smoothing, thresholds, durations, pauses. Stored with a recognizer."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from kinema.errors import DataError, UsageError, closest
from kinema.files import write_json

Smoothing = Literal["none", "exponential", "median"]
RULES_FILE = "events.json"
"""Name of the rules inside a recognizer's folder."""


@dataclass(frozen=True)
class LabelRule:
    """When a label begins and stops being an event.

    - It begins once its smoothed probability has been at least `enter` for `consecutive` rows in a row, and for
      `min_seconds` (from the first of these rows to the newest); its start is the first of them.
    - It stops at the first row whose probability is below `leave`, or which supports no label; its end is the last row
      before. Where a row at most `merge_gap` seconds after that end is at `enter` again, it goes on: the gap belongs to
      it, and the rows of the gap count in none of its averages. So it is told to have ended only at the first row that is
      later than that.
    - It never spans a time in which the source was away (`kinema.events.gaps.GapWatch`: more than 2 s and four times the
      usual spacing of rows without any row): it has then ended with the last row, whatever `merge_gap` is.
    - `cooldown`: an event that starts less than so many seconds after the end of the last one of this label and source
      that alerted, alerts nobody. Silenced events do not prolong it.
    """

    enter: float = 0.6
    leave: float = 0.4
    min_seconds: float = 0.5
    consecutive: int = 2
    merge_gap: float = 0.5
    cooldown: float = 10.0

    def __post_init__(self) -> None:
        for name in ("enter", "leave"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value <= 1:
                raise UsageError(f"event setting {name}={value!r}: give a probability between 0 and 1")
        if self.leave > self.enter:
            raise UsageError(
                f"event setting leave={self.leave:g}: not above enter ({self.enter:g}), or an event would stop as it begins"
            )
        for name in ("min_seconds", "merge_gap", "cooldown"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value < math.inf:
                raise UsageError(f"event setting {name}={value!r}: give seconds, 0 or more")
        if (
            not isinstance(self.consecutive, int)
            or isinstance(self.consecutive, bool)
            or self.consecutive < 1
        ):
            raise UsageError(
                f"event setting consecutive={self.consecutive!r}: give a whole number of rows, at least 1"
            )


@dataclass(frozen=True)
class EventRules:
    """How the probabilities of a stream become events; the same for a file and a camera.

    - `smoothing`: `exponential` (time constant `smoothing_seconds`), `median` of the rows of the last `smoothing_seconds`,
      or `none`; causal. `Smoother` says it exactly. Rows of unknown classes are smoothed as all others.
    - `labels`: those that make events; empty: every class that is not in `background`.
    - `default` is the `LabelRule` of every label, `per_label` of single ones.
    - `unknown`: a row whose largest calibrated probability is below it supports no label; 0 switches it off.
    - `unknown_energy`: a row whose energy, -T log sum exp(logits / T) (Liu et al., "Energy-based Out-of-distribution
      Detection", NeurIPS 2020, arXiv 2010.03759), is above it supports no label; None switches it off.
    - `lag`: seconds by which the rows run behind what they show, since a row is about the window that ends with it; events
      are shown that much earlier, never before 0 nor before the end of the label's last event. Half a window is usual;
      `kinema evaluate-events` finds it on the valid split.
    - `partial`: whether rows count before the first window is full; otherwise they support no label and are not smoothed.
    """

    smoothing: Smoothing = "exponential"
    smoothing_seconds: float = 0.5
    labels: tuple[str, ...] = ()
    background: tuple[str, ...] = ()
    default: LabelRule = field(default_factory=LabelRule)
    per_label: dict[str, LabelRule] = field(default_factory=dict)
    unknown: float = 0.0
    unknown_energy: float | None = None
    lag: float = 0.0
    partial: bool = False

    def __post_init__(self) -> None:
        if self.smoothing not in get_args(Smoothing):
            known = get_args(Smoothing)
            raise UsageError(
                f"event setting smoothing={self.smoothing!r}: {closest(str(self.smoothing), known)}"
            )
        for name in ("smoothing_seconds", "lag"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value < math.inf:
                raise UsageError(f"event setting {name}={value!r}: give seconds, 0 or more")
        if not _is_number(self.unknown) or not 0 <= self.unknown <= 1:
            raise UsageError(f"event setting unknown={self.unknown!r}: give a probability between 0 and 1")
        energy = self.unknown_energy
        if energy is not None and not (_is_number(energy) and math.isfinite(energy)):
            raise UsageError(f"event setting unknown_energy={energy!r}: give a number, or null")
        if not isinstance(self.partial, bool):
            raise UsageError(f"event setting partial={self.partial!r}: give true or false")
        for name in ("labels", "background"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(map(str, value)))

    @classmethod
    def alarm_by_count(cls, label: str, *, threshold: float = 0.5, total_frames: int = 5) -> EventRules:
        """Return the rule of the cricket classifier with mail alerts (S2): a run of more than `total_frames` rows with
        probability >= `threshold` is an event; one alert when the run ends, no smoothing, no pause between alerts."""
        rule = LabelRule(threshold, threshold, 0.0, total_frames + 1, 0.0, 0.0)
        return cls("none", 0.0, (label,), default=rule, partial=True)

    def rule(self, label: str) -> LabelRule:
        """Return the rule of one label."""
        return self.per_label.get(label, self.default)

    def alerting(self, classes: list[str]) -> list[str]:
        """Return the classes that make events, in their order.

        Raises `UsageError` naming a label, background or per-label rule that is not among the classes.
        """
        for name in (*self.labels, *self.background, *self.per_label):
            if name not in classes:
                raise UsageError(
                    f"event label '{name}': the recognizer does not know it; {closest(name, classes)}"
                )
        return [name for name in classes if name in (self.labels or classes) and name not in self.background]

    def with_default(self, **changes: Any) -> EventRules:
        """Return a copy whose default rule has other settings; unknown ones raise `UsageError`."""
        _known(LabelRule, changes)
        return replace(self, default=replace(self.default, **changes))

    def changed(self, values: Mapping[str, Any]) -> EventRules:
        """Return a copy with other settings: of `EventRules`, or of the `LabelRule` of every label; unknown ones raise
        `UsageError`.

        >>> EventRules().changed({"enter": 0.9, "smoothing": "none"}).default.enter
        0.9
        """
        rule = [entry.name for entry in fields(LabelRule)]
        own = {name: value for name, value in values.items() if name not in rule}
        names = [entry.name for entry in fields(EventRules) if entry.name not in ("default", "per_label")]
        for name in own:
            if name not in names:
                raise UsageError(f"unknown event setting '{name}': {closest(name, [*names, *rule])}")
        of_rule = {name: value for name, value in values.items() if name in rule}
        per_label = {name: replace(entry, **of_rule) for name, entry in self.per_label.items()}
        return replace(self, default=replace(self.default, **of_rule), per_label=per_label, **own)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings ready for JSON."""
        values = asdict(self)
        return {**values, "labels": list(self.labels), "background": list(self.background)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EventRules:
        """Return the rules of `to_dict`; an unknown setting raises `UsageError` with the nearest known name."""
        if not isinstance(values, Mapping):
            raise UsageError("event rules: give names with their values")
        _known(cls, values)
        found = dict(values)
        default = _label_rule(found.pop("default", {}), LabelRule())
        per_label = {
            str(name): _label_rule(rule, default) for name, rule in dict(found.pop("per_label", {})).items()
        }
        return cls(**found, default=default, per_label=per_label)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the rules beside a recognizer, as `events.json`."""
        path = Path(folder) / RULES_FILE
        write_json(path, self.to_dict())
        return path

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> EventRules:
        """Read a JSON or TOML file of rules. Raises `DataError` naming the file when it is missing or wrong."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix.lower() == ".toml":
                import tomllib

                return cls.from_dict(tomllib.loads(text))
            return cls.from_dict(json.loads(text))
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}; check the path") from error
        except (ValueError, TypeError, AttributeError, UsageError) as error:
            raise DataError(f"{path}: not a file of event rules ({error})") from error

    @classmethod
    def of(cls, folder: str | os.PathLike[str] | None) -> EventRules:
        """Return the rules stored with a recognizer, the defaults where it has none."""
        if folder is None or not (Path(folder) / RULES_FILE).is_file():
            return cls()
        return cls.read(Path(folder) / RULES_FILE)


def _label_rule(values: Mapping[str, Any], base: LabelRule) -> LabelRule:
    _known(LabelRule, values)
    return replace(base, **values)


def _known(kind: type, values: Mapping[str, Any]) -> None:
    names = [entry.name for entry in fields(kind)]
    for name in values:
        if name not in names:
            raise UsageError(f"unknown event setting '{name}': {closest(str(name), names)}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
