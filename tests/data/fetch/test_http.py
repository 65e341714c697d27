"""Downloads against a server that lies, breaks off or sends something else: what is asked for, what is left on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kinema.data.fetch.http import DownloadError

FaultServer = Any  # of conftest.py, which tests cannot import
Clock = Any
Fetch = Callable[..., Path]
BODY = bytes(range(250)) * 4  # 1,000 bytes, no two alike in place
OTHER = BODY[::-1]
SHA256 = "sha256:" + hashlib.sha256(BODY).hexdigest()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_nothing_else_is_left(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY)
    target = tmp_path / "new" / "a.bin"
    assert fetch(fake_clock, url, target, size=1000, checksum=SHA256) == target
    assert target.read_bytes() == BODY
    assert left(target.parent) == ["a.bin"]
    assert fake_clock.waits == []


def test_a_server_that_announces_more_than_it_has(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, always=server.fault(claim=5000))
    with pytest.raises(
        DownloadError, match=r"fewer bytes than it had announced|received 1000 bytes, expected 5000"
    ):
        fetch(fake_clock, url, tmp_path / "a.bin", tries=3)
    assert not (tmp_path / "a.bin").exists()
    assert len(server.requests) <= 7


def test_a_server_that_announces_less_than_is_published(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, always=server.fault(claim=600))
    with pytest.raises(DownloadError, match="announces 600 bytes, 1,000 are published"):
        fetch(fake_clock, url, tmp_path / "a.bin", size=1000)
    assert left(tmp_path) == [] and len(server.requests) == 2


def test_less_than_the_body_is_caught_by_the_checksum(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, server.fault(claim=600))
    fetch(fake_clock, url, tmp_path / "a.bin", checksum=SHA256)
    assert (tmp_path / "a.bin").read_bytes() == BODY and len(server.requests) == 2


def test_wrong_bytes_are_removed_and_asked_for_once_more(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.bin", BODY, server.fault(body=OTHER))
    fetch(fake_clock, url, tmp_path / "a.bin", checksum=SHA256)
    assert (tmp_path / "a.bin").read_bytes() == BODY
    url = server.add("/b.bin", OTHER)
    with pytest.raises(DownloadError, match=r"wrong checksum: sha256:.* published is sha256:") as caught:
        fetch(fake_clock, url, tmp_path / "b.bin", checksum=SHA256)
    assert caught.value.tries == 2
    assert left(tmp_path) == ["a.bin"]


def test_a_web_page_in_place_of_the_file(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add(
        "/a.zip", b"<html>Sign in</html>", always=server.fault(headers={"Content-Type": "text/html"})
    )
    with pytest.raises(DownloadError, match="a web page came in place of the file"):
        fetch(fake_clock, url, tmp_path / "a.zip")


def test_bytes_that_were_compressed_on_the_way_are_not_taken_for_the_file(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = server.add("/a.txt", b"\x1f\x8b", always=server.fault(headers={"Content-Encoding": "gzip"}))
    with pytest.raises(DownloadError, match="sent as gzip"):
        fetch(fake_clock, url, tmp_path / "a.txt")
    assert server.requests[0][1]["accept-encoding"] == "identity"


def test_redirects_are_followed(server: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch) -> None:
    server.add("/b.bin", BODY)
    url = server.add("/a.bin", b"", always=server.fault(302, {"Location": "/b.bin"}))
    fetch(fake_clock, url, tmp_path / "a.bin", checksum=SHA256)
    assert [path for path, _ in server.requests] == ["/a.bin", "/b.bin"]


def test_a_host_that_nobody_answers_at(fake_clock: Clock, tmp_path: Path, fetch: Fetch) -> None:
    with pytest.raises(DownloadError, match="no connection"):
        fetch(fake_clock, "http://127.0.0.1:1/a.bin", tmp_path / "a.bin", tries=2)
    with pytest.raises(DownloadError, match="1 try"):
        fetch(fake_clock, "ftp://127.0.0.1/a.bin", tmp_path / "a.bin")


def test_a_full_disk_is_named_before_the_body_comes(
    server: FaultServer, fake_clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetch: Fetch
) -> None:
    monkeypatch.setattr("kinema.data.fetch.http.shutil.disk_usage", lambda path: SimpleNamespace(free=300))
    url = server.add("/a.bin", BODY)
    with pytest.raises(DownloadError, match="1,000 bytes are missing and the disk has 300 left"):
        fetch(fake_clock, url, tmp_path / "a.bin")


def test_a_bad_certificate_is_only_passed_over_for_a_published_sha256(
    untrusted: FaultServer, fake_clock: Clock, tmp_path: Path, fetch: Fetch
) -> None:
    url = untrusted.add("/a.bin", BODY)
    target = tmp_path / "files" / "a.bin"
    for checksum in (None, "md5:" + hashlib.md5(BODY).hexdigest()):
        with pytest.raises(DownloadError, match="certificate of the server is not trusted"):
            fetch(fake_clock, url, target, checksum=checksum)
    assert untrusted.requests == []
    said: list[str] = []
    fetch(fake_clock, url, target, checksum=SHA256, say=said.append)
    assert target.read_bytes() == BODY
    assert said == [f"{url}: certificate not trusted; its published SHA-256 will be checked instead"]
    url = untrusted.add("/a.bin", OTHER)
    with pytest.raises(DownloadError, match="wrong checksum"):
        fetch(fake_clock, url, target.with_name("b.bin"), checksum=SHA256)
