"""What is uploaded is decoded before it is believed: facts of a real video, and files that are none refused in words."""

from __future__ import annotations

import hashlib
import http.server
import struct
import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.errors import KinemaError
from kinema.video import VideoWriter

pytestmark = pytest.mark.usefixtures("files_of_its_own")


class _Quiet:
    """A job's progress that nobody follows."""

    def __call__(self, done: float, total: float, message: str = "") -> None: ...

    def check(self) -> None: ...


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """A web server of this machine that notes what it is asked for; its address is the first entry."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    paths.append(f"http://127.0.0.1:{server.server_address[1]}")
    yield paths
    server.shutdown()


def _uploaded(name: str, data: bytes, **values: Any) -> Any:
    from kinema.web.videos.models import Video

    video = Video.objects.create(name=name, size=len(data), state="checking", **values)
    video.folder.mkdir(parents=True)
    suffix = Path(name).suffix
    (video.folder / f"original{suffix}").write_bytes(data)
    video.file = f"videos/{video.pk}/original{suffix}"
    video.save()
    return video


def _check(video: Any) -> str:
    """Do the job's work; return why it refused, or nothing."""
    from kinema.web.jobs.kinds import kind

    try:
        kind("video-check").work({"video": video.pk}, _Quiet())
        reason = ""
    except KinemaError as error:
        reason = str(error)
    video.refresh_from_db()
    return reason


def _clip(path: Path, frames: int = 50) -> bytes:
    """A synthetic clip: a grey square that moves over black."""
    with VideoWriter(path, 25) as writer:
        for index in range(frames):
            image = np.zeros((96, 128, 3), np.uint8)
            image[30:60, index : index + 30] = 160
            writer.write(image)
    return path.read_bytes()


@pytest.mark.usefixtures("database")
def test_a_video_becomes_ready_with_its_facts(tmp_path: Path) -> None:
    from PIL import Image

    data = _clip(tmp_path / "a.mp4")
    video = _uploaded("a.mp4", data)
    assert _check(video) == ""
    assert (video.state, video.duration, video.width, video.height, video.fps) == (
        "ready",
        2.0,
        128,
        96,
        25.0,
    )
    assert video.sha256 == hashlib.sha256(data).hexdigest()
    with Image.open(video.thumbnail) as picture:
        assert (picture.format, picture.size) == ("JPEG", (128, 96))


@pytest.mark.usefixtures("database")
def test_a_check_that_is_begun_again_changes_nothing_and_asks_once(tmp_path: Path) -> None:
    from kinema.web.recognizers import recognizers
    from kinema.web.videos.models import Prediction

    video = _uploaded("a.mp4", _clip(tmp_path / "a.mp4"), wanted=recognizers()[0].key)
    assert [_check(video), _check(video)] == ["", ""]
    assert [found.job.kind for found in Prediction.objects.all()] == ["video-predict"]


_PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n"
_HOSTILE = {
    "a playlist that names a file": _PLAYLIST.format("file:///etc/passwd"),
    "a playlist that names a path": _PLAYLIST.format("/etc/passwd"),
    "a playlist that names an address": _PLAYLIST.format("{server}/piece.ts"),
    "a concat script of a file": "ffconcat version 1.0\nfile '/etc/passwd'\n",
    "a concat script of an address": "ffconcat version 1.0\nfile '{server}/film.mp4'\n",
    "a session description": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "a DASH manifest": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
    ' mediaPresentationDuration="PT5S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>'
    "{server}/film.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "a smooth streaming reference": '<ASX version="3.0"><Entry><Ref href="{server}/film.wmv"/></Entry></ASX>',
    "an RTSP pointer": "RTSPtext\nrtsp://127.0.0.1:5004/live\n",
    "a drawing that names an address": '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    '<image xlink:href="{server}/a.png"/></svg>',
    "text": "root:x:0:0:root:/root:/bin/bash\n",
}


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".ts"])
@pytest.mark.parametrize("what", _HOSTILE)
def test_a_file_that_leads_elsewhere_is_refused_and_nobody_is_asked(
    what: str, suffix: str, asked: list[str]
) -> None:
    video = _uploaded(f"clip{suffix}", _HOSTILE[what].replace("{server}", asked[0]).encode())
    reason = _check(video)
    assert reason.startswith(f"clip{suffix}: ")
    assert (video.state, video.reason, video.path.exists()) == ("refused", reason, False)
    assert asked[1:] == []
    assert "\n" not in reason
    assert str(video.folder) not in reason


