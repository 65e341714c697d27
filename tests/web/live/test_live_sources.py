"""Which addresses may be watched: a stream or a camera, never a file or another service, never a stored password."""

from __future__ import annotations

import pytest

pytest.importorskip("django", reason="the web extra is not installed")

from kinema.errors import KinemaError, UsageError
from kinema.web.live.addresses import check_stored, check_stream, filled, is_camera


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("file:///etc/passwd", "file: addresses are not opened, only rtsp://, rtsps://, http://, https://"),
        ("/etc/passwd", "not the address of a stream"),
        ("concat:a.mp4|b.mp4", "concat: addresses are not opened"),
        ("rtmp://host/live", "rtmp: addresses are not opened"),
        ("s3://bucket/film.mp4", "s3: addresses are not opened"),
        ("rtsp:camera", "rtsp: addresses are not opened"),
        ("rtsp:///live", "names no host"),
        ("http://a b/", "no spaces"),
        ("http://a/\r\nHost: b", "no spaces or line ends"),
        ("", "not the address of a stream"),
        ("-", "not the address of a stream"),
        ("0", "not the address of a stream"),
    ],
)
def test_what_is_no_stream_is_refused_with_the_reason(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_stream(address)


@pytest.mark.parametrize(
    "address", ["rtsp://camera.local/live", "RTSPS://10.0.0.4:322/1", "http://[::1]:81/mjpeg"]
)
def test_streams_pass(address: str) -> None:
    check_stream(address)


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        ("0", True),
        ("/dev/video12", True),
        ("/dev/v4l/by-id/usb-046d_C920-video-index0", True),
        ("/dev/sda", False),
        ("/dev/v4l/by-id/../../sda", False),
        ("/dev/video0/../../etc/passwd", False),
        ("-1", False),
    ],
)
def test_cameras_are_told_from_other_files(name: str, camera: bool) -> None:
    assert is_camera(name) is camera


def test_a_password_is_not_stored_and_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="A password does not belong into the database"):
        check_stored("rtsp://me:geheim@camera/live")
    stored = "rtsp://${KINEMA_SOURCE_DOOR}@camera/live"
    check_stored(stored)
    check_stored("rtsp://me@camera/live")
    monkeypatch.setenv("KINEMA_SOURCE_DOOR", "me:geheim")
    assert filled(stored) == "rtsp://me:geheim@camera/live"
    monkeypatch.delenv("KINEMA_SOURCE_DOOR")
    with pytest.raises(KinemaError, match="KINEMA_SOURCE_DOOR is not set"):
        filled(stored)


def test_no_other_variable_of_the_environment_can_be_sent_away() -> None:
    with pytest.raises(UsageError, match=r"\$\{DATABASE_URL\}: write it as"):
        check_stored("http://evil.example/${DATABASE_URL}")
