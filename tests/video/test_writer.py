"""Files that are written: playable, whole or absent."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from kinema.errors import KinemaError, UsageError
from kinema.video import Frame, VideoWriter, open_source


def grey(value: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.full((size[1], size[0], 3), value, np.uint8)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "new" / "v.mp4", fps=25) as out:
        for k in range(30):
            out.write(grey(20 + 7 * k))
    frames = list(open_source(tmp_path / "new" / "v.mp4"))
    assert [round(float(frame.image.mean())) for frame in frames] == pytest.approx(
        [20 + 7 * k for k in range(30)], abs=2
    )
    assert [frame.time for frame in frames] == pytest.approx([k / 25 for k in range(30)], abs=1e-4)
    assert open_source(tmp_path / "new" / "v.mp4").duration == pytest.approx(1.2, abs=0.001)


def test_a_browser_can_play_it(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "v.mp4", fps=Fraction(30000, 1001)) as out:
        for k in range(10):
            out.write(grey(10 * k))
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == Fraction(30000, 1001)
        assert stream.codec_context.color_range == 1  # limited
        assert stream.codec_context.colorspace == 6  # BT.601
    data = (tmp_path / "v.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays while it loads


def test_odd_sides_get_one_more_pixel(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "v.mp4", fps=25) as out:
        out.write(grey(90, (161, 119)))
    assert open_source(tmp_path / "v.mp4").size == (162, 120)


@pytest.mark.parametrize("size", [(320, 240), (1280, 720)])
def test_colours_survive(size: tuple[int, int], tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (128, 64, 32)]
    with VideoWriter(tmp_path / "v.mp4", fps=25, quality=10) as out:
        for colour in colours:
            out.write(np.full((size[1], size[0], 3), colour, np.uint8))
    for frame, colour in zip(open_source(tmp_path / "v.mp4"), colours, strict=True):
        assert np.abs(frame.image[20, 20].astype(int) - colour).max() <= 6


def test_frames_keep_their_own_times(tmp_path: Path) -> None:
    times = [3.0, 3.04, 3.5, 3.5, 4.25]
    with VideoWriter(tmp_path / "v.mp4", fps=25) as out:
        for index, time in enumerate(times):
            out.write(Frame(grey(100), time, index))
    assert [frame.time for frame in open_source(tmp_path / "v.mp4")] == pytest.approx(
        [0, 0.04, 0.5, 0.5, 1.25], abs=0.001
    )


def test_grey_pictures_and_a_given_size(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "v.mp4", fps=10, size=(80, 60)) as out:
        out.write(np.full((48, 64), 200, np.uint8))
        out.write(grey(200, (320, 240)))
    images = [frame.image for frame in open_source(tmp_path / "v.mp4")]
    assert [image.shape for image in images] == [(60, 80, 3), (60, 80, 3)]
    assert abs(float(np.mean(images)) - 200) <= 2


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), VideoWriter(path, fps=25) as out:
        out.write(grey(1))
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["v.mp4"]


def test_no_frames_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KinemaError, match="no frames"), VideoWriter(tmp_path / "v.mp4", fps=25):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    writer = VideoWriter(tmp_path / "v.mp4", fps=25)
    with pytest.raises(KinemaError, match=r"v\.mp4: the disk is full") as caught, writer as out:
        out.write(grey(1))

        def full(packet: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        class Full:
            mux = staticmethod(full)
            close = staticmethod(lambda: None)

        out._container = Full()
        for k in range(100):
            out.write(grey(k))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros(4, np.uint8)],
    ids=["four channels", "floats", "one dimension"],
)
def test_arrays_that_are_no_pictures_are_refused(wrong: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(UsageError), VideoWriter(tmp_path / "v.mp4", fps=25) as out:
        out.write(wrong)
    assert list(tmp_path.iterdir()) == []


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        VideoWriter(tmp_path / "v.mp4", fps=0)
    with pytest.raises(UsageError, match=r"\.mp4"):
        VideoWriter(tmp_path / "v.avi", fps=25)
    with pytest.raises(UsageError, match="with"):
        VideoWriter(tmp_path / "v.mp4", fps=25).write(grey(1))
