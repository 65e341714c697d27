"""The folder that images are collected in: a folder a class, tables of what is there and what is not, and a journal.

The journal (`.kinema-images.jsonl`) has a line for each image that was looked at, written after its file: a run that is
killed loses nothing, and the next one asks for nothing twice.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kinema.data.wording import natural_key
from kinema.errors import DataError
from kinema.files import atomic_path
from kinema.mining.images.decoding import Picture
from kinema.mining.images.found import FoundImage, short_source
from kinema.mining.images.likeness import LikenessIndex
from kinema.mining.images.queries import folder_names

TABLE = "images.csv"
LEFT_OUT = "left-out.csv"
JOURNAL = ".kinema-images.jsonl"

KEPT, REMOVED, DUPLICATE, FAILED, SMALL = "kept", "removed by hand", "duplicate", "failed", "small"
"""States of an image; others are words of the decoder (broken, blank, too large). Only `failed` is always tried again."""

_HALF_WRITTEN = f".{'?' * 16}.*.jpg"  # what a run leaves that was killed while it wrote an image
_COLUMNS = (
    "path", "label", "source", "page", "title", "author", "licence", "licence_url", "thumbnail", "engine", "query", "rank",
    "width", "height", "sha256", "likeness",
)  # fmt: skip
_LEFT_COLUMNS = ("label", "source", "page", "engine", "query", "rank", "state", "why")


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of an image: `path` within the folder for one that is or was kept; `why` for one that is not."""

    label: str
    key: str
    state: str
    why: str
    found: dict[str, Any]
    path: str = ""
    width: int = 0
    height: int = 0
    sha256: str = ""
    likeness: str = ""


