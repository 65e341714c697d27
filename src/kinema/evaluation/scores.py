"""Scores: what a model said about a list of labelled items, beside what is true."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from kinema.errors import DataError
from kinema.files import atomic_path

Unit = Literal["clip", "video", "frame"]
COLUMNS = ("video", "start", "end", "label", "split", "group")
_TEXT = ("video", "label", "split", "group")
_PREFIX = "probability:"


@dataclass(frozen=True)
class Scores:
    """The logits of a model for N labelled items and K classes.

    classes: K names in the order of the logits.
    table: N rows with at least `video, start, end, label, split, group`. `video, start, end` always name the
        labelled segment (seconds; NaN = from the beginning, to the end), also where the item is one window or
        one frame of it; a window or frame may have its own `time` (seconds) in a further column.
    logits: `(N, K)`, finite; only differences within a row matter.
    unit: "clip" = one window of a segment, "video" = one labelled segment, "frame" = one frame.

    Raises `ValueError` when shapes or columns do not fit, `DataError` when a score is not a finite number.

    >>> table = pd.DataFrame({"video": ["a.avi"], "start": [0.0], "end": [2.0], "label": ["run"],
    ...                       "split": ["test"], "group": ["p1"]})
    >>> Scores(["run", "walk"], table, np.array([[0.0, 0.0]]), "video").probabilities()
    array([[0.5, 0.5]])
    """

    classes: list[str]
    table: pd.DataFrame
    logits: NDArray[np.float64]
    unit: Unit

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise ValueError(f"unit is {self.unit!r}; it must be one of {', '.join(get_args(Unit))}")
        if missing := [name for name in COLUMNS if name not in self.table.columns]:
            raise ValueError(f"the table of scores lacks {', '.join(missing)}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class is named twice")
        logits = np.asarray(self.logits, dtype=np.float64)
        if logits.shape != (len(self.table), len(self.classes)):
            raise ValueError(
                f"logits are {logits.shape}; {len(self.table)} items and {len(self.classes)} classes need "
                f"({len(self.table)}, {len(self.classes)})"
            )
        table = self.table.reset_index(drop=True).copy()
        for name in _TEXT:
            table[name] = ["" if pd.isna(value) else str(value) for value in table[name]]
        for name in ("start", "end"):
            table[name] = pd.to_numeric(table[name], errors="coerce").astype("float64")
        if len(bad := np.flatnonzero(~np.isfinite(logits).all(axis=1))):
            raise DataError(
                f"{table['video'][bad[0]]}: a score is not finite; train again with a lower learning rate"
            )
        object.__setattr__(self, "classes", [str(name) for name in self.classes])
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "logits", logits)

    def __len__(self) -> int:
        return len(self.table)

    def probabilities(self, temperature: float = 1.0) -> NDArray[np.float64]:
        """Return softmax(logits / temperature), `(N, K)`."""
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; it must be above 0")
        return np.asarray(softmax(self.logits / temperature, axis=1))

    def log_probabilities(self, temperature: float = 1.0) -> NDArray[np.float64]:
        """Return log softmax(logits / temperature), `(N, K)`, exact where probabilities would round to 0."""
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; it must be above 0")
        return np.asarray(log_softmax(self.logits / temperature, axis=1))

    @property
    def targets(self) -> NDArray[np.int64]:
        """The true class of each item as an index into `classes`, `(N,)`. Raises `DataError` for an unknown
        label.
        """
        index = {name: i for i, name in enumerate(self.classes)}
        labels = self.table["label"].tolist()
        for video, label in zip(self.table["video"], labels, strict=True):
            if label not in index:
                raise DataError(
                    f"{video}: its label '{label}' is not a class of this recognizer; "
                    f"score only items labelled with one of its {len(index)} classes"
                )
        return np.array([index[label] for label in labels], dtype=np.int64)

    @property
    def predictions(self) -> NDArray[np.int64]:
        """The class of the highest score (the first of equals), `(N,)`."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @property
    def groups(self) -> NDArray[np.str_]:
        """The group of each item, `(N,)`; where none is given, the video is its own group."""
        pairs = zip(self.table["group"], self.table["video"], strict=True)
        return np.array([group or f"video {video}" for group, video in pairs], dtype=np.str_)

    def filter(self, split: str | None = None) -> Scores:
        """Return the items of one split."""
        keep = np.ones(len(self), dtype=bool)
        if split is not None:
            keep &= (self.table["split"] == split).to_numpy()
        return self.take(np.flatnonzero(keep))

    def take(self, rows: NDArray[np.int64] | Sequence[int]) -> Scores:
        """Return the items at these positions, in this order."""
        rows = np.asarray(rows, dtype=np.int64)
        return Scores(self.classes, self.table.iloc[rows], self.logits[rows], self.unit)

    def keys(self) -> list[tuple[str, float, float, str]]:
        """Return `(video, start, end, label)` of each item, -1 for an open start or end: the segment it
        belongs to.
        """
        start, end = self.table["start"].fillna(-1.0), self.table["end"].fillna(-1.0)
        return list(zip(self.table["video"], start, end, self.table["label"], strict=True))

    def save(self, path: str | PathLike[str]) -> None:
        """Write `.npz` (exact, no pickles) or `.csv` (one `probability:CLASS` column a class), atomically."""
        path = Path(path)
        if path.suffix not in {".csv", ".npz"}:
            raise ValueError(f"{path}: scores are saved as .csv or .npz")
        with atomic_path(path) as temporary:
            if path.suffix == ".npz":
                np.savez_compressed(
                    temporary,
                    logits=self.logits,
                    classes=np.array(self.classes, dtype=np.str_),
                    unit=np.array(self.unit),
                    table=np.array(self.table.to_csv(index=False)),
                )
                return
            wide = self.table.copy()
            wide["unit"] = self.unit
            columns = [_PREFIX + name for name in self.classes]
            wide["prediction"] = [self.classes[i] for i in self.predictions]
            wide = pd.concat([wide, pd.DataFrame(self.probabilities(), columns=columns)], axis=1)
            wide.to_csv(temporary, index=False)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Scores:
        """Read what `save` wrote; logits from CSV are log-probabilities. Raises `DataError` for any other
        file.
        """
        path = Path(path)
        try:
            if path.suffix == ".npz":
                with np.load(path, allow_pickle=False) as stored:
                    classes = [str(name) for name in stored["classes"]]
                    unit = str(stored["unit"])
                    return cls(classes, _read_table(str(stored["table"])), stored["logits"], unit)  # type: ignore[arg-type]
            wide = _read_table(path.read_text(encoding="utf-8"))
            columns = [name for name in wide.columns if name.startswith(_PREFIX)]
            values = wide[columns].to_numpy(dtype=np.float64)
            logits = np.log(np.maximum(values, np.finfo(np.float64).tiny))
            table = wide.drop(columns=[*columns, "unit", "prediction"])
            unit = str(wide["unit"].iloc[0]) if len(wide) else "video"
            return cls([name.removeprefix(_PREFIX) for name in columns], table, logits, unit)  # type: ignore[arg-type]
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; give the .csv or .npz that an evaluation wrote") from None
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{path}: cannot be read as scores ({error}); evaluate the run again") from error


