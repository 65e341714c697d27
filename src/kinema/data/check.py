"""Looks at the videos themselves: what cannot be used and what is there twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from kinema.data.groups import Leak, check_leaks
from kinema.data.manifest import Manifest, Segment
from kinema.data.segments import each_video, fault_of, named, open_segment
from kinema.data.wording import count, listing, natural_key
from kinema.errors import DataError
from kinema.video import TIME_TOLERANCE
from kinema.video.store_errors import StoreError

_SIDE = 32  # pixels; enough to tell clips apart and to see black, and cheap to convert
_BLACK = 8.0  # mean grey level out of 255
_ROUNDING = 1.0  # seconds by which a range that people noted may pass the end of its video


@dataclass(frozen=True)
class Finding:
    """Something wrong with one segment.

    `kind`: missing, unreadable, empty, no video stream, truncated, no frames, too short, beyond the end,
    duplicate; or, as warnings, damaged, black, still, beyond the end. Those that are not warnings make the
    segment `bad`.
    """

    kind: str
    reason: str
    warning: bool = False


@dataclass(frozen=True)
class Outcome:
    """What decoding one segment showed: frames, seconds that they last, and findings."""

    segment: Segment
    frames: int
    seconds: float
    findings: tuple[Finding, ...] = ()
    digest: str = ""

    @property
    def status(self) -> str:
        """Return "bad", "warning" or "good"."""
        return "good" if not self.findings else "warning" if all(f.warning for f in self.findings) else "bad"


@dataclass(frozen=True)
class CheckReport:
    """The outcome of each row of a manifest, in its order."""

    manifest: Manifest
    outcomes: list[Outcome]
    leaks: list[Leak] = field(default_factory=list)

    @property
    def bad(self) -> list[Outcome]:
        """The outcomes of the segments that cannot or should not be used."""
        return [outcome for outcome in self.outcomes if outcome.status == "bad"]

    @property
    def warned(self) -> list[Outcome]:
        """The outcomes of the segments that can be used but deserve a look."""
        return [outcome for outcome in self.outcomes if outcome.status == "warning"]

    def clean(self) -> Manifest:
        """Return the manifest without the bad segments. Raises `DataError` when none is left."""
        good = [outcome.status != "bad" for outcome in self.outcomes]
        if not any(good):
            raise DataError(f"{self.manifest.path or self.manifest.root}: no clip is left after the check")
        note = f"{count(len(self.bad), 'bad clip')} of {len(self.outcomes):,} removed by the check"
        return self.manifest.replace(self.manifest.table[good], [*self.manifest.notes, note])

    def table(self) -> pd.DataFrame:
        """Return one row a segment: the manifest's columns, then `status, kind, reason, frames, seconds`."""
        rows = [
            {
                "status": outcome.status,
                "kind": "; ".join(finding.kind for finding in outcome.findings),
                "reason": "; ".join(finding.reason for finding in outcome.findings),
                "frames": outcome.frames,
                "seconds": round(outcome.seconds, 3),
            }
            for outcome in self.outcomes
        ]
        columns = ["status", "kind", "reason", "frames", "seconds"]
        kept = self.manifest.table.drop(columns=columns, errors="ignore")
        return pd.concat([kept, pd.DataFrame(rows, columns=columns)], axis=1)

    def text(self, most: int = 20) -> str:
        """Return a summary, then the first `most` bad segments and warnings, a line each, and all leaks."""
        clips, videos = (
            count(len(self.outcomes), "clip"),
            count(self.manifest.table["video"].nunique(), "video"),
        )
        seconds = sum(outcome.seconds for outcome in self.outcomes)
        good = len(self.outcomes) - len(self.bad) - len(self.warned)
        lines = [
            f"{clips} of {videos} decoded, {seconds:,.0f} s in all: {good:,} good, "
            f"{len(self.warned):,} with a warning, {len(self.bad):,} bad"
        ]
        for title, chosen in (("bad", self.bad), ("warning", self.warned)):
            for outcome in chosen[:most]:
                found = "; ".join(f"{finding.kind}: {finding.reason}" for finding in outcome.findings)
                lines.append(f"  {title}  {named(outcome.segment)}  {found}")
            if len(chosen) > most:
                lines.append(f"  {title}  and {len(chosen) - most:,} more")
        return "\n".join([*lines, *(f"  leak  {leak}" for leak in self.leaks)])


