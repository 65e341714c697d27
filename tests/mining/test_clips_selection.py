"""Which clips are chosen of a score curve: peaks within shots, suppression, places, lengths."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.errors import UsageError
from kinema.mining.clips import CandidateClip, ClipRules, ScoreCurve, Shot, select_clips
from kinema.mining.clips.selection import overlap_share, peaks_of, place, smooth, within_share


def curve(
    scores: np.ndarray, *, step: float = 0.5, cuts: tuple[float, ...] = (), features: np.ndarray | None = None
) -> ScoreCurve:
    """A curve of rows every `step` seconds."""
    rows = np.asarray(scores, np.float32)
    rows = rows[:, None] if rows.ndim == 1 else rows
    end = len(rows) * step
    found = np.zeros((int(end) + 1, 4), np.float32) if features is None else features.astype(np.float32)
    names = ["wave", "jump", "none"][: rows.shape[1]]
    return ScoreCurve(names, np.arange(len(rows)) * step, rows, np.array(cuts), end, 10.0, found)


def bump(length: int, **heights: float) -> np.ndarray:
    """Rows of zeros with single rows of a height: r12=0.9."""
    made = np.zeros(length)
    for name, height in heights.items():
        made[int(name[1:])] = height
    return made


def test_clip_lies_around_its_peak() -> None:
    found = select_clips(curve(bump(80, r40=0.9)), ClipRules(seconds=5, smoothing=0, per_class=2)).clips
    assert [(c.label, c.start, c.end, c.peak_time) for c in found] == [("wave", 17.5, 22.5, 20.0)]


def test_clip_stays_inside_the_video() -> None:
    found = select_clips(curve(bump(40, r0=0.9, r39=0.8)), ClipRules(seconds=5, smoothing=0)).clips
    assert [(c.start, c.end) for c in found] == [(0.0, 5.0), (15.0, 20.0)]


def test_clip_is_moved_off_a_cut() -> None:
    # A cut at 21 s, one second behind the peak at 20 s: the clip ends there.
    found = select_clips(curve(bump(80, r40=0.9), cuts=(21.0,)), ClipRules(seconds=5, smoothing=0)).clips
    assert [(c.start, c.end) for c in found] == [(16.0, 21.0)]
    found = select_clips(curve(bump(80, r42=0.9), cuts=(21.0,)), ClipRules(seconds=5, smoothing=0)).clips
    assert [(c.start, c.end) for c in found] == [(21.0, 26.0)]


def test_peak_of_a_short_shot_is_left_out_and_said() -> None:
    scores = curve(bump(80, r40=0.9), cuts=(18.0, 21.0))
    left_out = select_clips(scores, ClipRules(seconds=5, smoothing=0))
    assert (left_out.clips, left_out.left_out_short) == ([], 1)
    kept = select_clips(scores, ClipRules(seconds=5, smoothing=0, short=True))
    assert [(c.start, c.end, c.short) for c in kept.clips] == [(18.0, 21.0, True)]


def test_a_short_shot_does_not_use_up_the_clips_of_a_class() -> None:
    scores = curve(bump(80, r40=0.9, r60=0.6), cuts=(18.0, 21.0))
    found = select_clips(scores, ClipRules(seconds=5, smoothing=0, per_class=1)).clips
    assert [c.peak_time for c in found] == [30.0]


def test_neighbouring_peaks_are_one_moment() -> None:
    # Peaks at 20, 21 and 30 s; clips of 5 s around the first two share 4 s.
    scores = curve(bump(80, r40=0.9, r42=0.85, r60=0.7))
    found = select_clips(scores, ClipRules(seconds=5, smoothing=0, per_class=3)).clips
    assert [c.peak_time for c in found] == [20.0, 30.0]


@pytest.mark.parametrize("seed", range(5))
def test_no_two_clips_of_a_label_overlap_by_more_than_half(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cuts = tuple(np.sort(rng.uniform(5, 190, 12)).tolist())
    scores = curve(rng.random((400, 2)), cuts=cuts)
    rules = ClipRules(seconds=4, smoothing=0.5, per_class=50, overlap=0.5, short=True, min_score=0)
    found = select_clips(scores, rules).clips
    assert len(found) > 40
    for i, first in enumerate(found):
        assert not any(first.start < cut - 1e-6 and cut + 1e-6 < first.end for cut in cuts)
        assert 0 <= first.start < first.end <= 200.0
        for second in found[i + 1 :]:
            if first.label == second.label:
                assert overlap_share(first, second) <= 0.5 + 1e-5


def test_no_more_than_asked_of_a_class_and_the_best_first() -> None:
    scores = curve(bump(200, r20=0.6, r60=0.9, r100=0.7, r140=0.8))
    found = select_clips(scores, ClipRules(seconds=5, smoothing=0, per_class=3)).clips
    assert [round(c.score, 3) for c in found] == [0.9, 0.8, 0.7]


def test_what_looks_different_comes_before_more_of_the_same() -> None:
    # Two peaks in the same scene (0.9 and 0.8), and a third, a little lower, in another.
    features = np.zeros((101, 4))
    features[70:] = 5.0
    scores = curve(bump(200, r20=0.9, r60=0.8, r160=0.75), features=features)
    rules = ClipRules(seconds=5, smoothing=0, per_class=2)
    assert [c.peak_time for c in select_clips(scores, rules).clips] == [10.0, 80.0]
    plain = ClipRules(seconds=5, smoothing=0, per_class=2, diversity=0)
    assert [c.peak_time for c in select_clips(scores, plain).clips] == [10.0, 30.0]


def test_peaks_below_the_score_are_none() -> None:
    # Two classes: twice chance is 1, so the half holds.
    scores = curve(np.stack([bump(80, r40=0.49), bump(80, r60=0.51)], axis=1))
    found = select_clips(scores, ClipRules(seconds=5, smoothing=0)).clips
    assert [c.label for c in found] == ["jump"]
    assert ClipRules().least(10) == pytest.approx(0.2)
    assert ClipRules(min_score=0.3).least(10) == 0.3


def test_only_the_labels_that_are_wanted() -> None:
    scores = curve(np.stack([bump(80, r40=0.9), bump(80, r60=0.9)], axis=1))
    assert [c.label for c in select_clips(scores, ClipRules(seconds=5), ["jump"]).clips] == []
    rules = ClipRules(seconds=5, smoothing=0)
    assert [c.label for c in select_clips(scores, rules, ["jump"]).clips] == ["jump"]


def test_share_of_the_video_that_is_kept() -> None:
    # 100 s of video: a tenth is two clips of 5 s.
    scores = curve(bump(200, r20=0.6, r60=0.9, r100=0.7, r140=0.8))
    found = select_clips(scores, ClipRules(seconds=5, smoothing=0, per_class=4, keep=0.1)).clips
    assert [round(c.score, 3) for c in found] == [0.9, 0.8]
    clips = [
        CandidateClip("a", 0, 6, 3, 0.9),
        CandidateClip("a", 10, 16, 13, 0.8),
        CandidateClip("a", 20, 23, 21, 0.7),
    ]
    assert within_share(clips, 9.0) == [clips[0], clips[2]]


def test_windows_that_begin_at_a_cut_are_judged_when_they_are_whole() -> None:
    # Windows of 2 s: a row counts from one second behind the start of its shot on; of a shot that is too short the last row.
    times = np.array([0.0, 0.5, 1.0, 1.5, 5.2, 5.4, 6.0, 6.5, 7.0, 7.5])
    scores = np.array([0.9, 0.9, 0.3, 0.2, 0.1, 0.6, 0.95, 0.9, 0.4, 0.7], np.float32)[:, None]
    features = np.zeros((11, 4), np.float32)
    found = ScoreCurve(["wave"], times, scores, np.array([5.0, 6.0]), 10.0, 10.0, features, window=2.0)
    assert found.whole().times.tolist() == [1.0, 1.5, 5.4, 7.0, 7.5]
    rules = ClipRules(seconds=3, smoothing=0, per_class=5, min_score=0.25)
    clips = select_clips(found, rules).clips
    assert [(clip.peak_time, round(clip.score, 3)) for clip in clips] == [(7.5, 0.7), (1.0, 0.3)]


def test_what_clips_cover_together_counts_once() -> None:
    clips = [
        CandidateClip("a", 0, 6, 3, 0.9),
        CandidateClip("b", 3, 9, 6, 0.8),
        CandidateClip("a", 8, 10, 9, 0.7),
        CandidateClip("b", 2, 8, 4, 0.6),
    ]
    assert within_share(clips, 9.0) == [clips[0], clips[1], clips[3]]


def test_smoothing_is_a_triangle_that_ends_at_cuts() -> None:
    # Half a second apart, 1 s to each side: weights 0, 0.5, 1, 0.5, 0, so a single row of 1 becomes 0.5 and 0.25.
    smoothed = smooth(curve(bump(9, r4=1.0)), 1.0)[:, 0]
    assert smoothed == pytest.approx([0, 0, 0, 0.25, 0.5, 0.25, 0, 0, 0], abs=1e-5)
    # With a cut before row 5, nothing of it reaches the rows behind, and row 4 has only earlier neighbours.
    smoothed = smooth(curve(bump(9, r4=1.0), cuts=(2.5,)), 1.0)[:, 0]
    assert smoothed == pytest.approx([0, 0, 0, 0.25, 1 / 1.5, 0, 0, 0, 0], abs=1e-5)


def test_peaks_at_the_ends_of_shots_and_on_plateaus() -> None:
    column = np.array([0.9, 0.1, 0.2, 0.5, 0.5, 0.5, 0.1, 0.7], np.float32)
    assert peaks_of(curve(column), column, 0.0) == [0, 7, 4]
    # A cut before row 4 divides the plateau: row 3 ends one shot, rows 4 and 5 begin the next.
    assert peaks_of(curve(column, cuts=(2.0,)), column, 0.0) == [0, 7, 3, 4]


def test_places_begin_on_frames() -> None:
    # 10 frames a second: the middle 12.34 - 2.5 = 9.84 falls to the frame at 9.8.
    start, end, short = place(12.34, 5.0, Shot(0.0, 60.0), 10.0)
    assert (start, end, short) == (pytest.approx(9.8), pytest.approx(14.8), False)
    # A shot that lacks half a frame is long enough, one that lacks two is not.
    assert place(2.0, 5.0, Shot(0.0, 4.95), 10.0) == (0.0, pytest.approx(4.95), False)
    assert place(2.0, 5.0, Shot(0.0, 4.8), 10.0) == (0.0, 4.8, True)


def test_shots_of_a_curve() -> None:
    assert curve(np.zeros(20), cuts=(3.0, 7.0)).shots == [Shot(0.0, 3.0), Shot(3.0, 7.0), Shot(7.0, 10.0)]


def test_a_curve_survives_its_bytes() -> None:
    first = curve(np.stack([bump(8, r3=0.25), bump(8)], axis=1), cuts=(2.0,))
    second = ScoreCurve.from_bytes(first.to_bytes())
    assert (second.classes, second.end, second.fps) == (["wave", "jump"], 4.0, 10.0)
    assert second.scores[3].tolist() == [0.25, 0.0]
    assert second.cuts.tolist() == [2.0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seconds": 0}, "clip length 0"),
        ({"seconds": float("nan")}, "clip length nan"),
        ({"per_class": 0}, "clips a class 0"),
        ({"overlap": 0.6}, "overlap 0.6: give a number from 0 to 0.5"),
        ({"diversity": 2}, "diversity 2"),
        ({"keep": -0.1}, "keep -0.1"),
        ({"min_score": 1.5}, "min_score 1.5"),
        ({"smoothing": -1}, "smoothing -1"),
    ],
)
def test_rules_that_cannot_be(settings: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ClipRules(**settings)  # type: ignore[arg-type]
