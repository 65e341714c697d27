"""Cutting: only the wanted seconds are read, their frames are exact, in any container."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from kinema.data.fetch.cutting import UnseekableError, copy_seconds, decodes, write_clip
from kinema.data.fetch.refusals import ClipError
from kinema.video import open_source

pytest.importorskip("yt_dlp", reason="needs the download extra")
Seconds = Callable[[Path], list[int]]


@pytest.mark.parametrize(
    ("start", "end", "seconds", "frames"),
    [(0, 2, [0, 1], 20), (9.5, 11.2, [9, 10, 11], 17), (28, 30, [28, 29], 20), (28, 30.9, [28, 29], 20)],
)
def test_the_cut_is_exact(
    half_minute: bytes,
    tmp_path: Path,
    seconds_in: Seconds,
    start: float,
    end: float,
    seconds: list[int],
    frames: int,
) -> None:
    (tmp_path / "whole.mp4").write_bytes(half_minute)
    with (tmp_path / "whole.mp4").open("rb", buffering=0) as whole:
        piece = copy_seconds(whole, tmp_path, start, end)
    write_clip(piece.path, tmp_path / "clip.mp4", start, end, short_side=60, offset=piece.offset)
    assert seconds_in(tmp_path / "clip.mp4") == seconds
    with open_source(tmp_path / "clip.mp4") as clip:
        assert clip.size == (80, 60)
        assert sum(1 for _ in clip) == frames


@pytest.mark.parametrize("start", [29, 45])
def test_a_range_past_the_end_is_too_short(half_minute: bytes, tmp_path: Path, start: float) -> None:
    (tmp_path / "whole.mp4").write_bytes(half_minute)
    with (
        (tmp_path / "whole.mp4").open("rb", buffering=0) as whole,
        pytest.raises(ClipError, match="too short"),
    ):
        piece = copy_seconds(whole, tmp_path, start, start + 10)
        write_clip(piece.path, tmp_path / "clip.mp4", start, start + 10, short_side=120, offset=piece.offset)
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".webm"])
def test_other_containers_are_cut_in_the_same_place(tmp_path: Path, seconds_in: Seconds, suffix: str) -> None:
    codec = {".mkv": "libx264", ".avi": "mpeg4", ".webm": "libvpx-vp9"}[suffix]
    original = tmp_path / f"video{suffix}"
    options = {"deadline": "realtime", "cpu-used": "8"} if suffix == ".webm" else {}
    with av.open(str(original), "w") as out:
        stream = out.add_stream(codec, rate=10, width=160, height=120, options=options)
        stream.pix_fmt, stream.gop_size = "yuv420p", 20
        for index in range(200):
            picture = np.full((120, 160, 3), index // 10 * 8, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    try:
        with original.open("rb", buffering=0) as video:
            piece = copy_seconds(video, tmp_path, 14, 16)
        source, offset = piece.path, piece.offset
    except UnseekableError:
        assert suffix == ".avi"
        source, offset = original, 0.0
    write_clip(source, tmp_path / "clip.mp4", 14, 16, short_side=120, offset=offset)
    assert seconds_in(tmp_path / "clip.mp4") == [14, 15]


def test_a_clip_cut_short_does_not_decode(half_minute: bytes, tmp_path: Path) -> None:
    (tmp_path / "whole.mp4").write_bytes(half_minute)
    (tmp_path / "half.mp4").write_bytes(half_minute[: len(half_minute) // 2])
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert decodes(tmp_path / "whole.mp4")
    assert not decodes(tmp_path / "half.mp4")
    assert not decodes(tmp_path / "empty.mp4")