def to_video(clip: Scores, temperature: float = 1.0) -> Scores:
    """Average the probabilities of a segment's windows: one row a labelled segment, in order of first
    appearance.

    The stored logits are the log of the mean probability, so that `probabilities()` gives that mean.
    `temperature` is applied to each window before the mean, as a calibrated recognizer does when it predicts.
    """
    if clip.unit == "video":
        return Scores(clip.classes, clip.table, clip.log_probabilities(temperature), "video")
    segment, _ = pd.factorize(pd.Series(clip.keys(), dtype=object))
    order = np.argsort(segment, kind="stable")
    _, begin, size = np.unique(segment[order], return_index=True, return_counts=True)
    log_p = clip.log_probabilities(temperature)[order]
    logits = np.logaddexp.reduceat(log_p, begin, axis=0) - np.log(size)[:, None] if len(clip) else log_p
    table = clip.table.iloc[order[begin]].drop(columns=["time"], errors="ignore")
    return Scores(clip.classes, table, logits, "video")


def align(scores: Scores, reference: Scores, name: str = "the baseline") -> Scores:
    """Return the items of `scores` in the order of `reference`. Raises `DataError` when the two hold other
    items.
    """
    where = {key: i for i, key in enumerate(scores.keys())}
    wanted = reference.keys()
    lost = [key for key in wanted if key not in where]
    if (
        lost
        or len(where) != len(scores)
        or len(scores) != len(reference)
        or scores.classes != reference.classes
    ):
        example = f", for example {lost[0][0]}" if lost else ""
        raise DataError(
            f"{name} was scored on other items or classes than the model ({len(scores)} against "
            f"{len(reference)} items{example}); score both on the same manifest"
        )
    return scores.take([where[key] for key in wanted])


def _read_table(text: str) -> pd.DataFrame:
    # A class may be called "NA" or "007": text columns are read as they are written.
    kinds = dict.fromkeys((*_TEXT, "unit", "prediction"), str)
    return pd.read_csv(io.StringIO(text), dtype=kinds, keep_default_na=False, float_precision="round_trip")