def _pictures_elsewhere(data: bytes, name: str) -> bytes:
    """Return a QuickTime file of which the pictures lie in another file beside it (an alias in its data reference box)."""
    path = b"/" + name.encode() + b"\0" * (1 - len(name) % 2)
    alias = bytes(10) + b"\0" + bytes(27) + bytes(12) + b"\0" + bytes(63) + bytes(16)
    alias += struct.pack(">HH", 1, 1) + bytes(16)  # levels up from the alias and down to the target
    alias += struct.pack(">HH", 2, len(path)) + path + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    place = data.index(b"dref") - 4
    old = data[place : place + struct.unpack_from(">I", data, place)[0]]
    new = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    changed = bytearray(data.replace(old, new))
    for box in (b"dinf", b"minf", b"mdia", b"trak", b"moov"):  # which hold it
        at = bytes(changed).index(box) - 4
        struct.pack_into(">I", changed, at, struct.unpack_from(">I", changed, at)[0] + len(new) - len(old))
    begin = changed.index(b"mdat") + 4  # whose offsets are not mended: they are those of the other file
    changed[begin:] = bytes(len(changed) - begin)
    return bytes(changed)


@pytest.mark.usefixtures("database")
def test_a_quicktime_file_whose_pictures_lie_in_another_file_does_not_open_it(tmp_path: Path) -> None:
    import av

    data = _clip(tmp_path / "a.mov")
    video = _uploaded("a.mov", _pictures_elsewhere(data, "secret.mov"))
    (video.folder / "secret.mov").write_bytes(data)
    with av.open(str(video.path), options={"enable_drefs": "1"}) as container:
        assert len(list(container.decode(video=0))) == 50  # whoever allows it gets the other file's pictures
    assert _check(video).startswith("a.mov: no frame of this video can be decoded")
    assert (video.state, video.thumbnail.exists()) == ("refused", False)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.mp4", b"", "empty.mp4: the file is empty (0 bytes)"),
        ("noise.mp4", bytes(range(256)) * 40, "noise.mp4: not a readable video"),
        ("huge.y4m", b"YUV4MPEG2 W30000 H30000 F25:1 C420jpeg\nFRAME\n" + bytes(1000), "huge.y4m: "),
    ],
    ids=["empty", "noise", "a header that promises 30000 x 30000"],
)
def test_what_is_no_video_is_refused_in_words(name: str, data: bytes, said: str) -> None:
    video = _uploaded(name, data)
    reason = _check(video)
    assert reason.startswith(said)
    assert (video.state, video.reason) == ("refused", reason)


@pytest.mark.usefixtures("database")
def test_a_file_cut_short_is_ready_as_far_as_it_goes_or_refused(tmp_path: Path) -> None:
    data = _clip(tmp_path / "a.mp4")
    index = data.index(b"mdat")  # what describes the pictures comes before them
    cut = _uploaded("cut.mp4", data[: index + 4 * (len(data) - index) // 5])
    assert (_check(cut), cut.state, cut.width, cut.height) == ("", "ready", 128, 96)
    headless = _uploaded("headless.mp4", data[:index])
    assert _check(headless).startswith("headless.mp4: no frame of this video can be decoded")
    assert (headless.state, headless.path.exists()) == ("refused", False)


@pytest.mark.usefixtures("database")
def test_a_file_of_sound_alone_is_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "song.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    video = _uploaded("song.mp4", (tmp_path / "song.wav").read_bytes())
    assert _check(video) == "song.mp4: no video stream in this file (audio only)"


@pytest.mark.usefixtures("database")
def test_the_process_of_a_check_has_limits_of_memory_and_time() -> None:
    from kinema.web.jobs.kinds import kind

    check = kind("video-check")
    assert (check.memory, check.seconds) == (4 * 2**30, 600.0)


@pytest.mark.usefixtures("database")
def test_a_check_ended_from_outside_refuses_its_video_with_the_reason(tmp_path: Path) -> None:
    from kinema.web.jobs import queue
    from kinema.web.jobs.kinds import kind

    video = _uploaded("a.mp4", b"x")
    job = queue.add("video-check", "Check", {"video": video.pk})
    job = queue.claim()
    queue.finish(job, "failed", error="it took longer than the 600 s that it may take")
    job.refresh_from_db()
    kind("video-check").after(job)
    video.refresh_from_db()
    assert (video.state, video.reason) == ("refused", "it took longer than the 600 s that it may take")
