"""From score curves to candidate clips: smoothing and peaks within shots, suppression in time, a place for each clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kinema.errors import UsageError
from kinema.mining.clips.curve import ScoreCurve, Shot

_SAME = 1e-6


@dataclass(frozen=True)
class ClipRules:
    """What a candidate clip is.

    `seconds`: its length (Kinetics: 10, S3: 5). `per_class`: at most so many of a class from a video. `smoothing`: seconds over
    which scores are averaged (a triangle of that half width), within shots. `min_score`: the smoothed score that a peak must
    reach; None for twice what chance gives, at most 0.5. `overlap`: the share of a clip that may lie in another of its label
    and video, at most a half. `diversity`: how much a clip that looks like one already chosen must be better, 0 for
    not at all. `keep`: the share of a video's time that its clips may fill, all classes together; None for no limit. `short`:
    whether clips from shots shorter than `seconds` are kept, as long as their shot.
    """

    seconds: float = 10.0
    per_class: int = 2
    smoothing: float = 1.0
    min_score: float | None = None
    overlap: float = 0.25
    diversity: float = 0.5
    keep: float | None = None
    short: bool = False

    def __post_init__(self) -> None:
        if not 0.2 <= self.seconds < math.inf:
            raise UsageError(f"clip length {self.seconds:g}: give seconds, at least 0.2")
        if self.per_class < 1:
            raise UsageError(f"clips a class {self.per_class}: give a whole number of at least 1")
        if not 0 <= self.smoothing < math.inf:
            raise UsageError(f"smoothing {self.smoothing:g}: give seconds, 0 or more")
        for name, value, most in (
            ("overlap", self.overlap, 0.5),
            ("diversity", self.diversity, 1.0),
            ("min_score", self.min_score or 0.0, 1.0),
            ("keep", 1.0 if self.keep is None else self.keep, 1.0),
        ):
            if not 0 <= value <= most:
                raise UsageError(f"{name} {value:g}: give a number from 0 to {most:g}")

    def least(self, classes: int) -> float:
        """Return the smoothed score that a peak must reach."""
        return min(0.5, 2 / classes) if self.min_score is None else self.min_score


@dataclass(frozen=True)
class CandidateClip:
    """A stretch of video that may show `label`: `start` to `end` seconds, around the `peak_time` of its smoothed `score`.

    `short`: its shot is shorter than the length that was asked for.
    """

    label: str
    start: float
    end: float
    peak_time: float
    score: float
    short: bool = False

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True)
class Selection:
    """The clips chosen of one video, the best of each class first, and how many peaks were left out (too short a shot)."""

    clips: list[CandidateClip]
    left_out_short: int = 0


def select_clips(curve: ScoreCurve, rules: ClipRules, labels: Sequence[str] | None = None) -> Selection:
    """Return the clips of one video for `labels` (default: all classes of the curve).

    Of every class the peaks of the smoothed curve are taken, best first, each placed around its peak inside its shot. One
    that overlaps a chosen clip of its label by more than allowed is passed over; one that resembles them is put back behind
    others. Of all classes the best clips come first, then the second best, and so on, until `keep` of the video is
    filled.
    """
    shots, curve = curve.shots, curve.whole()
    smoothed = smooth(curve, rules.smoothing)
    ranked: list[tuple[int, CandidateClip]] = []
    left_out = 0
    for label in labels if labels is not None else curve.classes:
        column = smoothed[:, curve.classes.index(label)]
        peaks, passed = _placed_peaks(curve, shots, column, label, rules)
        left_out += passed
        ranked += enumerate(_of_class(curve, peaks, rules))
    # The best clip of every class before the second of any: a class that scores high everywhere leaves room for others.
    ranked.sort(key=lambda entry: (entry[0], -entry[1].score, entry[1].start, entry[1].label))
    chosen = [clip for _, clip in ranked]
    if rules.keep is not None:
        chosen = within_share(chosen, rules.keep * curve.end)
    return Selection(chosen, left_out)


def smooth(curve: ScoreCurve, seconds: float) -> NDArray[np.float32]:
    """Return the scores `(n, K)` averaged over `seconds` to both sides with falling weight, never across a cut."""
    if seconds <= 0 or len(curve.times) < 2:
        return curve.scores
    found = np.empty_like(curve.scores)
    for first, last in _runs(curve):
        found[first:last] = _triangle(curve.times[first:last], curve.scores[first:last], seconds)
    return found


def peaks_of(curve: ScoreCurve, column: NDArray[np.float32], least: float) -> list[int]:
    """Return the rows of local maxima of at least `least`, within shots, best first; of a plateau the middle."""
    from scipy.signal import find_peaks

    # A row of nothing between shots makes their first and last rows maxima where they are.
    padded: list[float] = [-1.0]
    row_of = [-1]
    for first, last in _runs(curve):
        padded += column[first:last].tolist()
        row_of += range(first, last)
        padded.append(-1.0)
        row_of.append(-1)
    found, _ = find_peaks(np.array(padded), height=max(least, 0.0))
    rows = [row_of[place] for place in found]
    return sorted(rows, key=lambda row: (-float(column[row]), row))


def place(peak: float, seconds: float, shot: Shot, fps: float | None) -> tuple[float, float, bool]:
    """Return start and end of a clip around `peak` inside its shot, and whether the shot is shorter than the clip.

    A shot that lacks less than a frame counts as long enough.
    """
    if shot.seconds < seconds - 1 / (fps or 25.0) - _SAME:
        return shot.start, shot.end, True
    start = max(shot.start, min(peak - seconds / 2, shot.end - seconds))
    if fps and start > shot.start:  # on a frame: names, tables and files then say the same
        start = max(shot.start, math.floor(start * fps + 0.01) / fps)
    return start, min(shot.end, start + seconds), False


def overlap_share(first: CandidateClip, second: CandidateClip) -> float:
    """Return the share of the shorter clip that lies in the other."""
    common = min(first.end, second.end) - max(first.start, second.start)
    return max(0.0, common) / max(_SAME, min(first.seconds, second.seconds))


def within_share(clips: Sequence[CandidateClip], seconds: float) -> list[CandidateClip]:
    """Return clips, the best first, as long as what they cover together lasts at most `seconds`."""
    kept: list[CandidateClip] = []
    covered: list[tuple[float, float]] = []
    left = seconds + _SAME
    for clip in clips:
        new = clip.seconds - sum(max(0.0, min(clip.end, b) - max(clip.start, a)) for a, b in covered)
        if new <= left:
            kept.append(clip)
            left -= new
            touching = [(a, b) for a, b in covered if a <= clip.end and clip.start <= b]
            apart = [part for part in covered if part not in touching]
            joined = [(clip.start, clip.end), *touching]
            covered = [*apart, (min(a for a, _ in joined), max(b for _, b in joined))]
    return kept


def _placed_peaks(
    curve: ScoreCurve, shots: list[Shot], column: NDArray[np.float32], label: str, rules: ClipRules
) -> tuple[list[CandidateClip], int]:
    found: list[CandidateClip] = []
    short = 0
    starts = curve.cuts
    for row in peaks_of(curve, column, rules.least(len(curve.classes))):
        peak = float(curve.times[row])
        shot = shots[int(np.searchsorted(starts, peak + _SAME))]
        start, end, is_short = place(peak, rules.seconds, shot, curve.fps)
        if is_short and not rules.short:
            short += 1
            continue
        found.append(CandidateClip(label, start, end, peak, float(column[row]), is_short))
    return found, short


def _of_class(curve: ScoreCurve, peaks: list[CandidateClip], rules: ClipRules) -> list[CandidateClip]:
    """Return at most `per_class` of the peaks of one class, far enough apart in time and in looks."""
    chosen: list[CandidateClip] = []
    if not peaks:
        return chosen
    scale = _spread(curve)
    looks = np.stack([curve.feature(clip.start, clip.end) for clip in peaks])
    penalty = np.zeros(len(peaks))
    alive = np.ones(len(peaks), np.bool_)
    scores = np.array([clip.score for clip in peaks])
    while len(chosen) < rules.per_class and alive.any():
        best = int(np.argmax(np.where(alive, scores * (1 - rules.diversity * penalty), -np.inf)))
        alive[best] = False
        if any(overlap_share(peaks[best], other) > rules.overlap + _SAME for other in chosen):
            continue
        chosen.append(peaks[best])
        if rules.diversity:
            distance = np.square(looks - looks[best]).mean(axis=1)
            penalty = np.maximum(penalty, np.exp(-distance / scale))
    return chosen


def _spread(curve: ScoreCurve) -> float:
    """Return the mean square by which seconds of the video differ from its mean."""
    if len(curve.features) < 2:
        return 1.0
    return max(1e-9, float(np.square(curve.features - curve.features.mean(axis=0)).mean()))


def _runs(curve: ScoreCurve) -> list[tuple[int, int]]:
    """Return first and last + 1 row of each shot that has rows."""
    edges = np.searchsorted(curve.times, curve.cuts - _SAME).tolist() if len(curve.cuts) else []
    places = [0, *edges, len(curve.times)]
    return [(a, b) for a, b in pairwise(places) if b > a]


def _triangle(times: NDArray[np.float64], scores: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    found = np.empty_like(scores)
    first = np.searchsorted(times, times - seconds)
    last = np.searchsorted(times, times + seconds, side="right")
    for row in range(len(times)):
        part = slice(first[row], last[row])
        weights = 1 - np.abs(times[part] - times[row]) / (seconds + _SAME)
        found[row] = (weights @ scores[part]) / weights.sum()
    return found
