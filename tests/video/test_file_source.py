"""Video files of many kinds: pixels, times, what is known in advance."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kinema.errors import DataError, UsageError
from kinema.video import open_source, resize

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "H.264 with B-frames": ("v.mp4", {"options": {"bf": "2", "g": "10"}}),
    "H.264 10 bits": ("v.mp4", {"pix_fmt": "yuv420p10le"}),
    "MPEG-4 in AVI": ("v.avi", {"codec": "mpeg4"}),
    "MPEG-4 in AVI with B-frames": ("v.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "Motion JPEG": ("v.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "grey": ("v.mkv", {"codec": "ffv1", "pix_fmt": "gray"}),
    "grey 10 bits": ("v.mkv", {"codec": "ffv1", "pix_fmt": "gray10le"}),
    "alpha": ("v.mkv", {"codec": "ffv1", "pix_fmt": "yuva420p"}),
    "RGB with alpha": ("v.mkv", {"codec": "ffv1", "pix_fmt": "bgra"}),
    "odd sides": ("v.mkv", {"codec": "ffv1", "size": (161, 119)}),
    "odd sides 4:4:4": ("v.mp4", {"pix_fmt": "yuv444p", "size": (161, 119)}),
    "VP9": ("v.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
    "raw H.264": ("v.h264", {"format": "h264", "options": {"bf": "2"}}),
    "raw Motion JPEG": ("v.mjpeg", {"codec": "mjpeg", "format": "mjpeg", "pix_fmt": "yuvj420p"}),
    "MPEG transport": ("v.ts", {"format": "mpegts"}),
    "animated GIF": ("v.gif", {"codec": "gif", "pix_fmt": "rgb8"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_frame_comes_once_in_order_with_its_time(
    kind: str, tmp_path: Path, synthetic: SimpleNamespace
) -> None:
    name, settings = KINDS[kind]
    source = open_source(synthetic.encode(tmp_path / name, 20, **settings))
    size = settings.get("size", (64, 48))
    assert source.size == size
    assert source.fps == pytest.approx(25)
    assert not source.live
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.time for frame in frames] == pytest.approx([k / 25 for k in range(20)], abs=0.0011)
    assert {frame.image.shape for frame in frames} == {(size[1], size[0], 3)}
    assert synthetic.levels([frame.image for frame in frames]) == pytest.approx(
        [30 + 7 * k for k in range(20)], abs=5
    )
    assert source.problems == []
    assert list(source)[7].image.tobytes() == frames[7].image.tobytes()


def test_time_counts_from_the_first_frame_and_keeps_a_variable_rate(
    tmp_path: Path, synthetic: SimpleNamespace
) -> None:
    stamps = [500, 540, 580, 1580, 1600, 1700]
    path = synthetic.encode(tmp_path / "v.mkv", 6, stamps=stamps, time_base=Fraction(1, 1000))
    times = [frame.time for frame in open_source(path)]
    assert times == pytest.approx([0, 0.04, 0.08, 1.08, 1.1, 1.2])


def test_a_raw_stream_has_no_duration(tmp_path: Path, synthetic: SimpleNamespace) -> None:
    source = open_source(synthetic.encode(tmp_path / "v.h264", format="h264"))
    assert source.duration is None
    assert source.frame_count is None


def test_duration_and_count_as_stated(tmp_path: Path, synthetic: SimpleNamespace) -> None:
    source = open_source(synthetic.encode(tmp_path / "v.mp4", 50))
    assert source.duration == pytest.approx(2.0)
    assert source.frame_count == 50


def test_frames_of_a_size_are_the_resized_frames(tmp_path: Path, synthetic: SimpleNamespace) -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 255, (480, 640, 3), np.uint8)
    path = synthetic.encode(tmp_path / "v.mp4", 3, size=(640, 480), picture=lambda k: image)
    source = open_source(path)
    for size in ((224, 224), (112, 80), (800, 600), (640, 480)):
        frame = next(source.frames(size=size))
        assert frame.image.shape == (size[1], size[0], 3)
        assert np.array_equal(frame.image, resize(next(iter(source)).image, size))


# A display matrix turns counterclockwise by the given angle; the marked corner is the stored picture's upper
# left one.
@pytest.mark.parametrize(
    ("angle", "size", "corner"),
    [
        (0, (64, 48), "upper left"),
        (90, (48, 64), "lower left"),
        (180, (64, 48), "lower right"),
        (-90, (48, 64), "upper right"),
    ],
)
def test_rotation_is_honoured(
    angle: int, size: tuple[int, int], corner: str, tmp_path: Path, synthetic: SimpleNamespace
) -> None:
    def marked(index: int) -> np.ndarray:
        image = np.zeros((48, 64, 3), np.uint8)
        image[:16, :16] = 255
        return image

    def turn(stream: Any) -> None:
        if angle:
            stream.set_display_rotation(angle)

    source = open_source(synthetic.encode(tmp_path / "v.mp4", 3, picture=marked, prepare=turn))
    assert source.size == size
    image = next(iter(source)).image
    corners = {
        "upper left": image[:16, :16],
        "upper right": image[:16, -16:],
        "lower left": image[-16:, :16],
        "lower right": image[-16:, -16:],
    }
    assert max(corners, key=lambda name: corners[name].mean()) == corner
    assert next(source.frames(size=(20, 30))).image.shape == (30, 20, 3)


# Code values by ITU-R BT.601-7 and BT.709-6, 8 bits, limited range: pure red and pure green.
@pytest.mark.parametrize(
    ("space", "limited", "ycbcr", "rgb"),
    [
        (6, True, (81, 90, 240), (255, 0, 0)),
        (6, True, (145, 54, 34), (0, 255, 0)),
        (1, True, (63, 102, 240), (255, 0, 0)),
        (1, True, (173, 42, 26), (0, 255, 0)),
        (2, True, (81, 90, 240), (255, 0, 0)),
        (6, False, (76, 85, 255), (254, 0, 0)),
        (6, True, (235, 128, 128), (255, 255, 255)),
        (6, True, (16, 128, 128), (0, 0, 0)),
        (6, False, (235, 128, 128), (235, 235, 235)),
    ],
)
def test_colour_matrix_and_range(
    space: int, limited: bool, ycbcr: tuple[int, int, int], rgb: tuple[int, int, int], tmp_path: Path
) -> None:
    import av

    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.codec_context.colorspace = space
        stream.codec_context.color_range = 1 if limited else 2
        planes = np.stack([np.full((48, 64), value, np.uint8) for value in ycbcr])
        frame = av.VideoFrame.from_ndarray(planes, format="yuv444p")
        frame.colorspace, frame.color_range = space, 1 if limited else 2
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    pixel = next(iter(open_source(tmp_path / "v.mkv"))).image[20, 20].astype(int)
    assert np.abs(pixel - rgb).max() <= 3


def test_unnamed_matrix_of_hd_video_is_bt709(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv444p"
        planes = np.stack([np.full((720, 1280), value, np.uint8) for value in (63, 102, 240)])
        container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv444p")))
        container.mux(stream.encode(None))
    pixel = next(iter(open_source(tmp_path / "v.mkv"))).image[300, 300].astype(int)
    assert np.abs(pixel - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize(
    "name",
    [
        "with space.mp4",
        "naïve 猫.mp4",
        'it\'s "quoted".mp4',
        "frame_%03d.mp4",
        "-i.mp4",
        "http:__host_v.mp4",
        "a?b=c#d.mp4",
        "0",
    ],
)
def test_any_name_is_a_plain_file(
    name: str, tmp_path: Path, synthetic: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthetic.encode(tmp_path / "v.mp4", 3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_source(name))) == 3
    assert len(list(open_source(tmp_path / name))) == 3


@pytest.mark.parametrize(
    ("live", "fault"),
    [
        (97, r"camera 97 .*no such camera"),
        ("97", r"camera 97 .*no such camera"),
        ("rtsp://127.0.0.1:1/stream", "refuses connections on port 1"),
        ("http://127.0.0.1:1/v.mp4", "refuses connections on port 1"),
    ],
)
def test_live_sources_that_are_not_there_say_so(live: str | int, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        open_source(live)


def test_a_rate_is_refused_for_a_video(tmp_path: Path, synthetic: SimpleNamespace) -> None:
    with pytest.raises(UsageError, match="own frame rate"):
        open_source(synthetic.encode(tmp_path / "v.mp4", 3), fps=10)


def test_iterators_are_independent_and_survive_close(tmp_path: Path, synthetic: SimpleNamespace) -> None:
    source = open_source(synthetic.encode(tmp_path / "v.mp4", 20))
    with source:
        one, two = iter(source), source.frames(start=0.4)
        pairs = [(next(one).index, next(two).index) for _ in range(3)]
    assert pairs == [(0, 10), (1, 11), (2, 12)]
    assert next(one).index == 3
    assert len(list(source)) == 20


def test_memory_stays_flat_over_a_long_video(tmp_path: Path, synthetic: SimpleNamespace) -> None:
    path = synthetic.encode(tmp_path / "v.mp4", 1500, options={"preset": "ultrafast"})
    tracemalloc.start()
    peaks = []
    for frame in open_source(path).frames(size=(160, 120)):
        if frame.index in (300, 1499):
            peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000  # one picture takes 57,600 bytes


def test_avi_with_b_frames_has_even_times(test_data: Path) -> None:
    # FFmpeg's guess of the presentation times of this kind of file runs 0, 3, 5, 4, 6 ...
    source = open_source(test_data / "ut-interaction/hand_shaking/set1_seq03_17_0.avi")
    times = [frame.time for frame in source]
    assert len(times) == 121
    assert times == pytest.approx([k / 30 for k in range(121)])


def test_real_files_agree_with_opencv(test_data: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    for name in ("kth/person09_running_d1_uncomp.avi", "odd-videos/mm_test.mp4"):
        capture = cv2.VideoCapture(str(test_data / name))
        for frame in open_source(test_data / name).frames(end=2.0):
            good, image = capture.read()
            assert good
            assert np.abs(image[..., ::-1].astype(int) - frame.image).mean() < 1.0


def test_a_title_in_an_old_encoding_is_no_obstacle(test_data: Path) -> None:
    path = test_data / "odd-videos/hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi"
    assert len(list(open_source(path))) == 83


@pytest.mark.parametrize(
    "kind", ["missing", "empty", "text", "audio", "pipe", "headless", "no frames", "huge"]
)
def test_what_is_no_video_is_one_clear_line(kind: str, tmp_path: Path, synthetic: SimpleNamespace) -> None:
    import os

    import av

    path = tmp_path / "bad.mp4"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("video,start,end\n" * 100)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "headless":
        whole = synthetic.encode(tmp_path / "v.mp4", 20).read_bytes()
        path.write_bytes(whole[: len(whole) // 3])
    elif kind == "audio":
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("aac", rate=16000)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
            sound.sample_rate = 16000
            container.mux(stream.encode(sound))
            container.mux(stream.encode(None))
    elif kind == "no frames":
        path = tmp_path / "bad.avi"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            container.start_encoding()
    elif kind == "huge":  # a small file whose pictures would take gigabytes
        path = tmp_path / "bad.avi"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("png", rate=5)
            stream.width, stream.height, stream.pix_fmt = 12000, 10000, "monob"
            picture = av.VideoFrame(12000, 10000, "monob")
            picture.planes[0].update(bytes(picture.planes[0].buffer_size))
            container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        assert path.stat().st_size < 200_000
    with pytest.raises(DataError) as caught:
        open_source(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    expected = {
        "missing": "no such file",
        "empty": "empty",
        "text": "not a readable video",
        "audio": "audio only",
        "pipe": "not a regular file",
        "headless": "cut short",
        "no frames": "",
        "huge": "larger than 100 million pixels a picture",
    }
    assert expected[kind] in message


@pytest.mark.parametrize(
    "script", ["#EXTM3U\n#EXTINF:1,\nfile:{video}\n", "ffconcat version 1.0\nfile '{video}'\n"]
)
def test_a_file_cannot_make_the_decoder_open_other_files(
    script: str, tmp_path: Path, synthetic: SimpleNamespace
) -> None:
    video = synthetic.encode(tmp_path / "v.mp4", 3)
    (tmp_path / "list.mp4").write_text(script.format(video=video))
    with pytest.raises(DataError):
        open_source(tmp_path / "list.mp4")


def test_a_truncated_video_gives_its_good_frames_and_says_so(
    tmp_path: Path, synthetic: SimpleNamespace
) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (120, 160, 3), np.uint8)
    whole = synthetic.encode(
        tmp_path / "v.avi", 100, codec="mpeg4", size=(160, 120), picture=lambda k: np.roll(noise, k, 1)
    ).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) // 2])
    source = open_source(cut)
    count = len(list(source))
    assert 10 < count < 90
    assert any("cut short" in line and str(cut) in line for line in source.problems)


def test_damage_in_the_middle_is_survived_and_noted(tmp_path: Path, synthetic: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (120, 160, 3), np.uint8)
    path = synthetic.encode(
        tmp_path / "v.mp4", 60, size=(160, 120), picture=lambda k: np.roll(noise, k, 1), options={"g": "5"}
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 30_000] = rng.integers(0, 255, 30_000, np.uint8).tobytes()
    path.write_bytes(bytes(data))
    source = open_source(path)
    frames = list(source)
    assert 40 <= len(frames) <= 60
    assert frames[-1].index == 59  # what is lost keeps its number
    assert frames[-1].time == pytest.approx(59 / 25)
    assert source.problems
    assert all("\n" not in line for line in source.problems)
