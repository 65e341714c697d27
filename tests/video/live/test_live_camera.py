"""Cameras of the machine. There is none here: what can be provoked, and what FFmpeg would be told."""

from __future__ import annotations

import errno
import time
from itertools import islice
from pathlib import Path
from typing import Any

import av
import av.error
import pytest

from kinema.errors import DataError, UsageError
from kinema.video import open_source
from kinema.video.live import CameraSource, cameras
from kinema.video.live.camera import camera_fault
from kinema.video.live.devices import absent, attempts


def tried(*arguments: Any) -> list[tuple[str, str, dict[str, str]]]:
    return [(attempt.form, attempt.file, attempt.options) for attempt in attempts(*arguments)]


def test_linux_asks_for_mjpeg_when_the_picture_is_large() -> None:
    large = {"video_size": "1280x720", "framerate": "30"}
    assert tried(1, (1280, 720), 30.0, "linux") == [
        ("v4l2", "/dev/video1", large | {"input_format": "mjpeg"}),
        ("v4l2", "/dev/video1", large | {"input_format": "yuyv422"}),
        ("v4l2", "/dev/video1", large),
        ("v4l2", "/dev/video1", {}),
    ]


def test_linux_asks_for_raw_pictures_when_they_are_small() -> None:
    assert [options for _, _, options in tried("/dev/video0", (640, 480), None, "linux")] == [
        {"video_size": "640x480", "input_format": "yuyv422"},
        {"video_size": "640x480", "input_format": "mjpeg"},
        {"video_size": "640x480"},
        {},
    ]
    assert tried(0, (640, 480), 60.0, "linux")[0][2]["input_format"] == "mjpeg"


def test_macos_and_windows_have_their_own_words() -> None:
    assert tried(0, (640, 480), 25.0, "darwin")[0] == (
        "avfoundation",
        "0",
        {"framerate": "25", "video_size": "640x480", "pixel_format": "nv12"},
    )
    assert tried(0, None, None, "darwin")[-1] == ("avfoundation", "0", {})
    assert tried("HD Camera", (1280, 720), None, "win32")[0] == (
        "dshow",
        "video=HD Camera",
        {"video_size": "1280x720", "vcodec": "mjpeg"},
    )


def test_no_camera_names_those_that_are_there(tmp_path: Path) -> None:
    for name in ("video10", "video2", "videotape", "audio0"):
        (tmp_path / name).touch()
    assert cameras(tmp_path) == [str(tmp_path / "video2"), str(tmp_path / "video10")]
    assert absent("camera 7 (/dev/video7)", "linux", lambda: ["/dev/video0", "/dev/video2"]) == (
        "camera 7 (/dev/video7): no such camera; here are /dev/video0, /dev/video2"
    )
    with pytest.raises(DataError, match=r"^camera 97 \(/dev/video97\): no such camera; "):
        open_source(97)
    with pytest.raises(DataError, match=r"^/dev/video98: no such camera; "):
        open_source("/dev/video98")


def test_a_file_is_no_camera(tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(b"x" * 100)
    with pytest.raises(DataError, match=r"film.mp4: not a camera; give a camera's number"):
        CameraSource(str(file))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EBUSY, "the camera is busy; another program has it open"),
        (errno.EACCES, r"no permission to open the camera; .*usermod -aG video"),
        (errno.ENODEV, "no such camera"),
        (errno.EIO, r"cannot be opened \(Input/output error\)"),
    ],
)
def test_a_camera_that_refuses_says_why(monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    asked: list[dict[str, str]] = []

    def refuse(file: str, **options: Any) -> None:
        asked.append(options["options"])
        av.error.err_check(-number, file)

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(DataError, match=words):
        CameraSource(0, size=(640, 480))
    # Another picture format is tried only where it could help.
    assert len(asked) == (4 if number == errno.EIO else 1)


def test_a_system_without_its_camera_support_says_so() -> None:
    assert "this build of PyAV has no camera support" in camera_fault(
        "camera 0", ValueError("no container format 'dshow'"), "win32"
    )


def test_a_camera_that_is_unplugged_and_plugged_in_again_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, synthetic: Any
) -> None:
    clip = str(synthetic.encode(tmp_path / "clip.mkv", 10))
    real, plugged = av.open, [True]

    def device(file: str, **options: Any) -> Any:
        assert (file, options["format"]) == ("/dev/video0", "v4l2")
        if not plugged[0]:
            av.error.err_check(-errno.ENODEV, file)
        return real(clip)  # its ten pictures, and then it is gone

    monkeypatch.setattr(av, "open", device)
    monkeypatch.setattr("kinema.video.live.connection.Connection.recorded", staticmethod(lambda *_: False))
    told: list[str] = []
    with CameraSource(0) as camera:
        camera.on_notice = lambda kind, text: told.append(text)
        assert (camera.size, camera.live) == ((64, 48), True)
        pictures = camera.pictures(0.0, None)
        plugged[0] = False
        first = list(islice(pictures, 10))
        time.sleep(0.6)
        plugged[0] = True
        again = list(islice(pictures, 10))
    assert [picture.index for picture in first + again] == list(range(20))
    assert again[0].time - first[-1].time > 0.3
    assert any(text.startswith("camera 0 (/dev/video0): back after ") for text in told)


def test_wishes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="cameras count from 0"):
        CameraSource(-1)
    with pytest.raises(UsageError, match="size must be"):
        CameraSource(0, size=(0, 480))
    with pytest.raises(UsageError, match="fps must be"):
        CameraSource(0, fps=-1)
