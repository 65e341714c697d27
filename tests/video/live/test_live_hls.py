"""HLS playlists: complete ones, live ones that grow, and ones that would lead to a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import av
import pytest

from kinema.errors import DataError
from kinema.video.live import StreamSource


@pytest.fixture
def pieces(tmp_path: Path, synthetic: Any) -> dict[str, bytes]:
    """A playlist `film.m3u8` of four pieces of a second, 25 pictures each."""

    def prepare(stream: Any) -> None:
        stream.codec_context.gop_size = 25
        stream.codec_context.max_b_frames = 0

    long = synthetic.encode(tmp_path / "long.mp4", 100, prepare=prepare)
    with (
        av.open(str(long)) as given,
        av.open(
            str(tmp_path / "film.m3u8"), "w", format="hls", options={"hls_time": "1", "hls_list_size": "0"}
        ) as made,
    ):
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    return {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix in (".ts", ".m3u8")}


def test_a_complete_playlist_ends_as_a_file_does(web: Any, pieces: dict[str, bytes]) -> None:
    web.pages |= pieces
    with StreamSource(web.address("film.m3u8")) as source:
        assert (source.live, source.duration) == (False, pytest.approx(4.0, abs=0.1))
        times = [picture.time for picture in source.pictures(0.0, None)]
    assert times == pytest.approx([k / 25 for k in range(100)], abs=0.001)


def test_a_live_playlist_is_shown_at_its_own_pace_and_ends_when_it_says_so(
    web: Any, pieces: dict[str, bytes]
) -> None:
    web.pages |= pieces
    began = time.monotonic()

    def growing(request: Any) -> None:
        known = min(4, 2 + int(time.monotonic() - began))
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXT-X-MEDIA-SEQUENCE:0"]
        lines += [f"#EXTINF:1.0,\nfilm{k}.ts" for k in range(known)]
        page = ("\n".join(lines) + ("\n#EXT-X-ENDLIST\n" if time.monotonic() - began > 3 else "\n")).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(page)))
        request.end_headers()
        request.wfile.write(page)

    web.pages["live.m3u8"] = growing
    told: list[str] = []
    with StreamSource(web.address("live.m3u8")) as source:
        source.on_notice = lambda kind, text: told.append(kind)
        assert source.live
        seen = [(picture.time, time.monotonic() - picture.arrived) for picture in source.pictures(0.0, None)]
    times = [shown for shown, _ in seen]
    assert times == pytest.approx([k / 25 for k in range(100)], abs=0.001)
    assert time.monotonic() - began > 3.5
    assert sorted(late for _, late in seen)[90] < 0.1  # each is given when it is due
    assert told == ["ended"]


def test_a_live_playlist_whose_server_goes_away_is_waited_for(web: Any, pieces: dict[str, bytes]) -> None:
    live = pieces["film.m3u8"].replace(b"#EXT-X-ENDLIST\n", b"")
    web.pages |= pieces | {"film.m3u8": live}
    told: list[tuple[str, str]] = []
    with StreamSource(web.address("film.m3u8"), give_up=1.0) as source:
        source.on_notice = lambda kind, text: told.append((kind, text))
        pictures = source.pictures(0.0, None)
        next(pictures)
        web.stop()
        rest = list(pictures)
    assert len(rest) > 10  # what was fetched is shown
    assert [kind for kind, _ in told] == ["lost", "failed"], told


@pytest.mark.parametrize(
    "kind", ["file:{clip}", "file://{clip}", "{clip}", "concat:{clip}", "subfile,,start,0,end,0,,:{clip}"]
)
def test_a_playlist_does_not_lead_to_a_file(web: Any, tmp_path: Path, synthetic: Any, kind: str) -> None:
    clip = synthetic.encode(tmp_path / "secret.ts", format="mpegts")
    line = kind.format(clip=clip)
    web.pages["list.m3u8"] = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{line}\n#EXT-X-ENDLIST\n".encode()
    )
    with pytest.raises(DataError, match=r"list\.m3u8: "):
        StreamSource(web.address("list.m3u8"), timeout=4.0)
