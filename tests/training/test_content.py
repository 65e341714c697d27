"""Content hashes that are remembered: files are read once, and a damaged memory costs time and nothing else."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

from kinema.training import content
from kinema.training.content import ContentHashes


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "content.sqlite"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read for their hash, in order."""
    paths: list[Path] = []
    real = content.content_hash
    monkeypatch.setattr(content, "content_hash", lambda path: paths.append(path) or real(path))
    return paths


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_read_once_and_again_when_it_changes(tmp_path: Path, cache: Path, read: list[Path]) -> None:
    video = tmp_path / "v.mp4"
    video.write_bytes(b"first")
    assert ContentHashes()(video) == _sha(b"first")
    assert ContentHashes()(video) == _sha(b"first") and read == [video]
    video.write_bytes(b"other")
    os.utime(video, ns=(1, 1))  # the same size: it is the time that tells
    assert ContentHashes()(video) == _sha(b"other") and read == [video, video]


@pytest.mark.parametrize("damage", ["text", "cut", "empty", "zeros"])
def test_a_damaged_memory_is_made_anew(
    damage: str, tmp_path: Path, cache: Path, read: list[Path], recwarn: pytest.WarningsRecorder
) -> None:
    videos = [tmp_path / f"{number}.mp4" for number in range(200)]
    for video in videos:
        video.write_bytes(video.name.encode())
    hashes = ContentHashes()
    before = [hashes(video) for video in videos]
    data = cache.read_bytes()
    assert len(data) > 16_384
    cache.write_bytes({"text": b"no database" * 100, "cut": data[:5000], "empty": b"",
                       "zeros": data[:4096] + bytes(len(data) - 4096)}[damage])  # fmt: skip
    assert not recwarn.list
    hashes = ContentHashes()
    assert [hashes(video) for video in videos] == before == [_sha(v.name.encode()) for v in videos]
    said = [str(warning.message) for warning in recwarn.list]
    assert (
        len(said) == (0 if damage == "empty" else 1) and len(read) == 400
    )  # nothing is what a new file holds
    assert all(line.startswith(f"{cache}: damaged (") and "videos are read again" in line for line in said)
    ContentHashes()(videos[0])
    assert len(read) == 400
    with sqlite3.connect(cache) as connection:
        assert connection.execute("SELECT count(*) FROM content").fetchone() == (200,)


def test_without_a_place_to_remember_files_are_read(tmp_path: Path, cache: Path) -> None:
    cache.mkdir(parents=True)  # a folder of that name
    video = tmp_path / "v.mp4"
    video.write_bytes(b"x")
    hashes = ContentHashes()
    with pytest.warns(
        UserWarning, match=r"content\.sqlite: cannot be used \(unable to open database file\)"
    ) as said:
        assert hashes(video) == _sha(b"x")
    assert len(said) == 1
