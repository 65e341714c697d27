"""What pages show of a run's videos is decoded beside the server, which outlives whatever breaks a decoder."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def decoder() -> Iterator[Any]:
    """A process for this module."""
    from kinema.web.runs.decoding import Decoder

    found = Decoder(seconds=20)
    yield found
    found.end()


def segment(video: Path, start: float | None = None, end: float | None = None) -> Any:
    from kinema.data import Segment

    return Segment(video, start, end, "move", "test", "g", 3, video.name)


def test_it_is_another_process_and_stays_the_same_one(decoder: Any) -> None:
    first = decoder(os.getpid)
    assert first not in (None, os.getpid())
    assert decoder(os.getpid) == first


def test_one_that_dies_costs_its_answer_and_nothing_else(decoder: Any) -> None:
    first = decoder(os.getpid)
    assert decoder(signal.raise_signal, int(signal.SIGSEGV)) is None
    assert decoder(os.getpid) not in (None, first)


def test_what_takes_too_long_is_ended() -> None:
    from kinema.web.runs.decoding import Decoder

    hasty = Decoder(seconds=0.5)
    began = time.monotonic()
    assert hasty(time.sleep, 600) is None
    assert time.monotonic() - began < 60
    hasty.end()


def test_it_has_less_memory_than_a_hostile_video_wants(decoder: Any) -> None:
    room = "len(__import__('mmap').mmap(-1, {}))"  # asked for, and never touched
    assert decoder(eval, room.format(2**20)) == 1_048_576
    assert decoder(eval, room.format(6 * 2**30)) is None


@pytest.mark.parametrize("content", [b"", b"no video at all", None], ids=["empty", "text", "cut short"])
def test_a_video_that_cannot_be_read_has_no_pictures(
    two_actions: Path, tmp_path: Path, content: bytes | None
) -> None:
    from kinema.web.folder import site
    from kinema.web.runs.excerpts import filmstrip_of, playable_copy, rate_of

    video = tmp_path / "broken.mp4"
    whole = next((two_actions / "move").glob("*.mp4")).read_bytes()
    video.write_bytes(whole[: len(whole) // 3] if content is None else content)
    found = segment(video)
    assert (filmstrip_of("broken", found), playable_copy("broken", found), rate_of(found)) == (
        None,
        None,
        None,
    )
    assert list(site().place("runs-clips", "broken").iterdir()) == []
    assert filmstrip_of("broken", segment(tmp_path / "absent.mp4")) is None


def test_a_copy_shows_its_stretch_alone(two_actions: Path) -> None:
    import cv2

    from kinema.video import open_source
    from kinema.web.runs.excerpts import filmstrip_of, playable_copy, rate_of

    found = segment(next((two_actions / "stand").glob("*.mp4")), 0.4, 0.9)
    assert rate_of(found) == 10
    copy = playable_copy("stretch", found)
    assert copy is not None
    with open_source(copy) as source:
        assert len(list(source)) == 5  # 0.4, 0.5 … 0.8 s
    strip = filmstrip_of("stretch", found)
    assert strip is not None
    # The middles of six parts are 0.44, 0.53, 0.61, 0.69, 0.78 and 0.86 s, and the first frames not before them 0.5, 0.6, 0.7,
    # 0.7 again, 0.8 and none: four pictures, 90 x 90 each, 2 pixels between them.
    assert cv2.imread(str(strip)).shape == (90, 4 * 90 + 3 * 2, 3)
    before = strip.stat().st_mtime_ns
    assert filmstrip_of("stretch", found) == strip
    assert strip.stat().st_mtime_ns == before
