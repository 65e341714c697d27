"""RAR archives: stored ones need no tool, compressed ones come through the pipe of one, and never by themselves."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from kinema.data.fetch.archives import unpack
from kinema.errors import KinemaError

MakeRar = Callable[..., bytes]
Refused = Callable[..., None]


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_stored_rar_needs_no_tool(
    tmp_path: Path, make_rar: MakeRar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.rar").write_bytes(
        make_rar({"UCF-101/Archery/v_Archery_g01_c01.avi": b"video", "ü.txt": b""})
    )
    unpack(tmp_path / "a.rar", tmp_path / "out")
    assert (tmp_path / "out/UCF-101/Archery/v_Archery_g01_c01.avi").read_bytes() == b"video"
    assert (tmp_path / "out/ü.txt").read_bytes() == b""


def test_a_rar_of_rars_becomes_folders(tmp_path: Path, make_rar: MakeRar) -> None:
    inner = {f"{label}.rar": make_rar({f"{label}/x.avi": label.encode()}) for label in ("brush_hair", "wave")}
    (tmp_path / "a.rar").write_bytes(make_rar(inner))
    unpack(tmp_path / "a.rar", tmp_path / "hmdb51_org", nested=True, work=tmp_path)
    assert tree(tmp_path / "hmdb51_org") == ["brush_hair", "brush_hair/x.avi", "wave", "wave/x.avi"]
    assert (tmp_path / "hmdb51_org/wave/x.avi").read_bytes() == b"wave"


def test_a_rar_with_a_wrong_byte(tmp_path: Path, make_rar: MakeRar, refused: Refused) -> None:
    (tmp_path / "a.rar").write_bytes(make_rar({"a.txt": b"content"}).replace(b"content", b"c0ntent"))
    refused(tmp_path / "a.rar", "damaged at 'a.txt'")


def test_a_rar_that_ends_in_the_middle(tmp_path: Path, make_rar: MakeRar, refused: Refused) -> None:
    (tmp_path / "a.rar").write_bytes(make_rar({"a.txt": b"content" * 100})[:200])
    refused(tmp_path / "a.rar", "damaged")


def test_a_compressed_rar_without_a_tool_names_the_packages(
    tmp_path: Path, make_rar: MakeRar, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.rar").write_bytes(make_rar({"a.txt": b"packed"}, method=3))
    refused(tmp_path / "a.rar", r"no tool to unpack RAR was found; sudo apt-get install unar", KinemaError)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], None]:
    """Install a program on an otherwise empty PATH that writes these bytes, whatever it is asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str, output: bytes) -> None:
        (folder / f"{name}.out").write_bytes(output)
        (folder / name).write_text(f"#!/bin/sh\nexec /bin/cat '{folder / name}.out'\n")
        (folder / name).chmod(0o755)

    return install


def test_a_compressed_rar_comes_through_the_pipe_of_a_tool(
    tmp_path: Path, make_rar: MakeRar, tool: Callable[[str, bytes], None]
) -> None:
    tool("bsdtar", b"onethree")
    (tmp_path / "a.rar").write_bytes(
        make_rar({"c/1.avi": b"one", "c/2.avi": b"", "c/3.avi": b"three"}, method=3)
    )
    unpack(tmp_path / "a.rar", tmp_path / "out")
    assert (tmp_path / "out/c/1.avi").read_bytes() == b"one"
    assert (tmp_path / "out/c/3.avi").read_bytes() == b"three"


@pytest.mark.parametrize("output", [b"", b"onethr", b"oneTHREE", b"onethreeandmore"])
def test_a_tool_that_fails_is_followed_by_the_next(
    tmp_path: Path, make_rar: MakeRar, tool: Callable[[str, bytes], None], output: bytes, refused: Refused
) -> None:
    tool("unar", output)
    (tmp_path / "a.rar").write_bytes(make_rar({"1.avi": b"one", "3.avi": b"three"}, method=3))
    refused(tmp_path / "a.rar", "cannot be unpacked: unar.*; sudo apt-get install unar", KinemaError)
    tool("bsdtar", b"onethree")
    unpack(tmp_path / "a.rar", tmp_path / "out")
    assert (tmp_path / "out/3.avi").read_bytes() == b"three"


def test_a_tool_never_gets_to_write_by_itself(
    tmp_path: Path, make_rar: MakeRar, tool: Callable[[str, bytes], None], refused: Refused
) -> None:
    tool("unrar", b"onetwo")
    (tmp_path / "a.rar").write_bytes(make_rar({"1.avi": b"one", "../2.avi": b"two"}, method=3))
    refused(tmp_path / "a.rar", "would be written outside of the folder")


def test_the_rar_of_these_tests_is_one(tmp_path: Path, make_rar: MakeRar) -> None:
    """The reader of `rarfile` agrees with what the fixture writes, so that refusals are not about its slips."""
    import rarfile

    (tmp_path / "a.rar").write_bytes(make_rar({"d/a.txt": b"content"}))
    with rarfile.RarFile(tmp_path / "a.rar") as archive:
        info = archive.infolist()[0]
        assert (info.filename, info.file_size, info.CRC) == ("d/a.txt", 7, zlib.crc32(b"content"))
        assert archive.read("d/a.txt") == b"content"
