"""Streams over HTTP: MJPEG that stops, returns, changes and falls silent; video files; what is no video."""

from __future__ import annotations

import threading
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from kinema.errors import DataError, UsageError
from kinema.video import open_source
from kinema.video.live import LivePicture, PacedSource, StreamSource, open_live


def test_mjpeg_pictures_have_the_time_of_their_arrival(web: Any) -> None:
    web.rate = 20.0  # FFmpeg would say 25 a second, whatever comes
    with open_source(web.address()) as source:
        pictures = list(islice(source.pictures(0.0, None), 25))
    assert (source.size, source.fps, source.live) == ((64, 48), None, True)
    assert pictures[24].time - pictures[4].time == pytest.approx(1.0, abs=0.3)
    assert [round(float(picture.image(None).mean())) for picture in pictures[:3]] == [40, 41, 42]
    assert pictures[3].image((32, 20)).shape == (20, 32, 3)


def test_pictures_of_another_shape_are_framed_and_told_once(web: Any) -> None:
    told: list[tuple[str, str]] = []
    web.rate = 100.0
    with StreamSource(web.address()) as source:
        source.on_notice = lambda kind, text: told.append((kind, text))
        pictures = source.pictures(0.0, None)
        list(islice(pictures, 5))
        web.size = (48, 48)  # in the middle of the stream
        wide = [picture.image(None) for picture in islice(pictures, 30)][-1]
        assert wide.shape == (48, 64, 3)
        assert wide[:, :8].max() == 0 and wide[:, -8:].max() == 0
        assert wide[:, 8:-8].min() > 30
        web.size = (128, 96)
        assert [picture.image((16, 12)) for picture in islice(pictures, 30)][-1].min() > 30
    assert [text.partition(": ")[2] for _, text in told] == [
        "pictures of 48x48 pixels now, 64x48 before; shown as 64x48",
        "pictures of 128x96 pixels now, 48x48 before; shown as 64x48",
    ]


@pytest.mark.slow
def test_ten_reconnects_leak_no_thread_and_no_file(web: Any, live: Any) -> None:
    web.rate = 100.0
    told: list[str] = []
    delays: list[float] = []
    with StreamSource(web.address()) as source:
        source.on_notice = lambda kind, text: told.append(kind)
        pictures = source.pictures(0.0, None)
        list(islice(pictures, 3))
        threads, files = [], []
        for _ in range(10):
            web.stop()
            assert live.until(
                lambda: told.count("lost") > told.count("back") or source._reader._lost_at is not None
            )
            time.sleep(0.1)
            web.start()
            began = time.monotonic()
            while next(pictures).arrived < began:
                pass
            delays.append(time.monotonic() - began)
            list(islice(pictures, 3))
            threads.append([t.name for t in threading.enumerate() if t.name.startswith("receive")])
            files.append(live.open_files())
        assert max(delays) < 2.0
        assert [len(names) for names in threads] == [1] * 10
        assert files[-1] <= files[1] + 1
    assert live.until(lambda: not any(t.name.startswith("receive") for t in threading.enumerate()))
    # A stream that comes and goes is told once, not ten times.
    assert told[:2] == ["lost", "back"] and told.count("lost") <= 3


def test_silence_counts_as_a_loss_and_is_told_once(web: Any) -> None:
    web.rate = 100.0
    told: list[tuple[str, str]] = []
    with StreamSource(web.address(), silence=0.5) as source:
        source.on_notice = lambda kind, text: told.append((kind, text))
        pictures = source.pictures(0.0, None)
        before = list(islice(pictures, 5))[-1]
        web.muted = True
        threading.Timer(1.5, lambda: setattr(web, "muted", False)).start()
        for picture in pictures:
            if picture.time > before.time + 1.0:
                break
    assert picture.time - before.time == pytest.approx(1.5, abs=0.8)
    assert [kind for kind, _ in told] == ["lost", "back"]
    assert "lost, nothing has come for 0.5 s; trying to connect again" in told[0][1]


def test_it_gives_up_when_told_to(web: Any) -> None:
    told: list[tuple[str, str]] = []
    with StreamSource(web.address(), give_up=1.0) as source:
        source.on_notice = lambda kind, text: told.append((kind, text))
        pictures = source.pictures(0.0, None)
        next(pictures)
        web.stop()
        began = time.monotonic()
        list(pictures)
        assert time.monotonic() - began < 10.0
    assert [kind for kind, _ in told] == ["lost", "failed"]
    assert "not back after 1 s; given up" in told[1][1]
    assert any("given up" in line for line in source.problems)


def test_stop_takes_effect_while_the_server_is_silent(web: Any, live: Any) -> None:
    with StreamSource(web.address(), silence=6.0) as source:
        taken: list[LivePicture] = []
        thread = threading.Thread(target=lambda: taken.extend(source.pictures(0.0, None)))
        thread.start()
        assert live.until(lambda: len(taken) > 3)
        web.muted = True
        time.sleep(0.2)
        began = time.monotonic()
        source.stop()
        thread.join(4.0)
        assert not thread.is_alive()
        source.close()
        assert time.monotonic() - began < 5.0
        source.close()
    # What waited for the network ends by itself.
    assert live.until(lambda: not any(t.name.startswith("receive") for t in threading.enumerate()), 15.0)


def test_whoever_abandons_or_forgets_a_source_leaves_nothing_behind(web: Any, live: Any) -> None:
    web.rate = 100.0
    with StreamSource(web.address()) as source:
        for picture in source.pictures(0.0, None):
            if picture.index == 3:
                break
        # Pictures go on where they were left.
        assert next(source.pictures(0.0, None)).index >= 4
    forgotten = StreamSource(web.address())
    next(forgotten.pictures(0.0, None))
    del forgotten
    assert live.until(lambda: not any(t.name.startswith("receive") for t in threading.enumerate()))


