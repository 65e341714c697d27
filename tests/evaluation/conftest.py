"""A reader of subtitles by the letter of their format."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def _parsed(text: str) -> list[tuple[float, float, str]]:
    """Read cues by the letter of the format, with nothing from the code under test."""
    blocks = text.split("\n\n")
    assert blocks[0].strip() == "WEBVTT"
    cues = []
    for block in filter(None, (block.strip() for block in blocks[1:])):
        _, times, payload = block.split("\n")
        stamps = []
        for stamp in times.split(" --> "):
            hours, minutes, seconds = stamp.split(":")
            assert len(hours) >= 2 and len(minutes) == 2 and len(seconds) == 6 and seconds[2] == "."
            stamps.append(3600 * int(hours) + 60 * int(minutes) + float(seconds))
        assert stamps[1] > stamps[0]
        assert "-->" not in payload and "<" not in payload
        text = payload.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        cues.append((stamps[0], stamps[1], text))
    return cues


@pytest.fixture(scope="session")
def parse_vtt() -> Callable[[str], list[tuple[float, float, str]]]:
    """`parse_vtt(text)` returns `(start, end, text)` of each cue, with nothing from the code under test."""
    return _parsed
