"""Transfers that break off, are stopped or killed, meet a full disk or a refusal: nothing is lost or half there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kinema.data.stores import fetch_store, upload
from kinema.errors import DataError, KinemaError, UsageError
from kinema.video.object_store import connect
from kinema.video.store_errors import DiskError, StoreError, UnreachableError
from kinema.video.stored import Address

Folder = Callable[..., Path]
Keys = Callable[[], list[str]]
SmallFiles = Callable[[], AbstractContextManager[None]]


def body(client: Any, key: str) -> bytes:
    return bytes(client.get_object(Bucket="films", Key=key)["Body"].read())


def test_an_upload_that_breaks_off_goes_on(
    folder: Folder, s3: Any, tmp_path: Path, s3_calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.video.object_store import Store

    root = folder()
    original = Store.send

    def broken(self: Any, path: Path, *args: Any) -> Any:
        if path.name == "2.mp4":
            raise UnreachableError("s3://films: cannot be reached; check the network and the endpoint")
        return original(self, path, *args)

    monkeypatch.setattr(Store, "send", broken)
    with pytest.raises(UnreachableError, match="cannot be reached"):
        upload(root, "s3://films/set", connections=1)
    noted = json.loads(body(s3, "set/kinema-index.json"))["files"]
    assert sorted(noted) == ["run/ü 3.mp4", "walk/1.mp4"]
    # SHA-256 of "one", by sha256sum
    assert noted["walk/1.mp4"]["sha256"] == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    monkeypatch.setattr(Store, "send", original)
    s3_calls.clear()
    assert upload(root, "s3://films/set").sent == 1
    assert s3_calls.keys("put_object", suffix=".mp4") == ["set/walk/2.mp4"]


STOPPED = """
import signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from pathlib import Path
from kinema.data.stores import fetch_store, upload
from kinema.video.object_store import Store

def held(method):
    def call(self, *args):
        if any('2.mp4' in str(arg) for arg in args):
            print('at the second', flush=True)
            time.sleep(60)
        return method(self, *args)
    return call

Store.send, Store.bring = held(Store.send), held(Store.bring)
try:
    upload(Path(sys.argv[2]), 's3://films/set', connections=1) if sys.argv[1] == 'upload' else fetch_store(
        's3://films/set', Path(sys.argv[2]), connections=1)
except KeyboardInterrupt:
    sys.exit(130)
