"""Clips as files: copied packets and encoded frames show what was promised, to a frame, at variable rates too."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kinema.errors import KinemaError
from kinema.mining.clips import CandidateClip, MinedVideo, ScoreStore, Shot, write_clip
from kinema.mining.clips.cutter import ClipCutter, CutJob
from kinema.mining.clips.cutting import keyframes_of
from kinema.video import Frame, VideoWriter, open_source

FPS = 10


def pictures_of(seconds: float) -> list[NDArray[np.uint8]]:
    """Synthetic pictures 48 x 64: a grey scene that moves every fourth frame, under a bar that tells each from its neighbours."""
    ground = np.random.default_rng(0).integers(90, 130, (6, 8, 1), dtype=np.uint8).repeat(3, axis=2)
    ground = np.kron(ground, np.ones((8, 8, 1), np.uint8))
    made = []
    for index in range(round(seconds * FPS)):
        picture = np.roll(ground, index // 4, axis=1)
        picture[:8, : 8 * (index % 8 + 1)] = 220
        made.append(picture)
    return made


def with_keyframes(path: Path, pictures: list[Any], every: int) -> Path:
    """An mp4 with a keyframe every so many frames, and B-frames between."""
    import av

    with av.open(str(path), "w") as out:
        options = {"g": str(every), "keyint_min": str(every), "sc_threshold": "0", "bf": "2", "crf": "12"}
        stream = out.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path


def frames_of(path: Path) -> list[Frame]:
    with open_source(path, threads=1) as source:
        found = list(source)
        assert source.problems == []
    return found


@pytest.mark.parametrize(("every", "copied"), [(10, True), (400, False)])
def test_packets_are_copied_where_a_keyframe_is_near(tmp_path: Path, every: int, copied: bool) -> None:
    source = with_keyframes(tmp_path / "film.mp4", pictures_of(40), every)
    result = MinedVideo("film.mp4", "hash", 40.0, False, 0, [])
    with ScoreStore(tmp_path / "scores.db") as store:
        cutter = ClipCutter(tmp_path, store, ["red"], overlap=0.25, copy=True, workers=1)
        wanted = CandidateClip("red", 18.3, 22.3, 20.3, 0.9)
        cutter.cut(CutJob(source, None, [Shot(0.0, 40.0)], "film"), [wanted], result)
        cutter.close()
    [(clip, name, about)] = result.clips
    assert (about["copied"], about["start"]) == ((True, 18.0) if copied else (False, 18.3))
    assert name == ("film__red__18.00-22.00.mp4" if copied else "film__red__18.30-22.30.mp4")
    assert clip.start <= 20.3 <= clip.end
    frames = frames_of(tmp_path / "clips" / name)
    assert abs(len(frames) - 40) <= 1
    original = frames_of(source)
    first = 180 if copied else 183
    limit = 0.01 if copied else 4
    assert all(
        np.abs(frame.image.astype(int) - original[first + i].image).mean() <= limit
        for i, frame in enumerate(frames)
    )


def test_a_copy_is_refused_where_its_end_is_between_pictures_that_need_each_other(tmp_path: Path) -> None:
    source = with_keyframes(tmp_path / "film.mp4", pictures_of(30), 20)
    keyframes = keyframes_of(source)
    assert keyframes is not None and keyframes.times[:3] == [0.0, 2.0, 4.0]
    for frames in range(5, 25):
        written = write_clip(source, tmp_path / "clip.mp4", 2.0, 2.0 + frames / FPS, keyframes=keyframes)
        assert abs(written.frame_count - frames) <= 1
        assert len(frames_of(tmp_path / "clip.mp4")) == written.frame_count
    # What must not be passed is not passed, not even by a frame.
    for frames in range(5, 25):
        end = 2.0 + frames / FPS
        written = write_clip(source, tmp_path / "clip.mp4", 2.0, end, keyframes=keyframes, latest=end)
        assert written.frame_count <= frames


def test_a_stretch_without_frames(tmp_path: Path) -> None:
    source = with_keyframes(tmp_path / "film.mp4", pictures_of(3), 10)
    with pytest.raises(KinemaError, match=r"no frame between 50\.00 s and 54\.00 s"):
        write_clip(source, tmp_path / "clip.mp4", 50.0, 54.0)
    assert not (tmp_path / "clip.mp4").exists()


def test_a_picture_that_is_shown_long_lasts_as_long_in_the_clip(tmp_path: Path) -> None:
    # 10 frames a second, none from 2 s to 3 s, the last from 4.9 s on: 8 frames a second in the mean.
    source = tmp_path / "film.mp4"
    with VideoWriter(source, 10) as out:
        for number, picture in enumerate(pictures_of(5)):
            if not 20 <= number < 30:
                out.write(Frame(picture, number / FPS, number))
    clip = tmp_path / "clip.mp4"
    written = write_clip(source, clip, 1.0, 2.8)
    assert (written.start, written.end) == (pytest.approx(1.0), pytest.approx(2.8))
    frames = frames_of(clip)
    assert [frame.time for frame in frames[:10]] == pytest.approx(
        [index / 10 for index in range(10)], abs=1e-3
    )
    # The picture of 1.9 s is there until the end, which is one frame of an eighth of a second behind.
    assert frames[-1].time == pytest.approx(1.8 - 1 / 8, abs=1e-3)
    assert np.abs(frames[-1].image.astype(int) - frames[9].image).mean() < 4
    # Behind the end of the video nothing is shown.
    assert write_clip(source, clip, 4.0, 6.0).end == pytest.approx(4.9 + 1 / 8)
