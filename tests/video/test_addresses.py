"""Names of stored videos: addresses, the paths of their copies, and the limit of the cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kinema.errors import UsageError
from kinema.video.copies import cache_limit
from kinema.video.remote import address_of, copy_path, is_address
from kinema.video.stored import Address


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("s3://films/a.mp4", True),
        ("S3://films/a.mp4", True),
        ("gs://films/a.mp4", True),
        ("az://films/a.mp4", True),
        ("rtsp://camera/1", False),
        ("https://example.org/a.mp4", False),
        ("s3/films/a.mp4", False),
        ("C://a.mp4", False),
        ("s3:/films/a.mp4", False),
    ],
)
def test_addresses_of_object_stores_are_told_from_other_names(name: str, stored: bool) -> None:
    assert is_address(name) is stored


@pytest.mark.parametrize(
    "key",
    [
        "a.mp4",
        "a b/ü/c.mp4",
        "a//b.mp4",
        "../up.mp4",
        "./x",
        "a/..",
        "50%/x?.mp4",
        "a%2Fb.mp4",
        "%",
        'q"<|>:\\.avi',
    ],
)
def test_every_key_has_a_path_below_the_cache_and_is_found_again(
    key: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path))
    path = copy_path(f"s3://films/{key}")
    assert Path(os.path.normpath(path)).is_relative_to(tmp_path / "videos" / "s3" / "films")
    assert address_of(path) == f"s3://films/{key}"


def test_paths_outside_the_cache_have_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "cache"))
    inside = ["features/ab/cd.npy", "videos", "videos/s3", "videos/.parts/x.part"]
    assert [address_of(tmp_path / "cache" / name) for name in inside] == [None] * 4
    assert address_of(tmp_path / "a.mp4") is None


@pytest.mark.parametrize("text", ["s3://", "s3:///a.mp4", "films/a.mp4"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write it as s3://bucket/folder"):
        Address.parse(text)


@pytest.mark.parametrize("text", ["0", "-3", "nan", "inf", "much"])
def test_an_impossible_limit_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINEMA_STORE_CACHE_GB", text)
    with pytest.raises(UsageError, match=f"KINEMA_STORE_CACHE_GB={text}: give a number of gigabytes"):
        cache_limit()


def test_the_limit_is_20_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KINEMA_STORE_CACHE_GB", raising=False)
    assert cache_limit() == 20_000_000_000
    monkeypatch.setenv("KINEMA_STORE_CACHE_GB", "1.5")
    assert cache_limit() == 1_500_000_000
