"""Videos in object stores: they play like files, are fetched once, and are known by their content."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kinema.errors import DataError, UsageError
from kinema.video import open_source
from kinema.video.object_store import Store, connect
from kinema.video.remote import copy_path, identity, local_path, video_hash
from kinema.video.store_errors import StoreError, UnreachableError
from kinema.video.stored import Address, Index, IndexEntry

KILO = b"0123456789" * 100  # 1000 bytes


def put(client: Any, key: str, body: bytes = KILO) -> str:
    client.put_object(Bucket="films", Key=key, Body=body)
    return f"s3://films/{key}"


def copies(tmp_path: Path) -> list[str]:
    folder = tmp_path / "cache" / "videos" / "s3" / "films"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_stored_video_plays_like_the_file(s3: Any, tmp_path: Path, synthetic: SimpleNamespace) -> None:
    file = synthetic.encode(tmp_path / "walk.mp4", 12)
    address = put(s3, "a b/walk ü.mp4", file.read_bytes())
    expected = [synthetic.level(index) for index in range(12)]
    for name in (address, copy_path(address), str(copy_path(address))):
        with open_source(name) as source:
            # x264 keeps these grey levels within one
            seen = synthetic.levels([frame.image for frame in source])
            assert len(seen) == 12
            assert max(abs(a - b) for a, b in zip(seen, expected, strict=True)) <= 1
    assert local_path(address).read_bytes() == file.read_bytes()


def test_a_closed_source_can_be_played_again(s3: Any, tmp_path: Path, synthetic: SimpleNamespace) -> None:
    source = open_source(put(s3, "walk.mp4", synthetic.encode(tmp_path / "walk.mp4", 5).read_bytes()))
    assert len(list(source)) == 5
    source.close()
    copy_path("s3://films/walk.mp4").unlink()
    assert len(list(source)) == 5
    source.close()


def test_frame_rates_are_refused_as_for_files(s3: Any) -> None:
    with pytest.raises(UsageError, match="fps is for folders of images"):
        open_source(put(s3, "a.mp4"), fps=5)


def test_a_copy_is_fetched_once(s3: Any, s3_calls: Any) -> None:
    address = put(s3, "walk/1.mp4")
    for _ in range(3):
        assert local_path(address).read_bytes() == KILO
    # the object once; twice a look at an index (walk/ and the bucket's top) that is not there
    assert len(s3_calls.keys("get_object")) == 3
    assert len(s3_calls.keys("head_object")) == 2  # before, and after to see that it did not change meanwhile


def test_a_new_process_asks_for_the_version_and_fetches_only_changes(s3: Any, tmp_path: Path) -> None:
    address = put(s3, "1.mp4")
    program = (
        "from kinema.video.remote import local_path; print(local_path('s3://films/1.mp4').read_bytes()[:3])"
    )

    def other() -> str:
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()

    assert local_path(address).read_bytes() == KILO
    before = copy_path(address).stat().st_ino
    assert other() == "b'012'"
    assert copy_path(address).stat().st_ino == before
    put(s3, "1.mp4", b"new" + KILO[3:])  # of the same size
    assert other() == "b'new'"


def test_many_videos_of_a_folder_cost_one_listing(s3: Any, s3_calls: Any) -> None:
    addresses = [put(s3, f"walk/{i}.mp4", b"%03d" % i) for i in range(40)]
    assert len({identity(copy_path(address)) for address in addresses}) == 40
    assert len(s3_calls.keys("head_object")) == 8
    assert len(s3_calls.keys("list_objects_v2")) == 1
    assert copies_none(addresses)


def copies_none(addresses: list[str]) -> bool:
    return not any(copy_path(address).exists() for address in addresses)


def test_identity_is_the_hash_that_the_upload_noted_while_the_version_is_the_same(s3: Any) -> None:
    address = put(s3, "set/walk/1.mp4")
    etag = s3.head_object(Bucket="films", Key="set/walk/1.mp4")["ETag"].strip('"')
    entries = {"walk/1.mp4": IndexEntry(1000, etag, "ab" * 32)}
    put(s3, "set/kinema-index.json", Index(entries).to_json())
    assert identity(copy_path(address)) == "ab" * 32
    assert video_hash(copy_path(address)) == "ab" * 32


def test_identity_without_a_note_is_the_version_and_changes_with_it(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = put(s3, "1.mp4", b"abc")
    # md5 of "abc" (RFC 1321, A.5)
    assert identity(copy_path(address)) == "900150983cd24fb0d6963f7d28e17f72 3"
    put(s3, "1.mp4", b"abd")
    monkeypatch.setenv("AWS_KINEMA_TEST", "another connection")
    assert identity(copy_path(address)) != "900150983cd24fb0d6963f7d28e17f72 3"


def test_the_hash_of_a_video_that_nobody_noted_is_that_of_its_bytes(s3: Any) -> None:
    # SHA-256 of "abc" (FIPS 180-2, B.1)
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert video_hash(copy_path(put(s3, "1.mp4", b"abc"))) == expected


def test_bytes_that_are_not_the_uploaded_ones_are_refused(s3: Any, tmp_path: Path) -> None:
    address = put(s3, "1.mp4", b"abc")
    noted = {"1.mp4": IndexEntry(3, "900150983cd24fb0d6963f7d28e17f72", "00" * 32)}
    put(s3, "kinema-index.json", Index(noted).to_json())
    with pytest.raises(DataError, match=r"s3://films/1\.mp4: its bytes are not those that were uploaded"):
        local_path(address)
    assert copies(tmp_path) == []


@pytest.mark.parametrize("index", [b"", b"no json", b"[]", b'{"files": {"1.mp4": 5}}'])
def test_a_damaged_index_costs_nothing_but_work(s3: Any, index: bytes) -> None:
    address = put(s3, "1.mp4")
    put(s3, "kinema-index.json", index)
    assert local_path(address).read_bytes() == KILO


def test_what_is_here_serves_without_the_network(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = put(s3, "a.mp4"), put(s3, "b.mp4")
    local_path(a)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert local_path(a).read_bytes() == KILO
    with pytest.raises(
        UnreachableError, match=r"^s3://films at http://127.0.0.1:9: cannot be reached; check the netw"
    ):
        local_path(b)


def test_missing_objects_and_folders_are_faults_of_the_data(s3: Any) -> None:
    put(s3, "walk/1.jpg")
    with pytest.raises(DataError, match=r"^s3://films/2\.mp4: no such object; check the name$"):
        local_path("s3://films/2.mp4")
    with pytest.raises(DataError, match=r"^s3://films/walk: a folder, not a video"):
        local_path("s3://films/walk")
    with pytest.raises(DataError, match=r"^s3://films/walk/: names a folder"):
        local_path("s3://films/walk/")


def test_a_missing_bucket_is_no_fault_of_the_data(s3: Any, s3_service: str) -> None:
    with pytest.raises(StoreError, match=f"^s3://nobody at {s3_service}: no such bucket; check its name"):
        local_path("s3://nobody/1.mp4")


def test_wrong_and_absent_credentials(s3: Any, s3_service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    address = put(s3, "a.mp4")
    requests.post(f"{s3_service}/moto-api/reset-auth", data=b"0", timeout=10)  # from now on keys are checked
    with pytest.raises(StoreError, match="the access key is not known there; check AWS_ACCESS_KEY_ID"):
        connect(Address.parse(address)).objects("")
    with pytest.raises(StoreError, match=r"^s3://films/a\.mp4: access denied; check AWS_ACCESS_KEY_ID"):
        local_path(address)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(StoreError, match=r"^s3://films: no credentials; set AWS_ACCESS_KEY_ID"):
        local_path(address)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(
        StoreError, match=r"^s3://films: The config profile \(nobody\) could not be found; correct"
    ):
        local_path(address)


def test_a_profile_of_the_credentials_file_is_used(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "keys").write_text("[lab]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert local_path(put(s3, "a.mp4")).read_bytes() == KILO


def test_a_store_whose_library_is_absent_is_named() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError, match=r"gs:// needs another library: .*gcsfs"):
        Store("gs", "films")