"""


def stopped(verb: str, path: Path, how: signal.Signals) -> int:
    """Run a transfer in a process of its own, end it while the second of three files is on its way."""
    command = [sys.executable, "-c", STOPPED, verb, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "at the second\n"
    process.send_signal(how)
    return process.wait(timeout=20)  # a store that says nothing for a minute is not waited for


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
@pytest.mark.slow
def test_an_upload_that_is_stopped_goes_on(
    folder: Folder, keys: Keys, s3: Any, s3_calls: Any, how: signal.Signals, code: int
) -> None:
    root = folder()
    assert stopped("upload", root, how) == code
    index = ["set/kinema-index.json"] if how == signal.SIGINT else []
    assert keys() == [*index, "set/run/ü 3.mp4", "set/walk/1.mp4"]
    assert upload(root, "s3://films/set").sent == 1
    assert s3_calls.keys("put_object", suffix=".mp4") == ["set/walk/2.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
@pytest.mark.slow
def test_a_fetch_that_is_stopped_goes_on(
    folder: Folder, s3: Any, s3_calls: Any, tmp_path: Path, how: signal.Signals, code: int
) -> None:
    upload(folder(), "s3://films/set")
    out = tmp_path / "back"
    assert stopped("fetch", out, how) == code
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.mp4")) == ["run/ü 3.mp4", "walk/1.mp4"]
    s3_calls.clear()
    assert fetch_store("s3://films/set", out).done == 1
    assert s3_calls.keys("get_object", suffix=".mp4") == ["set/walk/2.mp4"]


def test_a_disk_that_fills_up_during_a_fetch_is_one_line_and_the_rest_comes_later(
    s3: Any, tmp_path: Path, small_files: SmallFiles
) -> None:
    body = os.urandom(3 << 20)
    s3.put_object(Bucket="films", Key="set/a.mp4", Body=body)
    out = tmp_path / "back"
    with (
        small_files(),
        pytest.raises(DiskError, match=r"\.kinema-store/parts: cannot be written: File too large"),
    ):
        fetch_store("s3://films/set", out)
    assert [path.name for path in out.iterdir()] == [".kinema-store"]
    assert fetch_store("s3://films/set", out).done == 1
    assert (out / "a.mp4").read_bytes() == body


def test_an_upload_without_its_index_sends_nothing_twice(
    folder: Folder, s3: Any, tmp_path: Path, s3_calls: Any
) -> None:
    root = folder()
    upload(root, "s3://films/set")
    s3.delete_object(Bucket="films", Key="set/kinema-index.json")
    s3_calls.clear()
    assert upload(root, "s3://films/set").sent == 0
    assert s3_calls.keys("put_object") == ["set/kinema-index.json"]


def test_a_fetch_that_breaks_off_goes_on_and_shows_no_half_files(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinema.video.object_store._CHUNK", 1000)
    root = tmp_path / "clips"
    root.mkdir()
    (root / "a.mp4").write_bytes(os.urandom(2500))
    upload(root, "s3://films/set")
    store, asked = connect(Address.parse("s3://films")), list[tuple[int, int | None]]()
    original = store._fs.cat_file

    def cut(path: str, start: int = 0, end: int | None = None) -> bytes:
        if path.endswith(".mp4"):
            asked.append((start, end))
            if len(asked) == 2:
                raise ConnectionResetError("reset by peer")
        return bytes(original(path, start=start, end=end))

    monkeypatch.setattr(store._fs, "cat_file", cut)
    monkeypatch.setattr("kinema.video.object_store._DOWN", 0.0)
    with pytest.raises(UnreachableError):
        fetch_store("s3://films/set", tmp_path / "back")
    assert list((tmp_path / "back").glob("*")) == [tmp_path / "back" / ".kinema-store"]
    assert fetch_store("s3://films/set", tmp_path / "back").done == 1
    assert (tmp_path / "back" / "a.mp4").read_bytes() == (root / "a.mp4").read_bytes()
    assert asked == [(0, 1000), (1000, 2000), (1000, 2000), (2000, 2500)]


def test_a_file_that_changes_while_it_is_sent_is_named_and_not_noted(
    folder: Folder, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.video.object_store import Store

    root = folder()
    original = Store.send

    def changing(self: Any, path: Path, *args: Any) -> Any:
        if path.name == "1.mp4":
            path.write_text("other")
        return original(self, path, *args)

    monkeypatch.setattr(Store, "send", changing)
    with pytest.raises(
        DataError, match=r"1\.mp4: changed while it was sent; 2 files sent, run again for the rest"
    ):
        upload(root, "s3://films/set")
    assert "walk/1.mp4" not in json.loads(body(s3, "set/kinema-index.json"))["files"]


@pytest.mark.parametrize(
    "key", ["set/../../escape.mp4", "set//double.mp4", "set/./dot.mp4", "set/.kinema-store/x"]
)
def test_names_that_lead_elsewhere_are_listed_and_not_fetched(s3: Any, tmp_path: Path, key: str) -> None:
    s3.put_object(Bucket="films", Key=key, Body=b"x")
    s3.put_object(Bucket="films", Key="set/good.mp4", Body=b"good")
    out = tmp_path / "deep" / "er"
    fetched = fetch_store("s3://films/set", out)
    assert (fetched.done, fetched.failed) == (1, 1)
    assert fetched.failures == out / "fetch-failures.csv"
    assert "a name that no file here can have; rename the object" in fetched.failures.read_text()
    assert not (tmp_path / "escape.mp4").exists()
    assert sorted(path.name for path in out.glob("*.mp4")) == ["good.mp4"]
    s3.delete_object(Bucket="films", Key=key)
    assert fetch_store("s3://films/set", out).failures is None
    assert not (out / "fetch-failures.csv").exists()


def test_an_object_whose_bytes_are_not_the_uploaded_ones_is_listed(
    folder: Folder, s3: Any, tmp_path: Path
) -> None:
    upload(folder(), "s3://films/set")
    index = json.loads(body(s3, "set/kinema-index.json"))
    index["files"]["walk/1.mp4"]["sha256"] = "00" * 32
    s3.put_object(Bucket="films", Key="set/kinema-index.json", Body=json.dumps(index))
    fetched = fetch_store("s3://films/set", tmp_path / "back")
    assert (fetched.done, fetched.failed) == (2, 1)
    assert fetched.failures is not None
    assert "its bytes are not those that were uploaded (SHA-256 differs)" in fetched.failures.read_text()
    assert not (tmp_path / "back" / "walk" / "1.mp4").exists()


def test_a_full_disk_is_said_before_anything_is_fetched(
    folder: Folder, s3: Any, tmp_path: Path, s3_calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(folder(), "s3://films/set")
    s3_calls.clear()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(
        KinemaError, match=r"the disk is too full: 0\.00 GB are to come and 0\.00 GB are free"
    ):
        fetch_store("s3://films/set", tmp_path / "back")
    assert s3_calls.keys("get_object", "put_object", suffix=".mp4") == []


def test_nothing_there_no_bucket_no_right_no_address(
    folder: Folder, s3: Any, s3_service: str, tmp_path: Path
) -> None:
    import requests

    with pytest.raises(DataError, match=r"^s3://films/none: nothing is stored below it; check the name$"):
        fetch_store("s3://films/none", tmp_path / "back")
    with pytest.raises(StoreError, match=r"^s3://nobody at .*: no such bucket"):
        upload(folder(), "s3://nobody/set")
    with pytest.raises(UsageError, match=r"^films/set: not an address in an object store"):
        upload(folder(), "films/set")
    with pytest.raises(UsageError, match="connections must be at least 1, not 0"):
        upload(folder(), "s3://films/set", connections=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no file in this folder"):
        upload(tmp_path / "empty", "s3://films/set")
    requests.post(f"{s3_service}/moto-api/reset-auth", data=b"0", timeout=10)
    with pytest.raises(
        StoreError, match=r"^s3://films at .*: the access key is not known there; check AWS_ACCESS"
    ):
        upload(folder(), "s3://films/set")
