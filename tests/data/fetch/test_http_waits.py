"""Downloads from a server that has had enough: how long is waited, how often it is asked, how many at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinema.data.fetch.hosts import Hosts, retry_after
from kinema.data.fetch.http import Downloader, DownloadError

FaultServer = Any  # of conftest.py, which tests cannot import
Clock = Any
Fetch = Callable[..., Path]
BODY = bytes(range(250)) * 4  # 1,000 bytes, no two alike in place


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("status", "asked", "least"),
    [
        (429, "7", 7),
        (503, "7", 7),
        (429, "Mon, 01 Jan 2024 00:01:30 GMT", 90),
        (503, "Sun, 31 Dec 2023 00:00:00 GMT", 0),
    ],
)
def test_retry_after_is_honoured_in_seconds_and_as_a_date(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, status: int, asked: str, least: int, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, server.fault(status, {"Retry-After": asked}))
    fetch(fake_clock, url, tmp_path / "a.bin")
    assert least <= fake_clock.waits[0] <= least + 2
    assert len(server.requests) == 2


def test_without_retry_after_the_waits_double_with_jitter(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, *[server.fault(503)] * 5)
    fetch(fake_clock, url, tmp_path / "a.bin", longest_wait=8.0)
    assert len(fake_clock.waits) == 5
    for wait, base in zip(fake_clock.waits, (1, 2, 4, 8, 8), strict=True):
        assert base <= wait <= base + 1
    assert len({wait - int(wait) for wait in fake_clock.waits}) == 5  # jitter


def test_a_ceiling_on_tries(server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch) -> None:
    url = server.add("/a.bin", BODY, always=server.fault(429, {"Retry-After": "5"}))
    said: list[str] = []
    with pytest.raises(DownloadError, match=r"429 Too Many Requests \(3 tries\)") as caught:
        fetch(fake_clock, url, tmp_path / "a.bin", tries=3, say=said.append)
    assert (caught.value.reason, caught.value.tries, len(server.requests)) == ("429 Too Many Requests", 3, 3)
    assert len(said) == 2 and all(
        line.startswith("a.bin: 429 Too Many Requests; next try in") for line in said
    )


def test_a_server_that_asks_for_hours_is_not_waited_for(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, server.fault(429, {"Retry-After": "7200"}))
    with pytest.raises(DownloadError, match="come back in 120 min"):
        fetch(fake_clock, url, tmp_path / "a.bin")
    assert fake_clock.waits == [] and len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "reason"), [(404, "404 Not Found"), (403, "403 Forbidden"), (410, "410 Gone")]
)
def test_what_will_not_change_is_not_tried_again(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, status: int, reason: str, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, always=server.fault(status))
    with pytest.raises(DownloadError) as caught:
        fetch(fake_clock, url, tmp_path / "a.bin")
    assert (caught.value.reason, caught.value.tries) == (reason, 1)
    assert len(server.requests) == 1 and left(tmp_path) == []


def test_one_pause_holds_for_every_thread_that_asks_the_host(fake_clock: Clock) -> None:
    hosts = Hosts(4, fake_clock, fake_clock.sleep)
    hosts.pause("http://a.org/one", 30)
    with hosts.turn("http://b.org/three"):
        assert fake_clock.waits == []
    with hosts.turn("http://a.org/two"):
        assert fake_clock.waits == [30]


def test_retry_after_that_says_nothing() -> None:
    assert [retry_after(value, 0.0) for value in (None, "", "soon", "-5")] == [None, None, None, None]


def test_no_more_requests_at_a_time_than_connections(server: FaultServer, tmp_path: Path) -> None:
    urls = [server.add(f"/{n}.bin", BODY, always=server.fault(wait=0.05)) for n in range(12)]
    with Downloader(connections=3) as downloader:
        threads = [
            threading.Thread(target=downloader.fetch, args=(url, tmp_path / f"{n}.bin"))
            for n, url in enumerate(urls)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(left(tmp_path)) == 12
    assert server.most_at_once == 3
