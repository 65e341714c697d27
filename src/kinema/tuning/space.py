"""What a search chooses from: names of settings with their values, each asked for only where it has a meaning."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from kinema.errors import DataError, UsageError, closest
from kinema.models import head_names, model_names
from kinema.tuning.names import TrialSettings, default_of, head_settings, is_listed, known_names
from kinema.tuning.s4_names import translated

DEFAULT_MODELS = ("motion_moments", "lrcn")


@dataclass(frozen=True)
class Choice:
    """One of `values`."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included; whole where both are; `log` spreads it over orders of magnitude."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Entry = Choice | Range

# What is tried of the settings that the registered heads have; others are derived from their defaults.
_USUAL: dict[str, Entry] = {
    "hidden": Choice((64, 128, 256)),
    "width": Choice((64, 128, 256)),
    "layers": Choice((1, 2, 3)),
    "kernel": Choice((3, 5)),
    "blocks": Choice((2, 3, 4)),
    "heads": Choice((2, 4)),
    "queries": Choice((1, 2, 4)),
    "dropout": Range(0.0, 0.7),
    "lag": Choice((1, 2, 3, 4)),
}
_COMMON: dict[str, Entry] = {
    "fps": Choice((5, 8, 10)),
    "frames": Choice((8, 12, 16, 20, 24)),
    "epochs": Choice((10, 20, 40)),
    "learning_rate": Range(3e-4, 1e-2, log=True),
    "weight_decay": Range(1e-3, 1e-1, log=True),
    "label_smoothing": Choice((0.0, 0.1)),
}
_FIRST = ("model", "head")


