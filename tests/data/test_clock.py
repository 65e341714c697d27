"""Times as people write them, read and written."""

from __future__ import annotations

import pytest

from kinema.data.clock import clock_time, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("12.5", 12.5), (" 7,25 ", 7.25), (".5", 0.5), ("01:02:03", 3723), ("1:02:03.125", 3723.125),
        ("100:00:00", 360000), ("02:05", 125), ("95:00", 5700), ("00:00:00.040", 0.04),
    ],
)  # fmt: skip
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "−00:00:05", "nan", "inf", "1e3", "00:00:60", "00:60:00", "00:00:01:12", "00:00:01;12", "1:2:3:4",
     "12h", "1::2", "00:-1:05", "12:00:05 AM", "٣"],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|write HH:MM:SS|they end at 59"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00:00"), (3605.25, "01:00:05.25"), (59.9999999, "00:01:00"), (3599.9999999, "01:00:00"),
        (1 / 3, "00:00:00.333333"), (360000, "100:00:00"),
    ],
)  # fmt: skip
def test_times_are_written_with_all_their_hours(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text
