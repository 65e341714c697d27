"""XML that strangers wrote, read without the parts of XML that can be turned against the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from kinema.errors import DataError

_HEAD = 4096  # bytes


def read_xml(path: Path, root: str) -> ElementTree.Element:
    """Return the root element of an XML file, which must be called `root`.

    A document type declaration is refused, and with it entities, which can name other files or grow without
    bound (CWE-611, CWE-776). Raises `DataError` for that, for what is no XML, and for another root element.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not data.strip():
        raise DataError(f"{path}: the file is empty; expected XML with <{root}>")
    guard = expat.ParserCreate()
    guard.StartDoctypeDeclHandler = _refuse
    guard.EntityDeclHandler = _refuse
    try:
        guard.Parse(data, True)
        element = ElementTree.fromstring(data)
    except _DeclarationError as error:
        what = "declares a document type, which can make a reader open other files"
        raise DataError(f"{path}: line {guard.CurrentLineNumber} {what}; remove the <!DOCTYPE …>") from error
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{path}: not XML that can be read ({error})") from error
    if element.tag != root:
        raise DataError(f"{path}: its root is <{element.tag}>, not <{root}>")
    return element


def looks_like(path: Path, suffix: str, *marks: bytes) -> bool:
    """Return whether a file has the suffix and all marks among its first bytes."""
    if path.suffix.lower() != suffix or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    # UTF-16 puts a zero byte beside each letter of a mark.
    return all(mark in head.replace(b"\0", b"") for mark in marks)


class _DeclarationError(Exception):
    """A document type was declared."""


def _refuse(*_: Any) -> None:
    raise _DeclarationError
