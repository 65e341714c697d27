"""Copies of stored videos: whole or absent, below a limit, never taken from a reader, mended when damaged."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kinema.errors import KinemaError
from kinema.video.object_store import connect
from kinema.video.remote import copy_path, held, local_path
from kinema.video.store_errors import DiskError, UnreachableError
from kinema.video.stored import Address

SmallFiles = Callable[[], AbstractContextManager[None]]

KILO = b"0123456789" * 100  # 1000 bytes


def put(client: Any, key: str, body: bytes = KILO) -> str:
    client.put_object(Bucket="films", Key=key, Body=body)
    return f"s3://films/{key}"


def copies(tmp_path: Path) -> list[str]:
    folder = tmp_path / "cache" / "videos" / "s3" / "films"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_least_recently_used_copy_goes_first(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINEMA_STORE_CACHE_GB", "0.0000035")  # 3500 bytes: three copies
    a, b, c, d = (put(s3, f"{name}.mp4") for name in "abcd")
    for address in (a, b, c, a, d):
        local_path(address)
    assert copies(tmp_path) == ["a.mp4", "c.mp4", "d.mp4"]
    assert local_path(b).read_bytes() == KILO
    assert copies(tmp_path) == ["a.mp4", "b.mp4", "d.mp4"]


def test_a_copy_in_use_stays_and_goes_when_it_is_let_go(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINEMA_STORE_CACHE_GB", "0.0000015")  # 1500 bytes: one copy
    a, b = put(s3, "a.mp4"), put(s3, "b.mp4")
    with held(copy_path(a)) as first:
        with held(copy_path(b)) as second:
            assert first.read_bytes() == second.read_bytes() == KILO
        assert copies(tmp_path) in (["a.mp4"], ["a.mp4", "b.mp4"])
        assert first.exists()
        local_path(b)
        assert first.exists()
    local_path(b)
    assert copies(tmp_path) == ["b.mp4"]


def test_a_video_above_the_limit_can_be_read_and_goes_at_once(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINEMA_STORE_CACHE_GB", "0.0000005")
    with held(copy_path(put(s3, "a.mp4"))) as path:
        assert path.read_bytes() == KILO
    assert copies(tmp_path) == []


def test_a_copy_that_another_process_reads_stays(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINEMA_STORE_CACHE_GB", "0.0000015")
    a, b = put(s3, "a.mp4"), put(s3, "b.mp4")
    program = """
        import sys
        from kinema.video.remote import copy_path, held
        with held(copy_path('s3://films/a.mp4')) as path:
            print('reading', flush=True)
            sys.stdin.readline()
            print(len(path.read_bytes()))
    """
    reader = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdin is not None
    assert reader.stdout is not None
    assert reader.stdout.readline() == "reading\n"
    local_path(b)
    assert copy_path(a).exists()
    out, _ = reader.communicate("\n", timeout=60)
    assert out == "1000\n"
    local_path(put(s3, "c.mp4"))
    assert not copy_path(a).exists()


def test_readers_at_once_fetch_it_once_and_see_it_whole(s3: Any, s3_calls: Any) -> None:
    body = os.urandom(1 << 20)
    address = put(s3, "big.mp4", body)
    seen: list[bool] = []
    threads = [
        threading.Thread(target=lambda: seen.append(local_path(address).read_bytes() == body))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 8
    assert len(s3_calls.keys("get_object")) == 2  # the object, and the index that is not there


def test_many_readers_under_a_small_limit(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINEMA_STORE_CACHE_GB", "0.0000035")
    bodies = {put(s3, f"{i}.mp4", bytes([65 + i]) * 1000): bytes([65 + i]) * 1000 for i in range(6)}
    faults: list[object] = []

    def read(offset: int) -> None:
        for i in range(12):
            address = f"s3://films/{(offset + i * 5) % 6}.mp4"
            try:
                with held(copy_path(address)) as path:
                    if path.read_bytes() != bodies[address]:
                        faults.append(address)
            except Exception as error:
                faults.append(error)

    threads = [threading.Thread(target=read, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    local_path("s3://films/0.mp4")
    assert sum(len(path) > 0 for path in copies(tmp_path)) <= 3


def test_a_broken_download_is_never_seen_and_is_gone_on_with(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinema.video.object_store._CHUNK", 400)
    address = put(s3, "a.mp4")
    asked: list[tuple[int, int]] = []
    store = connect(Address.parse(address))
    original = store._fs.cat_file

    def cut(path: str, start: int, end: int | None = None) -> bytes:
        if path.endswith(".json"):
            return bytes(original(path, start=start))
        asked.append((start, end or 0))
        if len(asked) == 2:
            raise ConnectionResetError("reset by peer")
        return bytes(original(path, start=start, end=end))

    monkeypatch.setattr(store._fs, "cat_file", cut)
    with pytest.raises(UnreachableError, match="cannot be reached"):
        local_path(address)
    assert copies(tmp_path) == []
    monkeypatch.setattr(store, "_down", None)
    assert local_path(address).read_bytes() == KILO
    assert asked == [(0, 400), (400, 800), (400, 800), (800, 1000)]


def test_an_object_that_changes_while_it_is_read_is_begun_anew(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinema.video.object_store._CHUNK", 400)
    address = put(s3, "a.mp4", b"old" * 300)
    store = connect(Address.parse(address))
    original, asked = store._fs.cat_file, []

    def changing(path: str, start: int, end: int | None = None) -> bytes:
        asked.append(path)
        if len(asked) == 3:
            put(s3, "a.mp4", b"new" * 300)
        return bytes(original(path, start=start, end=end))

    monkeypatch.setattr(store._fs, "cat_file", changing)
    assert local_path(address).read_bytes() == b"new" * 300


def test_a_full_disk_is_said_before_anything_is_fetched(
    s3: Any, s3_calls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = put(s3, "a.mp4")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=500))
    with pytest.raises(
        KinemaError, match=r"the disk is too full for 0\.0 MB more; free some space or set KINEMA_CACHE"
    ):
        local_path(address)
    assert len(s3_calls.keys("get_object")) == 0


@pytest.mark.parametrize("damage", ["garbage", "half", "other table"])
def test_a_damaged_table_is_made_anew(
    s3: Any, tmp_path: Path, s3_calls: Any, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("KINEMA_STORE_CACHE_GB", "0.0000025")  # 2500 bytes: two copies
    a, b = put(s3, "a.mp4"), put(s3, "b.mp4")
    for address in (a, b):
        local_path(address)
    table = tmp_path / "cache" / "videos" / ".copies.sqlite"
    if damage == "garbage":
        table.write_bytes(b"no database" * 1000)
    elif damage == "half":
        table.write_bytes(table.read_bytes()[: table.stat().st_size // 2])
    else:
        table.unlink()
        with closing(sqlite3.connect(table)) as connection, connection:
            connection.execute("CREATE TABLE copies (name TEXT)")
    s3_calls.clear()
    assert local_path(a).read_bytes() == KILO
    assert s3_calls.keys("get_object", suffix="a.mp4") == [
        "a.mp4"
    ]  # of which version it was is not known any more
    s3_calls.clear()
    assert local_path(a).read_bytes() == KILO
    assert s3_calls.keys("get_object") == []
    # What lay there still counts, so the limit holds.
    local_path(put(s3, "c.mp4"))
    assert copies(tmp_path) == ["a.mp4", "c.mp4"]


def test_a_table_that_cannot_be_opened_is_one_line(s3: Any, tmp_path: Path) -> None:
    address = put(s3, "a.mp4")
    (tmp_path / "cache" / "videos" / ".copies.sqlite").mkdir(parents=True)
    with pytest.raises(
        DiskError, match=r"videos: the cache of stored videos: cannot be written \(unable to open"
    ):
        local_path(address)


def test_a_disk_that_fills_up_meanwhile_is_one_line_and_the_rest_comes_later(
    s3: Any, tmp_path: Path, s3_calls: Any, monkeypatch: pytest.MonkeyPatch, small_files: SmallFiles
) -> None:
    body = os.urandom(3 << 20)
    address = put(s3, "a.mp4", body)
    monkeypatch.setattr("kinema.video.object_store._CHUNK", 700_000)
    with (
        small_files(),
        pytest.raises(
            DiskError, match=r"\.parts: cannot be written: File too large; mend that and run again$"
        ),
    ):
        local_path(address)
    assert copies(tmp_path) == []
    s3_calls.clear()
    assert local_path(address).read_bytes() == body
    assert (
        len(s3_calls.keys("get_object", suffix="a.mp4")) == 3
    )  # 1,048,576 bytes were there: 2,097,152 to come


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_while_a_copy_comes_leaves_nothing_half(
    s3: Any, tmp_path: Path, s3_calls: Any, how: signal.Signals
) -> None:
    body = os.urandom(3000)
    address = put(s3, "a.mp4", body)
    program = """
        import signal, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        from kinema.video import object_store, remote
        object_store._CHUNK = 1000
        from s3fs.core import S3FileSystem
        original = S3FileSystem._cat_file
        async def slow(self, path, *args, start=None, **more):
            if start == 2000:
                print('two thirds', flush=True)
                import asyncio
                await asyncio.sleep(60)
            return await original(self, path, *args, start=start, **more)
        S3FileSystem._cat_file = slow
        remote.local_path('s3://films/a.mp4')
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "two thirds\n"
    process.send_signal(how)
    process.wait(timeout=20)
    assert copies(tmp_path) == []
    parts = list((tmp_path / "cache/videos/.parts").iterdir())
    assert [part.read_bytes() for part in parts] == [body[:2000]]
    s3_calls.clear()
    assert local_path(address).read_bytes() == body
    assert (tmp_path / "cache/videos/s3/films/a.mp4").stat().st_size == 3000
    assert list((tmp_path / "cache/videos/.parts").iterdir()) == []
