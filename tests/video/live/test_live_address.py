"""Addresses of streams: what is shown of them, and what FFmpeg may open."""

from __future__ import annotations

import pytest

from kinema.errors import UsageError
from kinema.video.live.address import parse, redacted


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("rtsp://me:secret@cam/live", "rtsp://me:***@cam/live"),
        ("rtsp://me:se@cr:et@cam:8554/live", "rtsp://me:***@cam:8554/live"),
        ("rtsp://me@cam/live", "rtsp://me@cam/live"),
        ("http://cam/video?user=a&pwd=b&x=1", "http://cam/video?user=a&pwd=***&x=1"),
        (
            "rtsp://cam:554/user=admin&password=geheim&channel=1",
            "rtsp://cam:554/user=admin&password=***&channel=1",
        ),
        ("https://cdn/live.m3u8?token=abc#x", "https://cdn/live.m3u8?token=***#x"),
        ("http://cam/monkey=1", "http://cam/monkey=1"),
        ("walk.mp4", "walk.mp4"),
    ],
)
def test_no_password_is_shown(given: str, shown: str) -> None:
    assert redacted(given) == shown


def test_the_address_that_ffmpeg_opens_has_the_password_and_its_repr_has_not() -> None:
    address = parse("RTSP://me:secret@cam/live")
    assert address.url == "rtsp://me:secret@cam/live"
    assert "secret" not in repr(address) + str(address)
    assert (address.host, address.port, address.credentials) == ("cam", 554, True)


def test_user_and_password_come_from_the_environment_where_the_address_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KINEMA_SOURCE_USER", "me")
    monkeypatch.setenv("KINEMA_SOURCE_PASSWORD", "p@ss/word")
    assert parse("http://cam:8080/video").url == "http://me:p%40ss%2Fword@cam:8080/video"
    assert parse("http://cam:8080/video").name == "http://cam:8080/video"
    assert parse("http://you:own@cam/video").url == "http://you:own@cam/video"


@pytest.mark.parametrize(
    ("uri", "protocols"),
    [
        ("rtsp://cam/1", {"rtsp", "rtp", "udp", "tcp"}),
        ("http://cam/1", {"http", "https", "tls", "tcp", "httpproxy", "crypto"}),
        ("https://cam/1", {"https", "tls", "tcp", "httpproxy", "crypto"}),
        ("rtmp://cam/1", {"rtmp", "tcp"}),
    ],
)
def test_only_what_an_address_needs_may_be_opened(uri: str, protocols: set[str]) -> None:
    options = parse(uri).options()
    assert set(options["protocol_whitelist"].split(",")) == protocols
    assert not {"concat", "image2", "lavfi", "v4l2"} & set(options["format_whitelist"].split(","))


def test_rtsp_is_over_tcp_unless_udp_is_wanted() -> None:
    assert parse("rtsp://cam/1").options()["rtsp_transport"] == "tcp"
    assert parse("rtsp://cam/1").options(udp=True)["rtsp_transport"] == "udp"


@pytest.mark.parametrize(
    "uri", ["rtsp://", "http:///video", "rtsp://me:secret@/live", "rtsp://cam:port/live"]
)
def test_an_address_without_a_host_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match="address") as caught:
        parse(uri)
    assert "secret" not in str(caught.value)


def test_what_would_split_a_request_is_refused() -> None:
    with pytest.raises(UsageError, match="no spaces or line ends"):
        parse("http://cam/video\r\nX-Header: 1")
