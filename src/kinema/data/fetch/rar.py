"""RAR archives: headers by `rarfile`, stored files directly, compressed ones through a tool that is installed.

The tool only decompresses, into a pipe: names and places stay with the caller, so that no archive can write a
file by itself, and every file is held against the size and CRC of its header.
"""

from __future__ import annotations

import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from kinema.errors import DataError, KinemaError, UsageError

RAR_MAGIC = b"Rar!\x1a\x07"
PACKAGES = "sudo apt-get install unar (or unrar, of the non-free section)"

# Each writes all files of an archive one after the other, without their names. In the order of what they can:
# bsdtar reads no solid archives, 7z needs a plug-in of the non-free section.
_TOOLS = {
    "unrar": ("p", "-inul", "-p-", "--"),
    "unar": ("-quiet", "-password", "", "-output-directory", "-"),
    "7z": ("e", "-so", "-bb0", "-p"),
    "7zz": ("e", "-so", "-bb0", "-p"),
    "bsdtar": ("-x", "--to-stdout", "-f"),
}
_CHUNK = 1 << 20

Entry = tuple[str, int, bool]  # name, size in bytes, whether it is a folder
Contents = Iterator[tuple[Entry, Iterator[bytes]]]


class RarToolError(KinemaError):
    """One way of reading a RAR failed; another may do."""


def rar_tools() -> list[str]:
    """Return the tools for compressed RARs that are installed, best first."""
    return [tool for tool in _TOOLS if shutil.which(tool)]


def read_rar(path: Path) -> tuple[list[Entry], list[Callable[[], Contents]]]:
    """Return the entries of a RAR, and the ways to read their contents, to be tried one after the other.

    Raises `DataError` when it is damaged, encrypted, of several volumes or holds links; `KinemaError` with what
    to install when it is compressed and no tool is there.
    """
    try:
        import rarfile
    except ImportError as error:
        raise UsageError(
            "unpacking a RAR needs the download extra; pip install 'kinema[download]'"
        ) from error
    try:
        archive = rarfile.RarFile(path, errors="strict")
    except (rarfile.Error, EOFError, ValueError) as error:
        raise DataError(f"{path}: a damaged RAR archive: {error}") from error
    infos = archive.infolist()
    if archive.needs_password() or any(info.needs_password() for info in infos):
        raise DataError(f"{path}: the RAR archive is encrypted; unpack it by hand")
    if len(archive.volumelist()) > 1:
        raise DataError(f"{path}: the RAR archive has several volumes; unpack it by hand")
    for info in infos:
        if info.file_redir or not (info.is_file() or info.is_dir()):
            raise DataError(f"{path}: refused: '{info.filename}' is a link, which may lead out of the folder")
    if all(info.is_dir() or info.compress_type == rarfile.RAR_M0 for info in infos):
        return [_entry(info) for info in infos], [partial(_stored, path, archive, infos)]
    tools = rar_tools()
    if not tools:
        raise KinemaError(
            f"{path}: no tool to unpack RAR was found; {PACKAGES}, and run the same command again"
        )
    return [_entry(info) for info in infos], [partial(_through, tool, path, infos) for tool in tools]


def _entry(info: Any) -> Entry:
    return info.filename, info.file_size, info.is_dir()


def _stored(path: Path, archive: Any, infos: list[Any]) -> Contents:
    import rarfile

    def chunks(info: Any) -> Iterator[bytes]:
        try:
            with archive.open(info) as handle:
                while chunk := handle.read(_CHUNK):
                    yield chunk
        except rarfile.Error as error:
            raise DataError(f"{path}: damaged at '{info.filename}': {error}") from error

    for info in infos:
        yield _entry(info), iter(()) if info.is_dir() else chunks(info)


def _through(tool: str, path: Path, infos: list[Any]) -> Contents:
    """Read all files from one run of the tool, which stands for any number of files and for solid archives."""
    command = [shutil.which(tool) or tool, *_TOOLS[tool], str(path.resolve())]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=_CHUNK
    )
    assert process.stdout is not None
    pipe = process.stdout

    def chunks(info: Any) -> Iterator[bytes]:
        rest, crc = info.file_size, 0
        while rest:
            chunk = pipe.read(min(rest, _CHUNK))
            if not chunk:
                raise RarToolError(f"{tool} stopped at '{info.filename}'")
            rest -= len(chunk)
            crc = zlib.crc32(chunk, crc)
            yield chunk
        if info.CRC is not None and crc != info.CRC:
            raise RarToolError(f"{tool}: wrong CRC of '{info.filename}'")

    try:
        for info in infos:
            yield _entry(info), iter(()) if info.is_dir() else chunks(info)
        if pipe.read(1):
            raise RarToolError(f"{tool}: more came than the archive declares")
        unchecked = any(info.CRC is None for info in infos if not info.is_dir())
        if process.wait() != 0 and unchecked:
            raise RarToolError(f"{tool} ended with {process.returncode}")
    finally:
        pipe.close()
        process.kill()
        process.wait()
