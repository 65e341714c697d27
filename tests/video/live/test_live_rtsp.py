"""Streams from a real RTSP server, which goes away and comes back."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import Any

import pytest

from kinema.errors import DataError
from kinema.video import open_source
from kinema.video.live import StreamSource


def test_pictures_of_h264_and_jpeg_arrive_in_time(rtsp: Any) -> None:
    rtsp.start("--size", "320x240")
    for path in ("h264", "jpeg"):
        with open_source(rtsp.address(path)) as source:
            assert isinstance(source, StreamSource)
            assert (source.size, source.fps, source.live) == ((320, 240), 25.0, True)
            pictures = []
            for picture in source.pictures(0.0, None):
                late = time.monotonic() - picture.arrived
                pictures.append((picture.time, picture.image(None).shape, late))
                if len(pictures) == 30:
                    break
            assert pictures[0][0] == 0.0
            assert pictures[29][0] == pytest.approx(29 / 25, abs=0.15)
            assert {shape for _, shape, _ in pictures} == {(240, 320, 3)}
            assert sorted(late for _, _, late in pictures[10:])[10] < 0.1
            assert source.problems == []


def test_a_server_that_returns_with_another_size_is_found_again(rtsp: Any) -> None:
    rtsp.start("--size", "320x240")
    told: list[tuple[str, str]] = []
    seen: list[tuple[float, float, tuple[int, ...]]] = []
    with StreamSource(rtsp.address()) as source:
        source.on_notice = lambda kind, text: told.append((kind, text))
        returned: list[float] = []

        def away() -> None:
            time.sleep(2.0)
            rtsp.start("--size", "640x360")
            returned.append(time.monotonic())

        thread = None
        for picture in source.pictures(0.0, None):
            seen.append((picture.time, time.monotonic(), picture.image(None).shape))
            if len(seen) == 20:
                rtsp.stop()
                thread = threading.Thread(target=away)
                thread.start()
            if len(told) >= 3 and picture.time > seen[19][0] + 3.0:
                break
        assert thread is not None
        thread.join()
    assert [kind for kind, _ in told] == ["lost", "back", "changed"]
    assert "640x360 pixels now, 320x240 before; shown as 320x240" in told[2][1]
    assert {shape for _, _, shape in seen} == {(240, 320, 3)}
    # The first new picture within two seconds of the server's return; time went on as the wall clock did.
    first = next((time, wall) for time, wall, _ in seen if wall > returned[0])
    assert first[1] - returned[0] < 2.0
    shown, passed = first[0] - seen[19][0], first[1] - seen[19][1]
    assert shown == pytest.approx(passed, abs=0.3)
    assert all(a[0] <= b[0] for a, b in pairwise(seen))


def test_a_password_opens_what_is_protected_and_is_never_shown(
    rtsp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rtsp.start("--user", "me", "--password", "geheim")
    with StreamSource(rtsp.address(login="me:geheim@")) as source:
        assert source.name == f"rtsp://me:***@127.0.0.1:{rtsp.port}/h264"
        assert "geheim" not in repr(source)
    with pytest.raises(DataError, match=r"refuses this user and password \(401\)") as caught:
        StreamSource(rtsp.address(login="me:falsch@"))
    assert "falsch" not in str(caught.value)
    with pytest.raises(DataError, match=r"wants a user and a password \(401\); set KINEMA_SOURCE_USER"):
        StreamSource(rtsp.address())
    monkeypatch.setenv("KINEMA_SOURCE_USER", "me")
    monkeypatch.setenv("KINEMA_SOURCE_PASSWORD", "geheim")
    with StreamSource(rtsp.address()) as source:
        assert source.size == (320, 240)


def test_sound_only_a_wrong_path_and_no_server_are_told_apart(rtsp: Any) -> None:
    rtsp.start()
    with pytest.raises(DataError, match="connected, but it sends sound only; choose a stream with video"):
        StreamSource(rtsp.address("sound"))
    with pytest.raises(DataError, match=r"has no such path \(404\)"):
        StreamSource(rtsp.address("nothing"))
    rtsp.stop()
    with pytest.raises(DataError, match=f"127.0.0.1 refuses connections on port {rtsp.port}"):
        StreamSource(rtsp.address())


def test_udp_serves_too(rtsp: Any) -> None:
    rtsp.start()
    with StreamSource(rtsp.address(), udp=True) as source:
        assert (
            len([1 for picture, _ in zip(source.pictures(0.0, None), range(5), strict=False) if picture]) == 5
        )
