"""Archives that are bad on purpose, broken, or fine: what lies on the disk afterwards."""

from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from kinema.data.fetch.archives import DamagedArchiveError, Limits, unpack
from kinema.errors import KinemaError

MakeRar = Callable[..., bytes]
Refused = Callable[..., None]
SMALL = Limits(total=10**6, ratio=50, spare=20_000, files=100)


def zip_of(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, body in files.items():
            archive.writestr(zipfile.ZipInfo(name), body, method)
    return path


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_zip_comes_out_whole_and_tells_what_it_made(tmp_path: Path) -> None:
    archive = zip_of(
        tmp_path / "a.zip",
        {"lists/": b"", "lists/Turnk_r_Pippi ü.txt": b"one", "b.avi": b"two", "__MACOSX/._b.avi": b"x"},
    )
    seen: list[tuple[int, int | None]] = []
    made = unpack(archive, tmp_path / "out", progress=lambda count, total: seen.append((count, total)))
    assert made == [tmp_path / "out" / "b.avi", tmp_path / "out" / "lists"]
    assert (tmp_path / "out/lists/Turnk_r_Pippi ü.txt").read_bytes() == b"one"
    assert tree(tmp_path / "out") == ["b.avi", "lists", "lists/Turnk_r_Pippi ü.txt"]
    assert seen[-1] == (6, 7)  # what only macOS wants is not written


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "a/../../evil.txt",
        "/evil.txt",
        "C:/evil.txt",
        "c:evil.txt",
        "..\\evil.txt",
        "\\\\host\\evil.txt",
    ],
)
def test_names_that_lead_out_of_the_folder(
    tmp_path: Path, name: str, make_rar: MakeRar, refused: Refused
) -> None:
    refused(
        zip_of(tmp_path / "a.zip", {"good.txt": b"1", name: b"2"}), "would be written outside of the folder"
    )
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"2"))
    refused(tmp_path / "a.tar", "would be written outside of the folder")
    (tmp_path / "a.rar").write_bytes(make_rar({"good.txt": b"1", name: b"2"}))
    refused(tmp_path / "a.rar", "would be written outside of the folder")


def test_a_link_in_a_zip(tmp_path: Path, refused: Refused) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
        archive.writestr("link/passwd", b"x")
    refused(tmp_path / "a.zip", "'link' is a link")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes, refused: Refused) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        entry = tarfile.TarInfo("thing")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    refused(tmp_path / "a.tar", "'thing' is a link or a device")


def test_a_bomb_that_declares_itself(tmp_path: Path, refused: Refused) -> None:
    archive = zip_of(tmp_path / "a.zip", {"zeros": bytes(900_000)})
    assert archive.stat().st_size < 1200
    refused(archive, "would unpack to 900,000 bytes, like a decompression bomb", limits=SMALL)
    unpack(archive, tmp_path / "out", limits=Limits(ratio=2000, spare=0))
    assert (tmp_path / "out/zeros").stat().st_size == 900_000


def test_a_total_that_is_too_large_whatever_the_ratio(tmp_path: Path, refused: Refused) -> None:
    archive = zip_of(tmp_path / "a.zip", {"noise": os.urandom(5000)}, zipfile.ZIP_STORED)
    refused(archive, "would unpack to 5,000 bytes", limits=Limits(total=4999))


def test_a_bomb_whose_header_lies_stops_at_what_it_declares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    archive = zip_of(tmp_path / "a.zip", {"zeros": bytes(900_000)})
    body = archive.read_bytes()
    lie = body.replace(struct.pack("<I", 900_000), struct.pack("<I", 10))
    assert lie != body
    archive.write_bytes(lie)
    written: list[int] = []
    refused(
        archive,
        "damaged at 'zeros'",
        DamagedArchiveError,
        limits=SMALL,
        progress=lambda count, total: written.append(count),
    )
    assert max(written, default=0) <= 10