def test_a_slow_reader_gets_what_is_new_and_is_told_how_many_it_missed(web: Any) -> None:
    web.rate = 100.0
    with StreamSource(web.address()) as source:
        pictures = source.pictures(0.0, None)
        next(pictures)
        time.sleep(3.0)
        late = [time.monotonic() - next(pictures).arrived for _ in range(60)]
    assert max(late) < 2.5
    assert source.dropped > 50
    assert f"{source.dropped} pictures were dropped" in source.problems[-1]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("absent", r"has no such path \(404\)"),
        ("page", "answers, but not with a video that may be opened"),
        ("script", "answers, but not with a video that may be opened"),
        ("cut", "it answers, but not with a video"),
    ],
)
def test_what_is_no_video_is_told_in_one_line(web: Any, path: str, fault: str) -> None:
    web.pages |= {
        "page": b"<html>welcome</html>" * 50,
        "script": b"ffconcat version 1.0\nfile a.mp4\n",
        "cut": b"",
    }
    with pytest.raises(DataError, match=fault) as caught:
        StreamSource(web.address(path), timeout=4.0)
    assert "\n" not in str(caught.value)


def test_passwords_over_http(web: Any) -> None:
    web.login = "me:geheim"
    with pytest.raises(DataError, match=r"wants a user and a password \(401\)"):
        StreamSource(web.address())
    with pytest.raises(
        DataError, match=r"^http://me:\*\*\*@.*refuses this user and password \(401\)"
    ) as caught:
        StreamSource(web.address(login="me:falsch@"))
    assert "falsch" not in repr(caught.value)
    with StreamSource(web.address(login="me:geheim@")) as source:
        assert "geheim" not in repr(source) + source.name


def test_servers_that_say_nothing_and_hosts_that_are_not_there(web: Any, silent: Any) -> None:
    for scheme in ("http", "rtsp", "rtmp"):
        with pytest.raises(DataError, match="connected, but nothing arrived in 1 s"):
            StreamSource(f"{scheme}://127.0.0.1:{silent.port}/live/a", timeout=1.0)
    web.muted = True
    with pytest.raises(DataError, match="nothing arrived in 1 s"):
        StreamSource(web.address(), timeout=1.0)
    with pytest.raises(DataError, match=r"the host camera\.invalid is not known"):
        StreamSource("rtsp://me:geheim@camera.invalid/live", timeout=3.0)


def _redirect(target: str) -> Any:
    def answer(request: Any) -> None:
        request.send_response(302)
        request.send_header("Location", target)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def test_a_redirect_leads_to_the_web_and_nowhere_else(web: Any, tmp_path: Path, synthetic: Any) -> None:
    clip = synthetic.encode(tmp_path / "clip.mp4")
    web.pages |= {
        "moved": _redirect(web.address()),
        "file": _redirect(f"file://{clip}"),
        "bare": _redirect(f"file:{clip}"),
        "rtsp": _redirect("rtsp://127.0.0.1:1/x"),
    }
    with StreamSource(web.address("moved")) as source:
        assert source.size == (64, 48)
    for path in ("file", "bare", "rtsp"):
        with pytest.raises(DataError, match=r"not with a video|has no such path"):
            StreamSource(web.address(path), timeout=4.0)


def test_a_video_file_at_an_address_ends_as_a_file_does(web: Any, tmp_path: Path, synthetic: Any) -> None:
    clip = synthetic.encode(tmp_path / "clip.mp4", 50)
    web.pages["clip.mp4"] = clip.read_bytes()
    told: list[str] = []
    with open_source(web.address("clip.mp4")) as source:
        assert isinstance(source, StreamSource)
        source.on_notice = lambda kind, text: told.append(kind)
        assert (source.live, source.fps, source.duration) == (False, 25.0, pytest.approx(2.0, abs=0.05))
        began = time.monotonic()
        frames = list(source)
        assert time.monotonic() - began < 1.9  # as fast as it can
        # As a file, it can be read again, and from anywhere.
        assert [frame.index for frame in source.frames(start=1.9)] == [48, 49]
        assert next(iter(source)).time == 0.0
    assert [frame.time for frame in frames] == pytest.approx([k / 25 for k in range(50)], abs=0.001)
    with open_source(clip) as file:
        assert synthetic.levels([f.image for f in frames]) == synthetic.levels([f.image for f in file])
    assert told == ["ended", "ended"]
    assert source.problems == []


def test_a_file_at_an_address_at_its_own_pace(web: Any, tmp_path: Path, synthetic: Any) -> None:
    web.pages["clip.mp4"] = synthetic.encode(tmp_path / "clip.mp4", 20).read_bytes()
    with open_live(web.address("clip.mp4"), realtime=True) as source:
        assert isinstance(source, PacedSource)
        began = time.monotonic()
        assert len(list(source)) == 20
        assert time.monotonic() - began == pytest.approx(0.76, abs=0.3)


def test_numbers_that_make_no_sense_are_refused(web: Any) -> None:
    with pytest.raises(UsageError, match="silence must be a positive number of seconds, not 0"):
        StreamSource(web.address(), silence=0)
    with pytest.raises(UsageError, match="fps is for cameras and folders of images"):
        open_source(web.address(), fps=5)
    with pytest.raises(UsageError, match="no known kind of address; known are rtsp"):
        open_source("gopher://host/video")