class Space:
    """Settings to search: `entries` by name, the model first and then its head, since they decide what else applies.

    >>> space = Space({"model": Choice(("lrcn",)), "head": Choice(("lstm", "mean")), "layers": Choice((1, 2))})
    >>> len(space.combinations())  # a mean has no layers
    3

    Raises `UsageError` for a name that no chosen model or head has.
    """

    def __init__(self, entries: Mapping[str, Entry], rows: Sequence[Mapping[str, Any]] | None = None) -> None:
        order = [*(name for name in _FIRST if name in entries), *(n for n in entries if n not in _FIRST)]
        self.entries = {name: entries[name] for name in order}
        self.rows = [dict(row) for row in rows] if rows is not None else None
        self._check()

    @classmethod
    def default(cls, models: Sequence[str] = ()) -> Space:
        """Return the space that is searched unless a file says otherwise: every registered head with its own settings."""
        chosen = tuple(models) or DEFAULT_MODELS
        entries: dict[str, Entry] = {"model": Choice(chosen)}
        own: list[str] = []
        for model in chosen:
            names = known_names(model, None)
            if "head" in names and "head_settings" in names:
                entries["head"] = Choice(tuple(head_names()))
                own += [name for head in head_names() for name in head_settings(head)]
            own += [name for name in names if name in _USUAL]
        entries |= _COMMON
        for name in dict.fromkeys(own):
            entries.setdefault(name, _USUAL.get(name) or _around(name, chosen))
        return cls({name: entry for name, entry in entries.items() if _several(entry) or name in _FIRST})

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, grid: bool = False) -> Space:
        """Read a space from a JSON or TOML file: a name and its value, a list of values, or a table with low and high.

        A JSON list of tables is a grid of exactly those rows. S4's names are understood (`kinema.tuning.s4_names`).
        With `grid` only values and lists of values are. Raises `DataError` for a file that is something else.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            found = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
        except OSError as error:
            raise DataError(
                f"{path}: {error.strerror or error}; give a JSON or TOML file of settings"
            ) from error
        except ValueError as error:
            raise DataError(f"{path}: neither JSON nor TOML by its suffix ({error}); mend it") from error
        return cls.of(found, str(path), grid=grid)

    @classmethod
    def of(cls, found: Any, where: str = "space", *, grid: bool = False) -> Space:
        """Return the space of what a file holds; `where` names it in errors."""
        rows = found if isinstance(found, list) else [found]
        if not rows or not all(isinstance(row, dict) and row for row in rows):
            raise DataError(
                f'{where}: a table of settings is needed, such as {{"model": "lrcn", "head": ["lstm", "gru"]}}'
            )
        parsed = [
            {name: _entry(name, value, where, grid) for name, value in translated(row).items()}
            for row in rows
        ]
        for row in parsed:
            if "model" not in row:
                row["model"] = Choice(("lrcn",) if "head" in row else DEFAULT_MODELS)
        if len(parsed) == 1:
            return cls(parsed[0])
        expanded = [combination for row in parsed for combination in cls(row).combinations()]
        names = dict.fromkeys(name for row in expanded for name in row)
        entries = {n: Choice(tuple(_distinct(row[n] for row in expanded if n in row))) for n in names}
        return cls(entries, expanded)

    def fix(self, values: Mapping[str, Any]) -> Space:
        """Return the space with some settings fixed."""
        fixed: dict[str, Entry] = {name: Choice((value,)) for name, value in values.items()}
        rows = None if self.rows is None else [{**row, **values} for row in self.rows]
        return Space({**self.entries, **fixed}, rows)

    def draw(self, ask: Callable[[str, Entry], Any]) -> dict[str, Any]:
        """Return a value for every setting that applies, asked for one after the other.

        A setting with a single value is not asked for.
        """
        values: dict[str, Any] = {}
        for name, entry in self.entries.items():
            if self._applies(name, values):
                single = isinstance(entry, Choice) and len(entry.values) == 1
                values[name] = entry.values[0] if single and isinstance(entry, Choice) else ask(name, entry)
        return values

    def combinations(self) -> list[dict[str, Any]]:
        """Return every combination of a grid once, without the settings that do not apply.

        Raises `UsageError` where a setting is a range: it has no end of values.
        """
        if self.rows is not None:
            return _unique(self.rows)
        for name, entry in self.entries.items():
            if isinstance(entry, Range):
                raise UsageError(f"setting {name}: a grid needs a list of values, not a range")
        values = [entry.values for entry in self.entries.values() if isinstance(entry, Choice)]
        return _unique(
            self._kept(dict(zip(self.entries, chosen, strict=True))) for chosen in product(*values)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the space as JSON-ready values, as a file holds it."""
        plain: dict[str, Any] = {}
        for name, entry in self.entries.items():
            if isinstance(entry, Choice):
                plain[name] = list(entry.values)
            else:
                plain[name] = {"low": entry.low, "high": entry.high, "log": entry.log, "step": entry.step}
        return plain if self.rows is None else {**plain, "rows": self.rows}

    def _kept(self, row: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in row.items():
            if self._applies(name, kept):
                kept[name] = value
        return kept

    def _applies(self, name: str, values: Mapping[str, Any]) -> bool:
        return name == "model" or name in known_names(str(values["model"]), values.get("head"))

    def _check(self) -> None:
        models = self.entries.get("model", Choice(()))
        if not isinstance(models, Choice) or not models.values:
            raise UsageError("setting model: give the name of a model, or a list of names")
        heads = self.entries.get("head", Choice((None,)))
        names: set[str] = {"model"}
        for model in models.values:
            if model not in model_names():
                raise UsageError(f"unknown model '{model}': {closest(str(model), model_names())}")
            for head in heads.values if isinstance(heads, Choice) else ():
                if head is not None and "head_settings" in known_names(str(model), None):
                    names |= set(known_names(str(model), str(head)))
                names |= set(known_names(str(model), None))
        for name, entry in self.entries.items():
            if name not in names:
                raise UsageError(f"no chosen model has a setting '{name}': {closest(name, sorted(names))}")
            for value in entry.values if isinstance(entry, Choice) else (entry.low, entry.high):
                TrialSettings.check(name, value)


def _entry(name: str, value: Any, where: str, grid: bool) -> Entry:
    if isinstance(value, dict) and not name.endswith("_settings"):
        if grid:
            raise UsageError(f"{where}: setting {name}: a grid needs a list of values, not a range")
        unknown = sorted(set(value) - {"low", "high", "log", "step"})
        numbers = [value.get("low"), value.get("high")]
        if unknown or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
            raise UsageError(f"{where}: setting {name}: a range has low, high, and if wanted log and step")
        low, high = numbers
        if not low < high or (value.get("log") and low <= 0):  # type: ignore[operator]
            raise UsageError(f"{where}: setting {name}: low must be below high, and above 0 with log")
        return Range(low, high, bool(value.get("log", False)), value.get("step"))  # type: ignore[arg-type]
    if name == "head" and value == "all":
        return Choice(tuple(head_names()))
    if isinstance(value, list) and not (is_listed(name) and not any(isinstance(v, list) for v in value)):
        if not value:
            raise UsageError(f"{where}: setting {name}: the list is empty; give at least one value")
        return Choice(tuple(_distinct(value)))
    return Choice((value,))


def _around(name: str, models: Sequence[str]) -> Entry:
    """Return values around a default, for the settings of heads that come later than this file."""
    default = default_of(name, models)
    if isinstance(default, bool):
        return Choice((False, True))
    if isinstance(default, int):
        return Choice(tuple(sorted({max(1, default // 2), default, 2 * default})))
    if isinstance(default, float):
        return Range(default / 3, default * 3, log=True) if default > 0 else Choice((default,))
    return Choice((default,))


def _several(entry: Entry) -> bool:
    return isinstance(entry, Range) or len(entry.values) > 1


def _distinct(values: Any) -> Iterator[Any]:
    seen: set[str] = set()
    for value in values:
        key = json.dumps(value)
        if key not in seen:
            seen.add(key)
            yield value


def _unique(rows: Any) -> list[dict[str, Any]]:
    return list({json.dumps(row, sort_keys=True): dict(row) for row in rows}.values())