def test_a_file_shorter_than_its_header_says(tmp_path: Path, refused: Refused) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a": bytes(3000)})
    archive.write_bytes(archive.read_bytes().replace(struct.pack("<I", 3000), struct.pack("<I", 4000)))
    refused(archive, "'a' has 3,000 of 4,000 bytes", DamagedArchiveError)


def test_a_bomb_in_a_compressed_tar_is_caught_while_it_grows(tmp_path: Path, refused: Refused) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for number in range(5):
            entry = tarfile.TarInfo(f"zeros{number}")
            entry.size = 300_000
            archive.addfile(entry, io.BytesIO(bytes(300_000)))
    written: list[int] = []
    refused(
        tmp_path / "a.tar.gz",
        r"unpacks to more than \d\d,\d\d\d bytes, like a decompression bomb",
        limits=SMALL,
        progress=lambda count, total: written.append(count),
    )
    assert max(written, default=0) < 300_000


def test_a_bomb_inside_of_an_archive(tmp_path: Path, refused: Refused) -> None:
    inner = zip_of(tmp_path / "inner.zip", {"zeros": bytes(900_000)}).read_bytes()
    archive = zip_of(tmp_path / "a.zip", {"inner.zip": inner}, zipfile.ZIP_STORED)
    (tmp_path / "inner.zip").unlink()
    refused(archive, "a.zip/inner.zip: refused: it would unpack to 900,000", limits=SMALL, nested=True)


def test_too_many_entries(tmp_path: Path, refused: Refused) -> None:
    refused(
        zip_of(tmp_path / "a.zip", {f"{n}": b"" for n in range(11)}),
        "more than 10 entries",
        limits=Limits(files=10),
    )


def test_a_disk_that_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a": bytes(500)})
    monkeypatch.setattr(
        "kinema.data.fetch.archives.shutil.disk_usage", lambda path: SimpleNamespace(free=499)
    )
    refused(archive, "unpacks to 500 bytes and the disk has 499 left", KinemaError)


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_an_archive_that_ends_in_the_middle(tmp_path: Path, suffix: str, refused: Refused) -> None:
    noise = {"a": os.urandom(30_000), "b": os.urandom(30_000)}
    path = tmp_path / f"a.{suffix}"
    if suffix == "zip":
        zip_of(path, noise)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, body in noise.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(body)
                archive.addfile(entry, io.BytesIO(body))
    path.write_bytes(path.read_bytes()[:40_000])
    refused(path, "damaged", DamagedArchiveError)


@pytest.mark.parametrize("body", [b"", b"<html>Sign in</html>", b"PK\x03\x04nothing", b"\x1f\x8b\x08nothing"])
def test_what_is_no_archive(tmp_path: Path, body: bytes, refused: Refused) -> None:
    (tmp_path / "a.zip").write_bytes(body)
    refused(tmp_path / "a.zip", "no ZIP, RAR or tar archive|damaged", DamagedArchiveError)


def test_a_name_that_is_both_file_and_folder(tmp_path: Path, refused: Refused) -> None:
    refused(zip_of(tmp_path / "a.zip", {"a": b"1", "a/b": b"2"}), "cannot be unpacked", KinemaError)


def test_an_encrypted_zip(tmp_path: Path, refused: Refused) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a": b"1"}, zipfile.ZIP_STORED)
    body = bytearray(archive.read_bytes())
    body[body.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(bytes(body))
    refused(archive, "the ZIP archive is encrypted")


def test_files_that_are_there_are_replaced_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "out/lists").mkdir(parents=True)
    (tmp_path / "out/lists/old.txt").write_text("old")
    (tmp_path / "out/lists/new.txt").write_text("old")
    unpack(zip_of(tmp_path / "a.zip", {"lists/new.txt": b"new"}), tmp_path / "out")
    assert (tmp_path / "out/lists/new.txt").read_text() == "new"
    assert tree(tmp_path / "out") == ["lists", "lists/new.txt", "lists/old.txt"]