class Collection:
    """The images of some classes in a folder. One process and one thread writes it.

    Raises `DataError` for a journal that is none.
    """

    def __init__(self, folder: Path, labels: Sequence[str], distance: int, min_side: int) -> None:
        self.folder = folder
        self._distance, self._min_side = distance, min_side
        self._entries: dict[tuple[str, str], Entry] = {}
        self._index = LikenessIndex()
        self._by_path: dict[str, Entry] = {}
        self._kept: Counter[str] = Counter()
        self._read()
        # Classes of earlier runs keep the folders that they have.
        known = {entry.label: entry.path.partition("/")[0] for entry in self._by_path.values()}
        made = folder_names([*known, *(label for label in labels if label not in known)])
        self._folders = {label: known.get(label) or made[label] for label in made}
        self._order = {label: number for number, label in enumerate(self._folders)}
        for name in self._folders.values():
            for left in (folder / name).glob(_HALF_WRITTEN):
                left.unlink(missing_ok=True)

    def kept(self, label: str) -> int:
        """Return how many images of a class are there."""
        return self._kept[label]

    def seen(self, label: str) -> int:
        """Return how many images of a class have been looked at."""
        return sum(1 for entry in self._entries.values() if entry.label == label)

    def known(self, label: str, key: str) -> bool:
        """Whether a source has been looked at for a class and need not be again."""
        entry = self._entries.get((label, key))
        if entry is None or entry.state == FAILED:
            return False
        # A run that takes smaller ones looks again at what was too small for the one before.
        return not (entry.state == SMALL and 0 < self._min_side <= min(entry.width, entry.height))

    def states(self, labels: Sequence[str]) -> Counter[str]:
        """Return how many images of these classes are in each state."""
        return Counter(entry.state for entry in self._entries.values() if entry.label in labels)

    def keep(self, label: str, found: FoundImage, picture: Picture) -> Entry:
        """Take a picture, unless one of its class looks like it, or one of another class that ranks as high or higher.

        The one of the other class goes where it ranks lower: it is the less sure of its name.
        """
        own: list[str] = []
        others: list[Entry] = []
        for bits, path in self._index.near(picture.likeness.hash, self._distance):
            entry = self._by_path[path]
            if entry.state == DUPLICATE or (entry.label != label and entry.state != KEPT):
                continue
            if entry.label == label:
                own.append(f"looks like {path} ({bits} bits)")
            elif self._goes_before((label, found.rank), (entry.label, int(entry.found.get("rank", 0)))):
                others.append(entry)
            else:
                own.append(f"looks like {path} ({bits} bits), which ranks as high there")
        if own:
            return self.leave_out(label, found, DUPLICATE, own[0])
        path = f"{self._folders[label]}/{picture.sha256[:16]}.jpg"
        target = self.folder / path
        with atomic_path(target) as temporary:
            temporary.write_bytes(picture.jpeg)
        for other in others:
            self._give_up(other, path)
        entry = Entry(
            label, found.key, KEPT, "", _plain(found), path,
            picture.width, picture.height, picture.sha256, picture.likeness.hash,
        )  # fmt: skip
        self._note(entry)
        return entry

    def leave_out(
        self, label: str, found: FoundImage, state: str, why: str, size: tuple[int, int] = (0, 0)
    ) -> Entry:
        """Note an image that is not taken."""
        why = " ".join(why.split())[:300]
        entry = Entry(label, found.key, state, why, _plain(found), width=size[0], height=size[1])
        self._note(entry)
        return entry

    def write_tables(self) -> tuple[Path, Path]:
        """Write `images.csv` and `left-out.csv`, whole or not at all, and return their paths."""
        entries = sorted(
            self._entries.values(),
            key=lambda one: (self._order.get(one.label, 0), int(one.found["rank"]), natural_key(one.key)),
        )
        rows = [_cells(one) for one in entries if one.state == KEPT]
        left = [_cells(one) for one in entries if one.state != KEPT]
        for name, columns, table in ((TABLE, _COLUMNS, rows), (LEFT_OUT, _LEFT_COLUMNS, left)):
            with (
                atomic_path(self.folder / name) as temporary,
                temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as handle,
            ):
                writer = csv.DictWriter(handle, columns, extrasaction="ignore")
                writer.writeheader()
                writer.writerows(table)
        return self.folder / TABLE, self.folder / LEFT_OUT

    def _goes_before(self, new: tuple[str, int], old: tuple[str, int]) -> bool:
        return (new[1], self._order.get(new[0], 0)) < (old[1], self._order.get(old[0], 0))

    def _give_up(self, entry: Entry, path: str) -> None:
        # The file first: a run that is killed in between must not leave a file that no table has.
        with suppress(OSError):
            (self.folder / entry.path).unlink(missing_ok=True)
        self._note(replace(entry, state=DUPLICATE, why=f"looks like {path}, which ranks higher there"))

    def _note(self, entry: Entry) -> None:
        self._put(entry)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(asdict(entry)) + "\n")  # in ASCII: names of files may be no Unicode

    def _put(self, entry: Entry) -> None:
        before = self._entries.get((entry.label, entry.key))
        if before is not None and before.state == KEPT:
            self._kept[before.label] -= 1
        self._entries[(entry.label, entry.key)] = entry
        if entry.state == KEPT:
            self._kept[entry.label] += 1
        if entry.path:
            self._by_path[entry.path] = entry
            self._index.add(entry.path, entry.likeness)

    def _read(self) -> None:
        """Read the journal; the last line of a run that was killed may be half a line, and counts for nothing."""
        path = self.folder / JOURNAL
        if not path.is_file():
            return
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].decode("utf-8", errors="replace").split("\n")[:-1]
        for number, line in enumerate(lines, start=1):
            try:
                self._put(Entry(**json.loads(line)))
            except (ValueError, TypeError, KeyError) as error:
                raise DataError(
                    f"{path}: line {number} is damaged; delete the line, or the file to begin anew"
                ) from error
        if whole < len(data):
            with path.open("r+b") as handle:
                handle.truncate(whole)
        for entry in [one for one in self._entries.values() if one.state == KEPT]:
            if not (self.folder / entry.path).is_file():
                # Somebody has looked through the folder; what they threw away does not come back.
                self._put(replace(entry, state=REMOVED, why="the file was deleted"))


def _plain(found: FoundImage) -> dict[str, Any]:
    return {**asdict(found), "source": found.key, "thumbnail": short_source(found.thumbnail)}


def _cells(entry: Entry) -> dict[str, Any]:
    return {**entry.found, **{name: value for name, value in asdict(entry).items() if name != "found"}}
