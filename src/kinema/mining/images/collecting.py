"""From names of actions to a folder of images for each: search, fetch, decode, and drop what is there already."""

from __future__ import annotations

import base64
import binascii
import math
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from kinema.data.fetch.folder_lock import folder_lock
from kinema.data.fetch.side_by_side import side_by_side
from kinema.errors import KinemaError, UsageError
from kinema.mining.images.collection import FAILED, KEPT, Collection, Entry
from kinema.mining.images.decoding import NoPictureError, Picture, PictureRules, read_picture
from kinema.mining.images.found import Engine, EngineError, FoundImage, Query
from kinema.mining.images.likeness import DISTANCE
from kinema.mining.images.polite import PoliteClient
from kinema.mining.images.queries import TEMPLATES, queries_of
from kinema.mining.images.replies import UnavailableError

Progress = Callable[[int, int, str], None]  # images kept, images wanted, what was last

_AHEAD = 8  # images under way for each worker: so much is fetched twice at most when a run is killed


@dataclass(frozen=True, slots=True)
class MinedImages:
    """What a run has left in its folder.

    `counts`: images of each class; `new`: how many of all came by this run; `left_out`: images of these classes that
    were looked at and not taken, by the word for why; `engines`: what engines could not do.
    """

    folder: Path
    wanted: int
    counts: dict[str, int]
    new: int
    left_out: dict[str, int]
    table: Path
    left_out_table: Path
    engines: list[str] = field(default_factory=list)

    @property
    def short(self) -> dict[str, int]:
        """The classes with fewer images than were wanted, and how many they have."""
        return {label: count for label, count in self.counts.items() if count < self.wanted}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        return {
            "folder": str(self.folder),
            "table": str(self.table),
            "left_out_table": str(self.left_out_table),
            "wanted": self.wanted,
            "counts": self.counts,
            "new": self.new,
            "left_out": self.left_out,
            "short": self.short,
            "engines": self.engines,
        }


