"""The table of labelled video that every part of kinema consumes: one row, one stretch of video."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from kinema.data.columns import SPLITS, missing_columns, normalise, split_name
from kinema.data.description import described, warnings_of
from kinema.data.leaky import leaky_split
from kinema.data.readers.tables import read_table, write_table
from kinema.data.video_paths import located, moved_path
from kinema.data.wording import at_rows, count, listing, natural_key
from kinema.errors import DataError, UsageError, closest
from kinema.video.remote import video_hash


@dataclass(frozen=True, slots=True)
class Segment:
    """One row of a manifest: a stretch of video and what is known about it.

    `video` is absolute; of a video in an object store it is the path of the copy that `open_source` brings.
    `name` is the path or address as the manifest writes it, `start` and `end` are seconds from the start of
    the video (None: from its beginning, to its end), `row` counts from 0, `extra` holds the other columns
    (`fps`, a float, is the rate of a frame folder).
    """

    video: Path
    start: float | None
    end: float | None
    label: str | None
    split: str | None
    group: str | None
    row: int
    name: str
    extra: dict[str, Any] = field(default_factory=dict, hash=False)


class Absent(NamedTuple):
    """A video or range that a list names and that its manifest lacks."""

    place: str
    path: str
    label: str | None
    why: str


NOT_THERE = "not there"
"""Why a listed video is absent that was looked for and not found."""


class Manifest:
    """A table of labelled segments, and the folder that its relative paths start from.

    `table` has the columns `video, start, end, label, split, group` (text is `str` or None, times are
    seconds, NaN for the beginning and the end of the video) and any others, one row a segment, rows numbered
    from 0. `notes` says in sentences what readers and splits did, `source_format` what the data was read
    from. `absent` lists whatever the lists of the data set name and the table lacks, with the columns `place`
    (list and line), `path`, `label` and `why`: videos that are not there, rows that cannot be used.

    >>> manifest = Manifest({"video": ["b/2.mp4", "a/1.mp4"], "label": ["class10", "class2"]}, root="clips")
    >>> manifest.classes
    ['class2', 'class10']

    Raises `DataError` for a table without a `video` column, with impossible times or with unknown splits.
    """

    def __init__(
        self,
        table: pd.DataFrame | dict[str, Any],
        root: str | os.PathLike[str] = ".",
        *,
        notes: Iterable[str] = (),
        absent: pd.DataFrame | Sequence[Absent] = (),
        source_format: str = "table",
        path: Path | None = None,
        lines: Sequence[int] | None = None,
    ) -> None:
        self.root = Path(root).absolute()
        self.path = path
        self.notes = list(notes)
        self.absent = pd.DataFrame(absent, columns=list(Absent._fields), dtype=object)
        self.source_format = source_format
        self.table = normalise(pd.DataFrame(table), str(path or "manifest"), lines)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Manifest:
        """Read a CSV, TSV or Parquet manifest; relative paths in it start from its folder.

        Raises `DataError`, with the numbers of the lines, for anything a table of segments cannot be;
        `validate` checks more, such as groups divided between splits.
        """
        path = Path(path)
        table, lines = read_table(path)
        found = [str(name).strip().lower() for name in table.columns]
        missing = [name for name in ("video", "label") if name not in found]
        if missing:
            raise missing_columns(str(path), missing, list(table.columns))
        if "frame" in found and "start" not in found:
            message = "this table labels single frames ('frame'), not stretches of video"
            raise DataError(f"{path}: {message}; read it with read_data, which makes segments of it")
        manifest = cls(table, path.parent, path=path, lines=lines, source_format="manifest")
        manifest._refuse_empty()
        manifest._refuse_duplicates(lines)
        return manifest

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the table as CSV, TSV or Parquet, whole or not at all, and return its path.

        Relative video paths are rewritten to start from the new folder; absolute ones stay as they are.
        """
        path = Path(path)
        target = path.parent.absolute()
        table = self.table
        if target != self.root:
            moved = {name: moved_path(name, self.root, target) for name in table["video"].unique()}
            table = table.assign(video=table["video"].map(moved))
        write_table(table, path)
        return path

    def validate(self) -> Manifest:
        """Return self when the table can be trained on as it is; else raise `DataError` with the first fault
        found.

        Faults: no rows, the same segment twice, rows without a label among labelled ones, a group or a video
        in two splits unless that was asked for (`split_by`). Files are not opened: that is `kinema.data.check`.
        """
        self._refuse_empty()
        self._refuse_duplicates(None)
        unlabelled = self.table["label"].isna()
        if 0 < unlabelled.sum() < len(self):
            where = at_rows(unlabelled.tolist(), None)
            raise DataError(f"{self._source}: {where}: no label; label or remove them")
        for column in ("group", "video"):
            divided = self.divided(column)
            if divided and self.split_by is None:
                what = f"{column} {listing(map(repr, divided), 3)} in more than one split, which leaks"
                raise DataError(f"{self._source}: {what}; split again with kinema data split --replace")
        return self

    def filter(
        self,
        split: str | Sequence[str] | None = None,
        label: str | Sequence[str] | None = None,
        where: str | Callable[[pd.DataFrame], Any] | None = None,
    ) -> Manifest:
        """Return the rows of some splits, of some labels, or for which `where` holds.

        `where` is a pandas query such as `"group == 'person01'"`, or a function from the table to a mask. The
        result may be empty. Raises `UsageError` for a split or a label that does not exist.
        """
        table = self.table
        if split is not None:
            words = [split] if isinstance(split, str) else list(split)
            for word in words:
                if split_name(word) is None:
                    raise UsageError(f"unknown split '{word}'; {closest(word, SPLITS)}")
            table = table[table["split"].isin([split_name(word) for word in words])]
        if label is not None:
            labels = [label] if isinstance(label, str) else list(label)
            for word in labels:
                if word not in self.classes:
                    raise UsageError(f"unknown label '{word}'; {closest(word, self.classes)}")
            table = table[table["label"].isin(labels)]
        if isinstance(where, str):
            try:
                table = table.query(where, engine="python")
            except Exception as error:  # pandas raises whatever the expression raised
                raise UsageError(f"where={where!r}: {str(error).splitlines()[0]}") from error
        elif where is not None:
            table = table[where(table)]
        return self.replace(table)

    def replace(self, table: pd.DataFrame, notes: Iterable[str] | None = None) -> Manifest:
        """Return a manifest with the same folder and origin and another table (and other notes)."""
        kept = self.notes if notes is None else notes
        return Manifest(
            table,
            self.root,
            notes=kept,
            absent=self.absent,
            source_format=self.source_format,
            path=self.path,
        )

    @property
    def classes(self) -> list[str]:
        """The distinct labels in natural order: class2 before class10."""
        return sorted(self.table["label"].dropna().unique().tolist(), key=natural_key)

    @property
    def splits(self) -> list[str]:
        """The splits that have rows, in the order train, valid, test."""
        present = set(self.table["split"].dropna())
        return [name for name in SPLITS if name in present]

    @property
    def split_by(self) -> str | None:
        """How the splits came to leak with their maker's consent ("clip", "frame", "list", "content"); else None.

        The column of this name says so, and goes with every copy of the table.
        """
        return leaky_split(self.table)

    @property
    def groups(self) -> list[str]:
        """The distinct groups in natural order."""
        return sorted(self.table["group"].dropna().unique().tolist(), key=natural_key)

    def segments(self) -> list[Segment]:
        """Return the rows in order, with absolute paths."""
        columns = list(self.table.columns)
        found = []
        for row, values in enumerate(self.table.itertuples(index=False, name=None)):
            cells = dict(zip(columns, values, strict=True))
            name = cells.pop("video")
            start, end = (None if math.isnan(t) else t for t in (cells.pop("start"), cells.pop("end")))
            label, split, group = (cells.pop(c) for c in ("label", "split", "group"))
            found.append(Segment(self.video_path(name), start, end, label, split, group, row, name, cells))
        return found

    def video_path(self, name: str) -> Path:
        """Return the absolute path of a video that the table calls `name`; for an address, that of its copy."""
        return located(name, self.root)

    def fingerprint(self, content: bool = False) -> str:
        """Return a SHA-256 over the rows in any order: path as written, times, label, split, group.

        With `content=True` the bytes of each video stand for its path, so that the result does not depend on
        where the files lie; every file is read.
        """
        names = {name: name for name in self.table["video"].unique()}
        if content:
            names = {name: video_hash(self.video_path(name)) for name in names}
        columns = [c for c in ("start", "end", "label", "split", "group", "fps") if c in self.table.columns]
        rows = []
        for video, *cells in self.table[["video", *columns]].itertuples(index=False, name=None):
            plain = [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in cells]
            rows.append(json.dumps([names[video], *plain], ensure_ascii=False))
        return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()

    def describe(self) -> str:
        """Return a plain text table: clips of each class in each split, groups, seconds; then warnings."""
        return described(self)

    def warnings(self) -> list[str]:
        """Return what will make training or its numbers poor, a sentence each; nothing is opened."""
        return warnings_of(self)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        classes = count(len(self.classes), "class", "classes")
        return f"Manifest({count(len(self), 'segment')}, {classes}, splits {self.splits}, root {self.root})"

    def _repr_html_(self) -> str:
        return str(self.table.to_html(max_rows=20, notebook=True))

    def divided(self, column: str) -> list[str]:
        """Return the values of a column ("group", "video") that stand in more than one split."""
        known = self.table.dropna(subset=[column, "split"])
        splits = known.groupby(column)["split"].nunique()
        return sorted(splits.index[splits > 1].tolist(), key=natural_key)

    @property
    def _source(self) -> str:
        return str(self.path or self.root)

    def _refuse_empty(self) -> None:
        if not len(self):
            raise DataError(f"{self._source}: the manifest has no rows; add at least one video")

    def _refuse_duplicates(self, lines: Sequence[int] | None) -> None:
        twice = self.table.duplicated(["video", "start", "end", "label"])
        if twice.any():
            message = "the same video, times and label stand in an earlier row; remove the repetition"
            raise DataError(f"{self._source}: {at_rows(twice.tolist(), lines)}: {message}")
