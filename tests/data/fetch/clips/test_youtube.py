"""Single clips from a site: only the wanted seconds, through broken connections, and what ends everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinema.data.fetch.cutting import copy_seconds, write_clip
from kinema.data.fetch.pacing import Pacing
from kinema.data.fetch.ranges import RangedFile
from kinema.data.fetch.refusals import ClipError, Reason
from kinema.data.fetch.youtube import Site
from kinema.errors import KinemaError
from kinema.video import VideoWriter

pytest.importorskip("yt_dlp", reason="needs the download extra")
Seconds = Callable[[Path], list[int]]


def _site(clip_site: Any, folder: Path, **settings: Any) -> Site:
    pacing = settings.pop("pacing", None) or Pacing(2, first_wait=0.1)
    settings = {"short_side": 120, "rest": 0.01, **settings}
    return Site(pacing, folder / ".partial", address=clip_site.address, **settings)


def test_only_the_wanted_seconds_are_fetched(
    clip_site: Any, half_minute: bytes, tmp_path: Path, seconds_in: Seconds
) -> None:
    # x264 has put a keyframe at 24.9 s, and what is before it is not wanted.
    fetched = RangedFile(lambda first, last: (half_minute[first : last + 1], len(half_minute)), 16 * 1024)
    piece = copy_seconds(fetched, tmp_path, 26, 28)
    assert piece.offset == pytest.approx(24.9)
    assert fetched.fetched < len(half_minute) / 4
    write_clip(piece.path, tmp_path / "piece.mp4", 26, 28, short_side=120, offset=piece.offset)
    assert seconds_in(tmp_path / "piece.mp4") == [26, 27]

    clip_site.videos["a"] = half_minute
    _site(clip_site, tmp_path).fetch("a", 14, 16, tmp_path / "clip.mp4")
    assert seconds_in(tmp_path / "clip.mp4") == [14, 15]
    ranges = [request.range for request in clip_site.log]
    assert ranges[0] is None
    assert ranges[1] == "bytes=0-262143"
    assert all(ranges[1:])


def test_a_server_without_ranges_is_read_whole_and_leaves_nothing(
    clip_site: Any, half_minute: bytes, tmp_path: Path, seconds_in: Seconds
) -> None:
    clip_site.videos["a"], clip_site.ranges = half_minute, False
    _site(clip_site, tmp_path).fetch("a", 14, 16, tmp_path / "clip.mp4")
    assert seconds_in(tmp_path / "clip.mp4") == [14, 15]
    assert sorted(item.name for item in tmp_path.rglob("*")) == [".partial", "clip.mp4"]


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_connections_are_mended(
    clip_site: Any, half_minute: bytes, tmp_path: Path, seconds_in: Seconds, ranges: bool
) -> None:
    clip_site.videos["a"], clip_site.ranges = half_minute, ranges
    clip_site.cut_after["a"] = [100_000, 150_000]
    _site(clip_site, tmp_path).fetch("a", 14, 16, tmp_path / "clip.mp4")
    assert clip_site.cut_after["a"] == []
    assert seconds_in(tmp_path / "clip.mp4") == [14, 15]


def test_a_server_that_lies_about_length_is_asked_again(
    clip_site: Any, half_minute: bytes, tmp_path: Path, seconds_in: Seconds
) -> None:
    clip_site.videos["a"], clip_site.lies["a"] = half_minute, 2
    _site(clip_site, tmp_path).fetch("a", 14, 16, tmp_path / "clip.mp4")
    assert clip_site.lies["a"] == 0
    assert seconds_in(tmp_path / "clip.mp4") == [14, 15]


@pytest.mark.parametrize(
    ("status", "reason", "tries"),
    [(401, "private", 1), (403, "refused", 2), (404, "removed", 1), (410, "removed", 1), (500, "network", 4)],
)
def test_refusals_are_named_and_tried_again_only_where_that_helps(
    clip_site: Any, tmp_path: Path, status: int, reason: str, tries: int
) -> None:
    clip_site.refusals["a"] = [(status, {})] * 50
    with pytest.raises(ClipError) as caught:
        _site(clip_site, tmp_path).fetch("a", 0, 2, tmp_path / "clip.mp4")
    assert (str(caught.value.reason), caught.value.tries) == (reason, tries)
    assert str(caught.value).startswith(f"{reason}: ")
    assert not (tmp_path / "clip.mp4").exists()


def test_what_is_no_video_is_named(clip_site: Any, tmp_path: Path) -> None:
    clip_site.videos["a"] = b"<html>please wait</html>" * 500
    with pytest.raises(ClipError) as caught:
        _site(clip_site, tmp_path).fetch("a", 0, 2, tmp_path / "clip.mp4")
    assert caught.value.reason in (Reason.DAMAGED, Reason.FORMAT)


def test_a_full_disk_ends_everything(
    clip_site: Any, half_minute: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip_site.videos["a"] = half_minute

    def full(self: VideoWriter, frame: object) -> None:
        raise KinemaError(f"{self.path}: the disk is full; free some space and run again")

    monkeypatch.setattr(VideoWriter, "write", full)
    with pytest.raises(KinemaError, match="the disk is full"):
        _site(clip_site, tmp_path).fetch("a", 0, 2, tmp_path / "clip.mp4")


def test_a_full_disk_during_a_download_ends_everything(
    clip_site: Any, half_minute: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.data.fetch.youtube import Client

    def full(self: Client, name: str, info: object) -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            self.report_error(f"unable to write data: {error}")  # as yt-dlp's own downloader does

    clip_site.videos["a"], clip_site.ranges = half_minute, False
    monkeypatch.setattr(Client, "dl", full)
    with pytest.raises(KinemaError, match=r"clip\.mp4: cannot be written: No space left on device"):
        _site(clip_site, tmp_path).fetch("a", 0, 2, tmp_path / "clip.mp4")
