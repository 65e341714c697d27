"""The table of data sets, the table of failures, and how both are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinema.data.fetch import (
    CATALOGUE,
    Failure,
    find,
    read_failures,
    write_failures,
)
from kinema.data.fetch.describing import gigabytes
from kinema.errors import DataError, UsageError


def test_names_are_found_as_people_write_them() -> None:
    assert [find(name).name for name in ("UCF-101", "hmdb_51", "Kinetics 400")] == [
        "ucf101",
        "hmdb51",
        "kinetics400",
    ]
    with pytest.raises(UsageError, match="did you mean 'hmdb51'"):
        find("hmbd51")


def test_every_entry_of_the_table_is_complete() -> None:
    for one in CATALOGUE.values():
        assert one.page.startswith("http") and one.terms and one.citation
        assert bool(one.files) == (one.how != "page")
        for file in one.files:
            assert file.locations
            for place in file.locations:
                assert place.url.startswith("https://")
                if place.checksum:
                    algorithm, _, digest = place.checksum.partition(":")
                    assert len(digest) == {"sha256": 64, "sha1": 40}[algorithm]
    assert CATALOGUE["ucf101"].bytes == 6_932_971_618 + 113_943
    assert len(CATALOGUE["kth"].files) == 7


def test_a_table_of_failures_can_be_read_back_and_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    one = Failure("a, b.zip", "https://example.org/a", "two\nlines", 2, "2024-01-01T00:00:00+00:00")
    two = Failure.now("c.zip", "u", "two\n  lines", 1)
    assert two.reason == "two lines"
    write_failures(path, [two, one])
    assert list(read_failures(path).values()) == [one, two]
    path.write_text("﻿name,url,reason,tries,when\r\na.zip,u,r,many,now\r\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2 has no name, or tries that are no number"):
        read_failures(path)
    path.write_text("video,label\n")
    with pytest.raises(DataError, match="its columns are not name,url,reason,tries,when"):
        read_failures(path)
    assert write_failures(path, []) is None and not path.exists()


def test_sizes_as_people_say_them() -> None:
    assert [gigabytes(n) for n in (0, 999, 1500, 20_000_000, 7_046_915_561)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "20 MB",
        "7.0 GB",
    ]
