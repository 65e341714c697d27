"""Folders to and from an object store, against moto's S3 server: only what changed travels."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinema.data.stores import fetch_store, upload

Keys = Callable[[], list[str]]
Folder = Callable[..., Path]


def test_a_folder_goes_and_comes_back_as_it_was(folder: Folder, keys: Keys, s3: Any, tmp_path: Path) -> None:
    root = folder()
    (root / ".hidden").write_text("no")
    sent = upload(root, "s3://films/set/")
    assert (sent.sent, sent.present, sent.bytes, sent.address) == (3, 0, 11, "s3://films/set")
    assert keys() == ["set/kinema-index.json", "set/run/ü 3.mp4", "set/walk/1.mp4", "set/walk/2.mp4"]
    fetched = fetch_store("s3://films/set", tmp_path / "back")
    assert (fetched.done, fetched.present, fetched.failed, fetched.failures) == (3, 0, 0, None)
    back = {
        p.relative_to(tmp_path / "back").as_posix(): p.read_text() for p in (tmp_path / "back").rglob("*.mp4")
    }
    assert back == {"walk/1.mp4": "one", "walk/2.mp4": "two", "run/ü 3.mp4": "three"}


def test_only_changed_files_are_sent(folder: Folder, s3: Any, tmp_path: Path, s3_calls: Any) -> None:
    root = folder()
    upload(root, "s3://films/set")
    s3_calls.clear()
    assert upload(root, "s3://films/set").sent == 0
    assert s3_calls.keys("put_object") == []
    os.utime(root / "walk" / "1.mp4", (1, 1))  # another date, the same bytes
    (root / "walk" / "2.mp4").write_text("TWO")  # the same size, other bytes
    (root / "new.mp4").write_text("new")
    sent = upload(root, "s3://films/set")
    assert (sent.sent, sent.present) == (2, 2)
    assert s3_calls.keys("put_object") == ["set/kinema-index.json", "set/new.mp4", "set/walk/2.mp4"]


def test_only_changed_files_are_fetched(folder: Folder, s3: Any, tmp_path: Path, s3_calls: Any) -> None:
    upload(folder(), "s3://films/set")
    out = tmp_path / "back"
    fetch_store("s3://films/set", out)
    (out / "mine.txt").write_text("mine")
    s3.put_object(Bucket="films", Key="set/walk/1.mp4", Body=b"ONE")  # by another program, of the same size
    s3_calls.clear()
    fetched = fetch_store("s3://films/set", out)
    assert (fetched.done, fetched.present) == (1, 2)
    assert set(s3_calls.keys("get_object", suffix=".mp4")) == {"set/walk/1.mp4"}
    assert (out / "walk" / "1.mp4").read_bytes() == b"ONE"
    assert (out / "mine.txt").read_text() == "mine"


def test_files_that_came_otherwise_are_known_by_their_bytes(
    folder: Folder, s3: Any, tmp_path: Path, s3_calls: Any
) -> None:
    root = folder()
    upload(root, "s3://films/set")
    s3_calls.clear()
    assert fetch_store("s3://films/set", root).present == 3
    assert s3_calls.keys("get_object", "put_object", suffix=".mp4") == []
    (root / "walk" / "1.mp4").write_text("0ne")
    assert fetch_store("s3://films/set", root).done == 1
    assert (root / "walk" / "1.mp4").read_text() == "one"


def test_objects_of_other_programs_are_known_by_md5(
    folder: Folder, s3: Any, tmp_path: Path, s3_calls: Any
) -> None:
    root = folder()
    s3.put_object(Bucket="films", Key="set/walk/1.mp4", Body=b"one")
    assert upload(root, "s3://films/set").sent == 2
    assert "set/walk/1.mp4" not in s3_calls.keys("put_object")
    s3.delete_object(Bucket="films", Key="set/kinema-index.json")
    s3_calls.clear()
    assert fetch_store("s3://films/set", root).present == 3
    assert s3_calls.keys("get_object", "put_object", suffix=".mp4") == []


@pytest.mark.slow
def test_etags_of_parts_are_no_md5_and_still_nothing_travels_twice(
    s3: Any, tmp_path: Path, s3_calls: Any
) -> None:
    root = tmp_path / "clips"
    root.mkdir()
    with (root / "long.mp4").open("wb") as out:
        out.truncate(101 << 20)  # s3fs sends in parts from 100 MiB
    assert upload(root, "s3://films/set").sent == 1
    assert s3_calls.keys("create_multipart_upload").count("set/long.mp4") == 1
    etag = s3.head_object(Bucket="films", Key="set/long.mp4")["ETag"].strip('"')
    assert "-" in etag
    s3_calls.clear()
    assert upload(root, "s3://films/set").sent == 0
    assert fetch_store("s3://films/set", root).present == 1
    assert fetch_store("s3://films/set", tmp_path / "back").done == 1
    assert (tmp_path / "back" / "long.mp4").stat().st_size == 101 << 20
    assert s3_calls.keys("create_multipart_upload").count("set/long.mp4") == 0
    assert s3_calls.keys("get_object").count("set/long.mp4") == 13  # 8 MiB at a time, once


def test_no_more_than_the_ceiling_travels_at_a_time(
    folder: Folder, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.video.object_store import Store

    lock, now, most = threading.Lock(), 0, 0
    original = Store.send

    def counting(self: Any, *args: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        try:
            return original(self, *args)
        finally:
            with lock:
                now -= 1

    monkeypatch.setattr(Store, "send", counting)
    upload(folder(**{f"{i}.mp4": str(i) for i in range(20)}), "s3://films/set", connections=3)
    assert most == 3


def test_progress_counts_all_bytes(folder: Folder, s3: Any, tmp_path: Path) -> None:
    root, seen = folder(), list[tuple[int, int]]()
    upload(root, "s3://films/set", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (11, 11)
    seen.clear()
    fetch_store("s3://films/set", tmp_path / "back", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (11, 11)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_an_endpoint_can_be_given(
    folder: Folder, s3: Any, s3_service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert upload(folder(), "s3://films/set", endpoint=s3_service).sent == 3
    assert fetch_store("s3://films/set", tmp_path / "back", endpoint=s3_service).done == 3
