"""A late start gives exactly the frames of a pass from the beginning: images, times, indices."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kinema.video import FileSource, Frame, open_source
from kinema.video.playback import Playback

GROUPS = {"bf": "2", "g": "12"}
FILES = {
    "h264.mp4": {"options": GROUPS},
    "open_groups.mp4": {
        "options": {"x264-params": "open-gop=1:keyint=12:min-keyint=12:bframes=3:scenecut=0"}
    },
    "h264.mkv": {"options": GROUPS},
    "h264.ts": {"options": GROUPS, "format": "mpegts"},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "12"}},
    "mpeg4_b_frames.avi": {"codec": "mpeg4", "options": GROUPS},
    "mpeg4_b_frames.mp4": {"codec": "mpeg4", "options": GROUPS},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": GROUPS},
    "vp8_hidden_frames.webm": {
        "codec": "libvpx",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "24"},
    },
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "24", "deadline": "realtime", "cpu-used": "8"}},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "raw.h264": {"options": GROUPS, "format": "h264"},
    "flash.flv": {"codec": "flv1", "options": {"g": "12"}},
    "variable.mp4": {
        "options": GROUPS,
        "stamps": [k * 40 + (k % 3) * 11 for k in range(150)],
        "time_base": Fraction(1, 1000),
    },
}


def same(left: list[Frame], right: list[Frame]) -> bool:
    return [(f.index, f.time) for f in left] == [(f.index, f.time) for f in right] and all(
        np.array_equal(a.image, b.image) for a, b in zip(left, right, strict=True)
    )


def moving(index: int) -> np.ndarray:
    image = np.full((48, 64, 3), 40 + index, np.uint8)
    image[10:30, index % 50 : index % 50 + 14] = (220, index % 200, 30)
    return image


@pytest.mark.parametrize("name", FILES)
def test_a_late_start_gives_the_frames_of_a_full_pass(
    name: str, tmp_path: Path, synthetic: SimpleNamespace
) -> None:
    path = synthetic.encode(tmp_path / name, 150, picture=moving, **FILES[name])
    source = open_source(path)
    every = list(source)
    assert [frame.index for frame in every] == list(range(150))
    for start in (2.0, 3.301, 5.9):
        late = list(source.frames(start=start))
        assert late
        assert late[0].time >= start - 0.002
        assert same(late, [frame for frame in every if frame.time >= start - 0.002])
        assert same(
            list(open_source(path).frames(start=start, end=start + 0.3)),
            late[: len(late)][: len([frame for frame in late if frame.time < start + 0.3 - 0.002])],
        )


def test_a_late_start_decodes_from_the_keyframe_before_it(
    tmp_path: Path, synthetic: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = synthetic.encode(tmp_path / "v.mp4", 300, options={**GROUPS, "sc_threshold": "0"})
    went: list[int] = []
    seek = Playback.seek
    monkeypatch.setattr(
        Playback, "seek", lambda self, at, line: went.append(line.index(at)) or seek(self, at, line)
    )
    frames = list(open_source(path).frames(start=10.0, end=10.1))
    assert [frame.index for frame in frames] == [250, 251, 252]
    assert went == [240]  # groups of 12 begin at 0, 12, ..., 240


def test_a_container_that_seeks_to_the_wrong_place_is_decoded_from_the_beginning(
    tmp_path: Path, synthetic: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = synthetic.encode(tmp_path / "v.mp4", 150, options=GROUPS)
    monkeypatch.setattr(
        "kinema.video.decoder.Decoder.seek", lambda self, stamp: self._container.seek(10**9) or True
    )
    frames = list(open_source(path).frames(start=5.0, end=5.1))
    assert [frame.index for frame in frames] == [125, 126, 127]
    assert synthetic.levels([frame.image for frame in frames]) == [
        synthetic.level(k) for k in (125, 126, 127)
    ]


@pytest.mark.parametrize(
    "name", ["odd-videos/demo.mp4", "odd-videos/SOX5yA1l24A.mp4", "falls/adl/subject3_18.mp4"]
)
def test_real_files_seek_exactly(name: str, test_data: Path) -> None:
    path = test_data / name
    source = open_source(path)
    every = list(source.frames(size=(64, 48)))
    assert isinstance(source, FileSource)
    for start in (3.0, 6.2):
        assert same(
            list(source.frames(start=start, size=(64, 48))), [f for f in every if f.time >= start - 0.002]
        )
