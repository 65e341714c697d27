"""From a run and a pool of clips to the order in which people should look at them, with the reasons."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema.data import Manifest, Segment, assign_groups, read_data
from kinema.data.wording import count as counted
from kinema.errors import DataError
from kinema.mining.active.choice import NEIGHBOURS, Pick, check_words, choose_next
from kinema.mining.active.views import ClipViews, view_clips
from kinema.mining.clips import MANIFEST as CLIPS
from kinema.mining.review import ReviewFile, candidates_of, standing
from kinema.models import Recognizer

Progress = Callable[[str, int, int], None]

_UNSURE, _APART, _FAR = 0.6, 0.2, 0.6  # from which a measure is worth saying
_UNLABELLED = "unlabelled"
_SAME = 1e-3  # seconds by which the ends of one stretch may differ


@dataclass
class NextClips:
    """The clips to review, the first one first: `manifest` holds them in this order with why, `notes` what was left out.

    Columns besides those of the pool: `rank` (from 1), `predicted`, `score` (the probability of the label to be reviewed),
    `uncertainty`, `disagreement`, `coverage` (each 0 to 1), and `reason`.
    """

    manifest: Manifest
    picks: list[Pick]
    notes: list[str]


def next_to_review(
    run: str | os.PathLike[str],
    pool: Manifest | str | os.PathLike[str],
    count: int = 50,
    *,
    strategy: str = "mix",
    measure: str = "margin",
    neighbours: int = NEIGHBOURS,
    labelled: Manifest | str | os.PathLike[str] | None = None,
    book: str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> NextClips:
    """Return which clips of a pool people should look at next, so that training with their labels gains most.

    - `run`: a run folder or a recognizer's. `labelled`: what is labelled already; by default the data of the run (its
      `data.csv`) but for test.
    - `pool`: clips in any layout that `read_data` knows, such as the manifest of `kinema mine clips`. Its labels are proposals:
      they are kept, and where there is none the recognizer's answer stands for it. Clips that are labelled already are passed
      over, and those that somebody has decided on in `book`, the file of a review of this pool.
    - `strategy`, `measure`, `neighbours`: as `choose_next` takes them.

    Raises `DataError` when nothing of the pool can be read or is new, `UsageError` for an unknown strategy.
    """
    check_words(strategy, measure)
    recognizer = Recognizer.load(run, device=device, runtime=None)
    manifest = pool if isinstance(pool, Manifest) else _pool(Path(pool))
    if manifest.table["group"].isna().any():
        manifest = assign_groups(manifest)
    known = _labelled(Path(run), labelled, recognizer.classes)
    notes = [] if known else ["no labelled clips are known: coverage begins with the most typical clip"]
    segments, left_out = _new(manifest.segments(), known)
    if left_out:
        notes.append(f"{counted(left_out, 'clip')} passed over: labelled already")
    uids = _uids(manifest)
    if book is not None and Path(book).is_file():
        waiting = _undecided(segments, uids, Path(book))
        if len(waiting) < len(segments):
            notes.append(f"{counted(len(segments) - len(waiting), 'clip')} passed over: decided on in {book}")
        segments = waiting
    if not segments:
        raise DataError(
            f"{manifest.path or manifest.root}: every clip of this pool is labelled or decided on already; add others"
        )
    views = view_clips(recognizer, segments, _told(progress, "looking at the pool"))
    if not views.rows:
        raise DataError(f"no clip of the pool can be read; first: {views.problems[0]}")
    before = view_clips(recognizer, known, _told(progress, "looking at what is labelled")) if known else None
    if views.problems:
        notes.append(f"{counted(len(views.problems), 'clip')} cannot be read; first: {views.problems[0]}")
    if before is not None and before.problems:
        number = counted(len(before.problems), "labelled clip")
        notes.append(f"{number} cannot be read and tells nothing; first: {before.problems[0]}")
    targets = (
        [] if before is None else [recognizer.classes.index(str(known[row].label)) for row in before.rows]
    )
    picks = choose_next(
        views.features,
        views.probabilities,
        views.features[:0] if before is None else before.features,
        targets,
        count,
        strategy=strategy,
        measure=measure,
        neighbours=neighbours,
    )
    said = [segments[row].label for row in views.rows]
    reasons = [_reason(pick, views, recognizer.classes, targets) for pick in picks]
    table = _table(
        manifest, [segments[row] for row in views.rows], views, picks, reasons, recognizer.classes, said
    )
    # So that a review knows its clips wherever this manifest lies, and whatever a later recognizer proposes.
    table = table.assign(uid=[uids[segments[views.rows[pick.row]].row] for pick in picks])
    return NextClips(manifest.replace(table, [*manifest.notes, *notes]), picks, notes)


def _pool(path: Path) -> Manifest:
    """Read a pool; the folder of `kinema mine clips` has a manifest of its own."""
    return read_data(path / CLIPS if (path / CLIPS).is_file() else path)


def _uids(manifest: Manifest) -> list[str]:
    """Return how a review calls the clips; those without a label are known by their places alone."""
    labelled = manifest.table.assign(label=manifest.table["label"].fillna(_UNLABELLED))
    return [candidate.uid for candidate in candidates_of(manifest.replace(labelled))]


def _undecided(segments: Sequence[Segment], uids: Sequence[str], book: Path) -> list[Segment]:
    decided = {decision.clip for decision in standing(ReviewFile(book, []).records())}
    return [segment for segment in segments if uids[segment.row] not in decided]


def _labelled(
    run: Path, given: Manifest | str | os.PathLike[str] | None, classes: Sequence[str]
) -> list[Segment]:
    """Return the labelled segments of classes that the recognizer knows."""
    if given is None:
        path = next((p for p in (run / "data.csv", run.parent / "data.csv") if p.is_file()), None)
        if path is None:
            return []
        manifest = Manifest.read(path)
    else:
        manifest = given if isinstance(given, Manifest) else read_data(given)
    return [s for s in manifest.segments() if s.label in classes and s.split != "test"]


def _new(segments: Sequence[Segment], known: Sequence[Segment]) -> tuple[list[Segment], int]:
    """Return the segments that are not the same stretches of the same files as known ones, and how many were."""
    places: dict[Path, list[tuple[float, float]]] = {}
    for segment in known:
        places.setdefault(segment.video.resolve(), []).append(_times(segment))
    found = [
        segment
        for segment in segments
        if not any(_same(_times(segment), other) for other in places.get(segment.video.resolve(), ()))
    ]
    return found, len(segments) - len(found)


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(a == b or abs(a - b) < _SAME for a, b in zip(one, other, strict=True))


def _times(segment: Segment) -> tuple[float, float]:
    return segment.start or 0.0, np.inf if segment.end is None else segment.end


def _told(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(what, done, total)


def _reason(pick: Pick, views: ClipViews, classes: Sequence[str], targets: Sequence[int]) -> str:
    """Say in words why a clip was chosen."""
    own = views.probabilities[pick.row]
    order = np.argsort(-own, kind="stable")
    best = classes[int(order[0])]
    parts = []
    if pick.uncertainty >= _UNSURE and len(order) > 1:
        second = int(order[1])
        parts.append(f"unsure: {best} {own[order[0]]:.2f}, {classes[second]} {own[second]:.2f}")
    if pick.disagreement >= _APART:
        parts.append(_neighbours(pick, views, classes, targets, best))
    if pick.coverage >= _FAR:
        parts.append(f"unlike what is labelled or chosen so far ({pick.coverage:.2f} of the farthest)")
    return "; ".join(parts) or f"{best} {own[order[0]]:.2f}: the best of what is left"


def _neighbours(
    pick: Pick, views: ClipViews, classes: Sequence[str], targets: Sequence[int], best: str
) -> str:
    total = len(views.rows)
    said = [
        int(views.probabilities[near].argmax()) if near < total else targets[near - total]
        for near in pick.neighbours
    ]
    counts = np.bincount(said, minlength=len(classes))
    most = int(counts.argmax())
    if classes[most] == best:
        return f"its neighbours are surer or less sure of {best} than it is"
    return f"taken for {best}, but {counts[most]} of its {len(said)} neighbours are {classes[most]}"


def _table(
    manifest: Manifest,
    segments: Sequence[Segment],
    views: ClipViews,
    picks: Sequence[Pick],
    reasons: Sequence[str],
    classes: Sequence[str],
    proposed: Sequence[str | None],
) -> Any:
    chosen = [segments[pick.row] for pick in picks]
    table = manifest.table.iloc[[segment.row for segment in chosen]].reset_index(drop=True)
    own: list[NDArray[np.float32]] = [views.probabilities[pick.row] for pick in picks]
    predicted = [classes[int(row.argmax())] for row in own]
    labels = [proposed[pick.row] or name for pick, name in zip(picks, predicted, strict=True)]
    scores: Any = [
        round(float(row[classes.index(label)]), 6) if label in classes else None
        for row, label in zip(own, labels, strict=True)
    ]
    return table.assign(
        label=labels,
        split=None,
        rank=range(1, len(picks) + 1),
        predicted=predicted,
        score=scores,
        uncertainty=[round(pick.uncertainty, 4) for pick in picks],
        disagreement=[round(pick.disagreement, 4) for pick in picks],
        coverage=[round(pick.coverage, 4) for pick in picks],
        reason=list(reasons),
    )
