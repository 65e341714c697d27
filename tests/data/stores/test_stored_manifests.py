"""Manifests and object stores: videos travel with their manifest, and are named by it where they are stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kinema.data import Manifest
from kinema.data.stores import addressed, fetch_store, stored_names, upload
from kinema.errors import DataError, UsageError

Keys = Callable[[], list[str]]


def test_videos_outside_the_folder_of_the_manifest_get_names_in_it(videos: Manifest, tmp_path: Path) -> None:
    assert stored_names(videos) == {
        "a/1.mp4": "a/1.mp4",
        "../far/b/2.mp4": "outside/b/2.mp4",
        str(tmp_path / "far" / "c" / "3.mp4"): "outside/c/3.mp4",
    }
    far = {"video": ["/far/b/1.mp4", "/far/c/1.mp4"]}
    assert stored_names(Manifest(far, tmp_path)) == {"/far/b/1.mp4": "b/1.mp4", "/far/c/1.mp4": "c/1.mp4"}
    odd = {"video": ["outside/1.mp4", "/far/2.mp4", "s3://films/3.mp4"]}
    assert stored_names(Manifest(odd, tmp_path)) == {
        "outside/1.mp4": "outside/1.mp4",
        "/far/2.mp4": "outside_/2.mp4",
        "s3://films/3.mp4": "s3://films/3.mp4",
    }


def test_a_manifest_takes_its_videos_along(videos: Manifest, keys: Keys, s3: Any, tmp_path: Path) -> None:
    sent = upload(videos, "s3://films/set")
    assert (sent.sent, sent.manifest) == (4, "s3://films/set/kth.csv")
    assert keys() == [
        "set/a/1.mp4",
        "set/kinema-index.json",
        "set/kth.csv",
        "set/outside/b/2.mp4",
        "set/outside/c/3.mp4",
    ]
    assert upload(videos, "s3://films/set").sent == 0
    fetched = fetch_store("s3://films/set", tmp_path / "back")
    assert fetched.manifest == tmp_path / "back" / "kth.csv"
    back = Manifest.read(fetched.manifest)
    assert back.table["video"].tolist() == ["a/1.mp4", "outside/b/2.mp4", "outside/c/3.mp4", "a/1.mp4"]
    assert back.table["label"].tolist() == ["walk", "run", "walk", "run"]
    assert back.fingerprint(content=True) == videos.fingerprint(content=True)


def test_missing_videos_are_named_before_anything_is_sent(
    videos: Manifest, keys: Keys, s3: Any, tmp_path: Path
) -> None:
    (tmp_path / "far" / "b" / "2.mp4").unlink()
    with pytest.raises(
        DataError, match=r"1 video of it missing: \.\./far/b/2\.mp4; correct the paths, or leave them"
    ):
        upload(videos, "s3://films/set")
    assert keys() == []


def test_frame_folders_travel_whole_and_are_refused_as_stored_videos(
    keys: Keys, s3: Any, tmp_path: Path
) -> None:
    frames = tmp_path / "v1"
    frames.mkdir()
    for name in ("v1_00001.jpg", "v1_00002.jpg"):
        (frames / name).write_bytes(name.encode())
    manifest = Manifest({"video": ["v1"], "label": ["a"]}, tmp_path)
    assert upload(manifest, "s3://films/set").sent == 3
    assert keys()[1:] == ["set/manifest.csv", "set/v1/v1_00001.jpg", "set/v1/v1_00002.jpg"]
    with pytest.raises(UsageError, match="v1: frame folders are not read from a store"):
        addressed(manifest, "s3://films/set")


def test_a_manifest_of_addresses_reads_writes_and_moves(videos: Manifest, s3: Any, tmp_path: Path) -> None:
    remote = addressed(videos, "s3://films/set/")
    path = remote.write(tmp_path / "elsewhere" / "remote.csv")
    names = ["s3://films/set/a/1.mp4", "s3://films/set/outside/b/2.mp4", "s3://films/set/outside/c/3.mp4"]
    assert Manifest.read(path).table["video"].tolist() == [*names, names[0]]
    assert [one.name for one in Manifest.read(path).segments()] == [*names, names[0]]


def test_the_command_sends_and_writes_a_manifest_of_addresses(
    videos: Manifest, s3: Any, tmp_path: Path
) -> None:
    from kinema.cli.data import app

    assert len(videos) == 4
    out = tmp_path / "remote.csv"
    result = CliRunner().invoke(
        app, ["upload", str(tmp_path / "sets" / "kth.csv"), "s3://films/set", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "4 files sent" in result.output
    assert "wrote s3://films/set/kth.csv" in result.output
    assert f"next: kinema train {out}" in result.output
    assert Manifest.read(out).table["video"][0] == "s3://films/set/a/1.mp4"
    again = CliRunner().invoke(app, ["upload", str(tmp_path / "sets" / "kth.csv"), "s3://films/set"])
    assert "0 files sent (0.0 MB), 4 were there" in again.output
    assert "next: kinema data fetch s3://films/set --out DIR" in again.output