def check(
    manifest: Manifest,
    *,
    workers: int | None = None,
    min_seconds: float = 0.2,
    min_frames: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Decode every segment and report what cannot be used and why.

    Each video is decoded once, `workers` videos at a time (default: one a usable core), and
    `progress(done, total)` counts clips. Segments shorter than `min_seconds` or `min_frames` are too
    short. Segments of different videos whose pictures are all equal are duplicates: the first in natural
    order stays, the others are bad, and all are when their labels differ, since nobody knows which is right.
    """
    outcomes = each_video(
        partial(_decode, min_seconds=min_seconds, min_frames=min_frames),
        manifest.segments(),
        workers,
        progress,
    )
    return CheckReport(manifest, _duplicates(outcomes), check_leaks(manifest))


@dataclass
class _Tally:
    """What a segment's frames add up to while its video is decoded."""

    segment: Segment
    frames: int = 0
    first: float = 0.0
    last: float = 0.0
    brightest: float = 0.0
    still: bool = True
    picture: bytes = b""
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, time: float, picture: bytes, mean: float) -> None:
        self.first = time if self.frames == 0 else self.first
        self.still &= self.frames == 0 or picture == self.picture
        self.frames, self.last, self.picture = self.frames + 1, time, picture
        self.brightest = max(self.brightest, mean)
        self.digest.update(picture)


def _decode(segments: Sequence[Segment], min_seconds: float, min_frames: int) -> list[Outcome]:
    video = segments[0].video
    tallies = sorted((_Tally(segment) for segment in segments), key=lambda tally: tally.segment.start or 0.0)
    start = tallies[0].segment.start or 0.0
    ends = [tally.segment.end for tally in tallies]
    end = None if None in ends else max(e for e in ends if e is not None)
    fault: Finding | None = None
    problems: list[str] = []
    period = 0.0
    try:
        with open_segment(segments[0]) as source:
            period = 1 / source.fps if source.fps else 0.0
            _count(source.frames(start=start, end=end, size=(_SIDE, _SIDE)), tallies)
            problems = [problem.removeprefix(f"{video}: ") for problem in source.problems]
    except StoreError:  # says nothing of the video, which must not be left out for it
        raise
    except Exception as error:  # one file must not stop the check of the others, whatever is wrong with it
        fault = Finding(*fault_of(segments[0], error))
    found = {
        tally.segment.row: _judge(tally, fault, problems, period, min_seconds, min_frames)
        for tally in tallies
    }
    return [found[segment.row] for segment in segments]


def _count(frames: Any, tallies: list[_Tally]) -> None:
    waiting, active = list(reversed(tallies)), list[_Tally]()
    for frame in frames:
        time = frame.time + TIME_TOLERANCE
        while waiting and (waiting[-1].segment.start or 0.0) <= time:
            active.append(waiting.pop())
        active = [tally for tally in active if tally.segment.end is None or time < tally.segment.end]
        picture, mean = frame.image.tobytes(), float(np.mean(frame.image))
        for tally in active:
            tally.add(frame.time, picture, mean)


def _judge(
    tally: _Tally,
    fault: Finding | None,
    problems: list[str],
    period: float,
    min_seconds: float,
    min_frames: int,
) -> Outcome:
    segment, found = tally.segment, [] if fault is None else [fault]
    seconds = tally.last - tally.first + period if tally.frames else 0.0
    for problem in problems:
        cut = "cut short" in problem
        # A range that is wholly there is not worse for a file that stops later.
        found.append(
            Finding("truncated" if cut else "damaged", problem, warning=not cut or segment.end is not None)
        )
    if fault is None and not tally.frames:
        found.append(Finding("no frames", "the video has no frame in this range"))
    elif fault is None:
        over = 0.0 if segment.end is None else segment.end - (tally.last + period)
        if over > max(2 * period, 0.1):
            reason = f"ends at {segment.end:g} s, the video at {tally.last + period:.2f} s"
            found.append(Finding("beyond the end", reason, warning=over <= _ROUNDING))
        if tally.frames < min_frames or seconds < min_seconds:
            found.append(Finding("too short", f"{count(tally.frames, 'frame')}, {seconds:.2f} s"))
        elif tally.brightest < _BLACK:
            found.append(Finding("black", "every frame is black", warning=True))
        elif tally.still:
            found.append(Finding("still", "all frames are the same picture", warning=True))
    digest = tally.digest.hexdigest() if tally.frames and fault is None else ""
    found.sort(key=lambda finding: finding.warning)
    return Outcome(segment, tally.frames, seconds, tuple(found), digest)


def _duplicates(outcomes: list[Outcome]) -> list[Outcome]:
    alike: dict[str, list[int]] = {}
    for i, outcome in enumerate(outcomes):
        if outcome.digest:
            alike.setdefault(outcome.digest, []).append(i)
    for rows in alike.values():
        if len({outcomes[i].segment.video for i in rows}) < 2:
            continue
        rows = sorted(rows, key=lambda i: natural_key(outcomes[i].segment.name))
        first = outcomes[rows[0]].segment
        differ = len({outcomes[i].segment.label for i in rows}) > 1
        for i in rows:
            segment = outcomes[i].segment
            other = next(outcomes[j].segment for j in rows if outcomes[j].segment.video != segment.video)
            if segment.video == first.video and not differ:
                continue
            reason = f"the same pictures as {named(first if segment.video != first.video else other)}"
            if differ:
                reason += (
                    f", under the labels {listing(sorted({repr(outcomes[j].segment.label) for j in rows}))}"
                )
            finding = Finding("duplicate", reason)
            outcomes[i] = replace(outcomes[i], findings=(*outcomes[i].findings, finding))
    return outcomes