def mine_images(
    actions: Sequence[str],
    out: Path,
    engines: Sequence[Engine],
    client: PoliteClient,
    *,
    per_action: int = 100,
    workers: int = 4,
    rules: PictureRules | None = None,
    templates: Sequence[str] = TEMPLATES,
    translations: Mapping[str, Sequence[str]] | None = None,
    distance: int = DISTANCE,
    progress: Progress | None = None,
) -> MinedImages:
    """Collect up to `per_action` images of each action into `out`/ACTION, and tables of what is there and what is not.

    Engines are asked in their order; what an engine finds for all queries of an action comes in turn. Images that look
    like one that is there (within `distance` bits of 256) are left out, across classes too. A later call goes on: what
    was looked at is not fetched again, images deleted by hand do not come back, failures that pass are tried again.

    Raises `UsageError`, `KinemaError` when no engine could be asked and nothing is there, or another run works in `out`.
    """
    if per_action < 1 or workers < 1:
        raise UsageError(f"images per action ({per_action}) and workers ({workers}) must be 1 or more")
    if not 0 <= distance <= 128:
        raise UsageError(f"--distance {distance}: give bits of 256, from 0 to 128")
    if not actions or not engines:
        raise UsageError("give at least one action and one engine")
    queries = {action: queries_of(action, templates, translations) for action in actions}
    with folder_lock(out):
        rules = rules or PictureRules()
        collection = Collection(out, actions, distance, rules.min_side)
        work = _Work(collection, engines, client, queries, per_action, workers, rules)
        try:
            work.run(progress or (lambda kept, wanted, text: None))
        finally:
            table, left_out = collection.write_tables()
    counts = {action: collection.kept(action) for action in actions}
    if work.problems and not any(counts.values()):
        raise KinemaError(work.problems[0])
    states = collection.states(actions)
    del states[KEPT]
    return MinedImages(
        out, per_action, counts, work.new, dict(states.most_common()), table, left_out, work.problems
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    number: int
    label: str
    found: FoundImage


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A candidate with its picture, or the state and reason without; `found` has a thumbnail only where that was used."""

    found: FoundImage
    picture: Picture | None = None
    state: str = KEPT
    why: str = ""
    size: tuple[int, int] = (0, 0)


class _Work:
    """One run: for each class candidates one after the other, until it has enough or engines have no more."""

    def __init__(
        self,
        collection: Collection,
        engines: Sequence[Engine],
        client: PoliteClient,
        queries: Mapping[str, list[Query]],
        wanted: int,
        workers: int,
        rules: PictureRules,
    ) -> None:
        self._collection, self._engines, self._client = collection, engines, client
        self._queries, self._wanted, self._workers, self._rules = queries, wanted, workers, rules
        self._fresh: Counter[str] = Counter()
        self.problems: list[str] = []
        self.failed: set[str] = set()  # engines that answered nothing at all
        self._answered: set[str] = set()

    @property
    def new(self) -> int:
        return self._fresh.total()

    def run(self, progress: Progress) -> None:
        """Collect, in rounds: what is missing is fetched side by side and taken in the order of the engines."""
        total = self._wanted * len(self._queries)
        candidates = {label: self._candidates(label) for label in self._queries}
        self._say(progress, total, "")
        try:
            while batch := self._batch(candidates, progress, total):
                self._round(batch, progress, total)
        finally:
            for each in candidates.values():
                each.close()

    def _batch(
        self, candidates: Mapping[str, Generator[FoundImage]], progress: Progress, total: int
    ) -> list[_Candidate]:
        missing = {label: self._wanted - self._collection.kept(label) for label in candidates}
        open_ = [label for label, count in missing.items() if count > 0]
        most = _AHEAD * self._workers
        share = max(1, most // max(1, len(open_)))
        batch: list[_Candidate] = []
        for label in open_:
            if len(batch) >= most:
                break  # of hundreds of classes the later ones are searched for when the first have enough
            self._say(progress, total, f"{label}: searching")
            for found in islice(candidates[label], min(missing[label], share)):
                batch.append(_Candidate(len(batch), label, found))
        return batch

    def _round(self, batch: list[_Candidate], progress: Progress, total: int) -> None:
        waiting: dict[int, _Loaded] = {}
        following = 0
        with closing(side_by_side(self._load, batch, self._workers, self._client.stop)) as ended:
            for one in ended:
                waiting[one.item.number] = one.get()
                while following in waiting:
                    label, loaded = batch[following].label, waiting.pop(following)
                    following += 1
                    entry = self._take(label, loaded)
                    self._say(progress, total, f"{label}: {entry.path or entry.why}")

    def _take(self, label: str, loaded: _Loaded) -> Entry:
        if loaded.picture is None:
            return self._collection.leave_out(label, loaded.found, loaded.state, loaded.why, loaded.size)
        before = {other: self._collection.kept(other) for other in self._queries}
        entry = self._collection.keep(label, loaded.found, loaded.picture)
        for other, count in before.items():
            self._fresh[other] += self._collection.kept(other) - count
        return entry

    def _say(self, progress: Progress, total: int, text: str) -> None:
        kept = sum(min(self._wanted, self._collection.kept(label)) for label in self._queries)
        progress(kept, total, text)

    def _candidates(self, label: str) -> Generator[FoundImage]:
        """Yield images of a class that nobody has looked at, engine by engine, their queries in turn."""
        given: set[str] = set()
        for engine in self._engines:
            if engine.name in self.failed:
                continue
            missing = self._wanted - self._collection.kept(label)
            wanted = self._collection.seen(label) + math.ceil(1.5 * missing)
            searches = [engine.search(query, wanted) for query in self._queries[label]]
            try:
                for found in _in_turn(searches):
                    self._answered.add(engine.name)
                    if found.key not in given and not self._collection.known(label, found.key):
                        given.add(found.key)
                        yield found
            except EngineError as error:
                self._problem(engine, str(error))

    def _problem(self, engine: Engine, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)
        # One that has never answered is asked once a class only if what it says differs from class to class.
        if engine.name not in self._answered and not Path(engine.name).exists():
            self.failed.add(engine.name)

    def _load(self, candidate: _Candidate) -> _Loaded:
        """Fetch and decode an image, or its thumbnail where the image is broken; runs in a worker."""
        found = candidate.found
        reasons: list[tuple[str, str, tuple[int, int]]] = []
        for source in dict.fromkeys(one for one in (found.source, found.thumbnail) if one):
            try:
                picture = read_picture(self._bytes(source), self._rules)
                used = "" if source == found.source else found.thumbnail
                return _Loaded(replace(found, thumbnail=used), picture)
            except NoPictureError as error:
                reasons.append((error.state, str(error), error.size))
            except UnavailableError as error:
                robots = error.reason.startswith("robots.txt")
                state = FAILED if error.passing else "robots" if robots else "gone"
                reasons.append((state, error.reason, (0, 0)))
                if error.passing:
                    break
        return _Loaded(found, None, *reasons[0])

    def _bytes(self, source: str) -> bytes:
        if source.startswith("data:"):
            return data_bytes(source)
        if "://" in source:
            return self._client.get(source, most_bytes=self._rules.max_bytes).body
        path = Path(source)
        try:
            size = path.stat().st_size
            if size > self._rules.max_bytes:
                raise NoPictureError("too large", f"{size:,} bytes; the limit is {self._rules.max_bytes:,}")
            return path.read_bytes()
        except OSError as error:
            raise NoPictureError("gone", f"cannot be read: {error.strerror or error}") from error


def data_bytes(uri: str) -> bytes:
    """Return what a `data:` URI holds.

    >>> data_bytes("data:image/gif;base64,R0lG"), data_bytes("data:text/plain,a%20b")
    (b'GIF', b'a b')

    Raises `NoPictureError` for one that is damaged.
    """
    head, comma, data = uri.partition(",")
    if not comma:
        raise NoPictureError("broken", "a data URI without data")
    if not head.endswith(";base64"):
        return unquote_to_bytes(data)
    try:
        return base64.b64decode(unquote_to_bytes(data) + b"==", validate=False)
    except (binascii.Error, ValueError) as error:
        raise NoPictureError("broken", f"a data URI that cannot be decoded: {error}") from error


def _in_turn(searches: Sequence[Iterator[FoundImage]]) -> Iterator[FoundImage]:
    """Yield the first of each search, then the second of each …"""
    left = list(searches)
    while left:
        for search in list(left):
            found = next(search, None)
            if found is None:
                left.remove(search)
            else:
                yield found
