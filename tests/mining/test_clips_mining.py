"""From long synthetic videos to clips, their manifest, and back again: with a scorer that only looks at colours."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kinema.data import ClipSpec, Manifest
from kinema.errors import DataError, UsageError
from kinema.mining.clips import (
    ClipRules,
    ScoreCurve,
    Scorer,
    Unscored,
    mine_clips,
    score_videos,
    scoring,
)
from kinema.video import VideoWriter, open_source

FPS = 10
CLASSES = ["red", "blue", "none of these"]


class Colours:
    """Follows pictures by how red or blue they are; notes how many it saw, and where streams began."""

    engine, at_a_time = "colours", 1

    def __init__(self, stop_after: int | None = None) -> None:
        self.seen, self.begun, self.stop_after = 0, 0, stop_after

    def embed(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen += len(pictures)
        if self.stop_after is not None and self.seen > self.stop_after:
            raise KeyboardInterrupt
        means: NDArray[np.float32] = (
            pictures.reshape(len(pictures), -1, 3).mean(axis=1).astype(np.float32) / 255
        )
        return means

    def advance(self, samples: NDArray[Any], state: Any) -> tuple[NDArray[np.float32], Any]:
        self.begun += state is None
        red, blue = samples[:, 0] - samples[:, 1], samples[:, 2] - samples[:, 1]
        return np.stack([20 * red, 20 * blue, np.full(len(samples), 4.0)], axis=1).astype(
            np.float32
        ), "going on"

    def step(self, picture: NDArray[np.uint8], state: Any) -> tuple[NDArray[np.float32], Any]:
        logits, state = self.advance(self.embed(picture[None]), state)
        return logits[0], state


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
    return result


def scorer(follower: Colours | None = None, frames: int = 1) -> Scorer:
    spec = ClipSpec(frames=frames, fps=5.0, height=12, width=16)
    return Scorer("colours", list(CLASSES), spec, follower or Colours(), softmax, f"colours-{frames}")


def pictures_of(
    seconds: float, red: tuple[float, ...] = (), blue: tuple[float, ...] = (), seed: int = 0
) -> list[Any]:
    """Pictures 48 x 64 of a grey, slowly moving scene that grows red or blue around some seconds, for a second each way."""
    ground = np.random.default_rng(seed).integers(90, 130, (6, 8, 1), dtype=np.uint8).repeat(3, axis=2)
    ground = np.kron(ground, np.ones((8, 8, 1), np.uint8)).astype(np.float32)
    made = []
    for index in range(round(seconds * FPS)):
        picture = np.roll(ground, index // 4, axis=1)
        for channel, moments in ((0, red), (2, blue)):
            for moment in moments:
                strength = max(0.0, 1 - abs(index / FPS - moment) / 1.5)
                picture[..., channel] += 110 * strength
        made.append(picture.clip(0, 255).astype(np.uint8))
    return made


def video(path: Path, pictures: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, FPS, quality=12) as out:
        for picture in pictures:
            out.write(picture)
    return path


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    with open_source(path, threads=1) as source:
        found = [frame.image for frame in source]
        assert source.problems == []
    return found


def curve_in(out: Path) -> ScoreCurve:
    """The one curve that is kept in a folder."""
    with closing(sqlite3.connect(out / "scores.db")) as base:
        [(stored,)] = base.execute("select curve from curves")
    return ScoreCurve.from_bytes(stored)


RULES = ClipRules(seconds=4, smoothing=0.5)


def test_clips_files_and_manifest(tmp_path: Path) -> None:
    source = video(tmp_path / "films" / "long film.mp4", pictures_of(40, red=(10, 30), blue=(20,)))
    mined = mine_clips(scorer(), [source], tmp_path / "out", RULES, copy=False)
    table = Manifest.read(mined.manifest or "").table
    assert sorted(table["video"]) == [
        "clips/long_film__blue__18.00-22.00.mp4",
        "clips/long_film__red__28.00-32.00.mp4",
        "clips/long_film__red__8.00-12.00.mp4",
    ]
    row = table[table["label"] == "blue"].iloc[0]
    assert float(row["peak_time"]) == pytest.approx(20.0, abs=0.21)
    assert (float(row["source_start"]), float(row["source_end"])) == (18.0, 22.0)
    assert row["source_video"] == row["group"] == str(source)
    assert row["recognizer"] == "colours-1"
    assert len(row["source_hash"]) == 64
    assert 0.9 < float(row["score"]) < 1.0
    original = frames_of(source)
    for name, start in zip(table["video"], table["source_start"].astype(float), strict=True):
        clip = frames_of(tmp_path / "out" / name)
        assert len(clip) == 40
        for index in (0, 20, 39):
            wanted = original[round(start * FPS) + index].astype(int)
            assert np.abs(clip[index] - wanted).mean() < 4


def test_the_same_call_computes_and_cuts_nothing_twice(tmp_path: Path) -> None:
    source = video(tmp_path / "film.mp4", pictures_of(20, red=(10,)))
    first = Colours()
    mined = mine_clips(scorer(first), [source], tmp_path / "out", RULES)
    clip = next((tmp_path / "out" / "clips").iterdir())
    before = clip.stat().st_mtime_ns
    assert (first.seen, mined.clips) == (100, 1)  # every second of 200 frames
    again = Colours()
    second = mine_clips(scorer(again), [source], tmp_path / "out", RULES)
    assert (again.seen, second.clips, second.videos[0].reused) == (0, 1, True)
    assert clip.stat().st_mtime_ns == before
    # Other rules want other clips of the same scores; a moved video is known by its content.
    moved = source.rename(tmp_path / "renamed.mp4")
    third = mine_clips(scorer(again), [moved], tmp_path / "out", ClipRules(seconds=2, smoothing=0.5))
    assert (again.seen, third.clips) == (0, 1)
    assert Manifest.read(third.manifest or "").table["video"].tolist() == [
        "clips/renamed__red__9.00-11.00.mp4"
    ]
    assert (second.notes, third.notes) == (
        [],
        ["listed before and not chosen now: 1 clip; the files stay in clips/"],
    )
    assert clip.is_file()


def test_a_lost_clip_is_cut_again(tmp_path: Path) -> None:
    source = video(tmp_path / "film.mp4", pictures_of(20, red=(10,)))
    mine_clips(scorer(), [source], tmp_path / "out", RULES)
    clip = next((tmp_path / "out" / "clips").iterdir())
    clip.write_bytes(b"damaged")
    mine_clips(scorer(), [source], tmp_path / "out", RULES)
    assert len(frames_of(clip)) == 40


def test_videos_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for folder, seed in (("a", 1), ("b", 2)):
        video(tmp_path / folder / "film.mp4", pictures_of(20, red=(10,), seed=seed))
    mined = mine_clips(scorer(), [tmp_path / "a", tmp_path / "b"], tmp_path / "out", RULES)
    names = sorted(path.name for path in (tmp_path / "out" / "clips").iterdir())
    assert len(names) == 2 and mined.clips == 2
    assert all(len(name) == len("film-abcdef__red__8.00-12.00.mp4") for name in names)
    # One after the other: the second gets a hash, and the rows of the first stay.
    for folder in ("a", "b"):
        mined = mine_clips(scorer(), [tmp_path / folder / "film.mp4"], tmp_path / "one by one", RULES)
    table = Manifest.read(mined.manifest or "").table
    assert len(table) == len(set(table["video"])) == 2
    assert "clips/film__red__8.00-12.00.mp4" in set(table["video"])


def test_the_same_content_is_mined_once(tmp_path: Path) -> None:
    first = video(tmp_path / "one.mp4", pictures_of(20, red=(10,)))
    (tmp_path / "two.mp4").write_bytes(first.read_bytes())
    mined = mine_clips(scorer(), [tmp_path], tmp_path / "out", RULES)
    assert mined.clips == 1
    assert mined.notes == [f"{tmp_path / 'two.mp4'}: the same content as {tmp_path / 'one.mp4'}, mined once"]


def test_a_bad_video_does_not_stop_the_others(tmp_path: Path) -> None:
    video(tmp_path / "v" / "good.mp4", pictures_of(20, red=(10,)))
    (tmp_path / "v" / "bad.mp4").write_bytes(b"not a video at all")
    (tmp_path / "v" / "empty.mp4").write_bytes(b"")
    mined = mine_clips(scorer(), [tmp_path / "v"], tmp_path / "out", RULES)
    assert sorted(Path(video.video).name for video in mined.failed) == ["bad.mp4", "empty.mp4"]
    assert mined.clips == 1


def test_cuts_are_never_crossed_and_windows_begin_anew(tmp_path: Path) -> None:
    # Red at the very end of the first shot, and early in the third.
    parts = [
        pictures_of(12, red=(11.5,), seed=1),
        pictures_of(3, seed=9),
        pictures_of(12, red=(2.2,), seed=4),
    ]
    source = video(tmp_path / "film.mp4", [picture for part in parts for picture in part])
    follower = Colours()
    mined = mine_clips(scorer(follower, frames=8), [source], tmp_path / "out", RULES, copy=False)
    assert follower.begun == 3
    spans = sorted((clip.start, clip.end) for clip, _, _ in mined.videos[0].clips)
    assert spans == [(8.0, 12.0), (15.0, 19.0)]
    assert all(len(frames_of(path)) == 40 for path in (tmp_path / "out" / "clips").iterdir())


def test_rows_of_windows_stand_for_their_middle(tmp_path: Path) -> None:
    source = video(tmp_path / "film.mp4", pictures_of(10))
    [(_, curve)] = score_videos(
        scorer(frames=10), [Unscored(source)]
    )  # 10 pictures at 5 a second: 1.8 s apart
    assert isinstance(curve, ScoreCurve)
    assert curve.times[:3] == pytest.approx([0.0, 0.1, 0.2])  # of 0 to t, as long as a window is not full
    assert curve.times[-1] == pytest.approx(8.9)  # the pictures at 8.0 to 9.8
    assert curve.end == pytest.approx(10.0)


def test_every_so_many_frames(tmp_path: Path) -> None:
    source = video(tmp_path / "film.mp4", pictures_of(10))
    for every, rows in ((1, 100), (3, 34), (50, 2)):
        [(_, curve)] = score_videos(scorer(), [Unscored(source, every=every)])
        assert isinstance(curve, ScoreCurve)
        assert len(curve.times) == rows
        assert curve.times[1] == pytest.approx(every / FPS)


def test_a_dry_run_draws_and_cuts_nothing(tmp_path: Path) -> None:
    source = video(tmp_path / "film.mp4", pictures_of(20, red=(10,)))
    mined = mine_clips(scorer(), [source], tmp_path / "out", RULES, dry_run=True)
    assert mined.manifest is None and not (tmp_path / "out" / "clips").exists()
    lines = (tmp_path / "out" / "curves" / "film.csv").read_text().splitlines()
    assert lines[0].startswith("time,shot,red,red smoothed,blue")
    assert len(lines) == 101
    assert (tmp_path / "out" / "curves" / "film.png").read_bytes().startswith(b"\x89PNG")
    # Nothing is scored twice for the real thing.
    follower = Colours()
    assert mine_clips(scorer(follower), [source], tmp_path / "out", RULES).clips == 1
    assert follower.seen == 0


def test_stopped_it_leaves_nothing_half_written_and_goes_on(tmp_path: Path) -> None:
    for number in range(3):
        video(tmp_path / "v" / f"film{number}.mp4", pictures_of(20, red=(10,), seed=number))
    with pytest.raises(KeyboardInterrupt):
        mine_clips(scorer(Colours(stop_after=190)), [tmp_path / "v"], tmp_path / "out", RULES, workers=1)
    left = [
        path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".") and path.suffix == ".mp4"
    ]
    assert left == []
    for path in (tmp_path / "out").glob("clips/*.mp4"):
        assert len(frames_of(path)) == 40
    follower = Colours()
    mined = mine_clips(scorer(follower), [tmp_path / "v"], tmp_path / "out", RULES)
    assert mined.clips == 3
    assert follower.seen == 200  # the first of the three was finished before


@pytest.mark.parametrize(("frames", "every"), [(1, 2), (8, None)])
def test_what_is_scored_of_a_video_is_kept_when_it_stops(
    frames: int, every: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "KEPT_EVERY", 4.0)
    pictures = [*pictures_of(25, red=(8,), seed=1), *pictures_of(35, blue=(24,), seed=4)]
    source = video(tmp_path / "film.mp4", pictures)
    expected = mine_clips(scorer(None, frames), [source], tmp_path / "one go", RULES, every=every)
    with pytest.raises(KeyboardInterrupt):
        mine_clips(scorer(Colours(stop_after=200), frames), [source], tmp_path / "out", RULES, every=every)
    rest = Colours()
    mined = mine_clips(scorer(rest, frames), [source], tmp_path / "out", RULES, every=every)
    assert 100 <= rest.seen < 200  # of 300
    assert "went on from there" in mined.notes[0]
    assert mined.clips == 2
    assert [clip for clip, _, _ in mined.videos[0].clips] == [clip for clip, _, _ in expected.videos[0].clips]
    first, second = curve_in(tmp_path / "one go"), curve_in(tmp_path / "out")
    assert second.times == pytest.approx(first.times)
    assert second.scores == pytest.approx(first.scores, abs=1e-5)
    assert second.cuts == pytest.approx(first.cuts) == [25.0]


def test_a_long_video_is_kept_whenever_it_has_grown_by_a_tenth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "KEPT_EVERY", 1.0)
    monkeypatch.setattr(scoring, "_ROWS", 1)
    source, ends = Unscored(video(tmp_path / "film.mp4", pictures_of(40)), every=1), []
    for _ in score_videos(scorer(), [source], batch_size=1, kept=lambda _, part: ends.append(part.end)):
        pass
    # Each second up to ten, and from 29 s on every three seconds.
    assert 8 <= sum(end < 9.5 for end in ends) <= 10
    late = [end for end in ends if end > 29]
    assert 3 <= len(late) <= 4 and min(np.diff(late)) >= 2.9


def test_what_cannot_be(tmp_path: Path) -> None:
    source = video(tmp_path / "film.mp4", pictures_of(3))
    with pytest.raises(UsageError, match="unknown label 'gren'"):
        mine_clips(scorer(), [source], tmp_path / "out", labels=["gren"])
    with pytest.raises(DataError, match="not a file of score curves"):
        (tmp_path / "cache").write_text("this is no database, but long enough to be looked at" * 20)
        mine_clips(scorer(), [source], tmp_path / "out", cache_file=tmp_path / "cache")
    (tmp_path / "out" / "clips.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="not written by kinema mine clips"):
        mine_clips(scorer(), [source], tmp_path / "out")


def test_background_is_not_mined(tmp_path: Path) -> None:
    source = video(tmp_path / "film.mp4", pictures_of(20))
    rules = ClipRules(seconds=4, min_score=0.0)
    mined = mine_clips(scorer(), [source], tmp_path / "out", rules)
    assert set(mined.counts()) <= {"red", "blue"}
    named = mine_clips(scorer(), [source], tmp_path / "o2", rules, labels=["none of these"])
    assert set(named.counts()) == {"none of these"}
