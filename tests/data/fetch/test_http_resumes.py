"""Downloads that go on: after a cut, a stop, a kill or a full disk, and never with bytes of another file."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinema.data.fetch.http import Downloader, DownloadError

FaultServer = Any  # of conftest.py, which tests cannot import
Clock = Any
Fetch = Callable[..., Path]
BODY = bytes(range(250)) * 4  # 1,000 bytes, no two alike in place
OTHER = BODY[::-1]
SHA256 = "sha256:" + hashlib.sha256(BODY).hexdigest()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_connection_cut_half_way_goes_on_where_it_broke(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, server.fault(cut=400))
    fetch(fake_clock, url, tmp_path / "a.bin", size=1000, checksum=SHA256)
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert server.ranges() == [None, "bytes=400-"]
    assert server.requests[1][1]["if-range"] == '"one"'


def test_breaks_that_bring_something_are_not_counted(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, *[server.fault(cut=100)] * 9)
    fetch(fake_clock, url, tmp_path / "a.bin", tries=2)
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert server.ranges()[1:4] == ["bytes=100-", "bytes=200-", "bytes=300-"]


def test_the_next_run_goes_on_with_what_the_last_one_left(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, server.fault(cut=400), server.fault(503))
    with pytest.raises(DownloadError):
        fetch(fake_clock, url, tmp_path / "a.bin", tries=1)
    assert left(tmp_path) == ["a.bin.part", "a.bin.part.json"]
    fetch(fake_clock, url, tmp_path / "a.bin")
    assert server.ranges() == [None, "bytes=400-", "bytes=400-"]
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert left(tmp_path) == ["a.bin"]


def test_a_whole_part_is_not_asked_for_again(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY)
    fetch(fake_clock, url, tmp_path / "a.bin")
    (tmp_path / "a.bin").rename(tmp_path / "b.bin.part")
    (tmp_path / "b.bin.part.json").write_text(f'{{"url": "{url}", "total": 1000, "etag": "x"}}')
    fetch(fake_clock, url, tmp_path / "b.bin", checksum=SHA256)
    assert len(server.requests) == 1 and left(tmp_path) == ["b.bin"]


def test_a_part_of_unknown_origin_is_not_built_upon(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"stranger")
    url = server.add("/a.bin", BODY)
    fetch(fake_clock, url, tmp_path / "a.bin")
    assert server.ranges() == [None] and (tmp_path / "a.bin").read_bytes() == BODY


def test_a_server_that_ignores_range_starts_cleanly_again(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, server.fault(cut=400), ranges=False)
    fetch(fake_clock, url, tmp_path / "a.bin")
    assert server.ranges() == [None, "bytes=400-"]
    assert (tmp_path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("deaf", [False, True])
def test_a_file_that_changed_between_two_tries_is_never_mixed(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, deaf: bool, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, server.fault(cut=400), server.fault(500))
    with pytest.raises(DownloadError):
        fetch(fake_clock, url, tmp_path / "a.bin", tries=1)
    server.requests.clear()
    server.add("/a.bin", OTHER, server.fault(deaf=deaf), etag='"two"')
    fetch(fake_clock, url, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == OTHER
    assert server.ranges() == (["bytes=400-", None] if deaf else ["bytes=400-"])


def test_a_silent_server_is_left_and_asked_again(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, server.fault(hold=1.0))
    fetch(fake_clock, url, tmp_path / "a.bin", timeout=0.2)
    assert server.ranges() == [None, "bytes=500-"]
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_progress_counts_what_was_there_before(
    server: FaultServer, fake_clock: Clock, tmp_path: Path
) -> None:
    seen: list[tuple[int, int | None]] = []
    url = server.add("/a.bin", BODY, server.fault(cut=400))
    with Downloader(clock=fake_clock, sleep=fake_clock.sleep, now=fake_clock) as downloader:
        downloader.fetch(url, tmp_path / "a.bin", progress=lambda count, total: seen.append((count, total)))
    assert seen[0] == (400, 1000) and seen[-1] == (1000, 1000)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_leaves_a_part_that_the_next_goes_on_with(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, how: signal.Signals, code: int, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, server.fault(hold=30.0))
    program = (
        "import signal, sys; from pathlib import Path; from kinema.data.fetch import *\n"
        # A job in the background of a shell ignores Ctrl-C, and so would its children.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "file = RemoteFile('a.bin', (Location(sys.argv[1]),), archive=False)\n"
        "try:\n"
        "    fetch_data_set(DataSet('d', '', 'files', '', '', '', (file,)), Path(sys.argv[2]))\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, url, str(tmp_path)])
    part = tmp_path / "a.bin.part"
    end = time.monotonic() + 20
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(how)
    assert process.wait(timeout=25) == code
    assert part.read_bytes() == BODY[:500]
    assert not (tmp_path / "a.bin").exists()
    fetch(fake_clock, url, tmp_path / "a.bin", checksum=SHA256)
    assert server.ranges() == [None, "bytes=500-"]


def test_a_disk_that_fills_up_is_one_line_and_the_rest_comes_later(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, small_files: Any, fetch: Fetch
) -> None:
    body = BODY * 3000
    url = server.add("/a.bin", body)
    with small_files(), pytest.raises(DownloadError) as caught:
        fetch(fake_clock, url, tmp_path / "a.bin")
    assert (caught.value.reason, caught.value.tries) == ("cannot be written: File too large", 1)
    assert left(tmp_path) == ["a.bin.part", "a.bin.part.json"]
    fetch(fake_clock, url, tmp_path / "a.bin")
    assert server.ranges() == [None, "bytes=1048576-"]
    assert (tmp_path / "a.bin").read_bytes() == body
