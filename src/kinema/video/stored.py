"""What is stored: addresses, what a store says of an object, and the index that an upload leaves behind."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from kinema.errors import UsageError

INDEX = "kinema-index.json"
"""The object below an uploaded prefix that says which content each object has."""

_ADDRESS = re.compile(r"(s3a?|gs|gcs|az|abfss?|oss|memory)://(.*)", re.IGNORECASE | re.DOTALL)


def is_address(name: str) -> bool:
    """Return whether a name is an address in an object store.

    >>> is_address("s3://bucket/walk/1.mp4"), is_address("walk/1.mp4"), is_address("rtsp://camera")
    (True, False, False)
    """
    return _ADDRESS.match(name) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """An address taken apart; `key` is empty for a whole bucket.

    >>> Address.parse("s3://bucket/walk/1.mp4")
    Address(scheme='s3', bucket='bucket', key='walk/1.mp4')
    """

    scheme: str
    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises `UsageError` for what is no address or names no bucket."""
        match = _ADDRESS.match(text)
        if match is None:
            raise UsageError(
                f"{text}: not an address in an object store; write it as s3://bucket/folder (or gs://, az://)"
            )
        bucket, _, key = match[2].partition("/")
        if not bucket.strip():
            raise UsageError(f"{text}: names no bucket; write it as s3://bucket/folder")
        return cls(match[1].lower(), bucket, key)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}".removesuffix("/" if not self.key else "")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a store says of an object: its bytes, and a word that changes when its content does.

    The version is the ETag where there is one. It is compared and never computed: of an object that was sent in
    parts, or is encrypted, it is no MD5.
    """

    size: int
    version: str


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What `kinema data upload` noted of an object; true as long as size and version are the object's."""

    size: int
    version: str
    sha256: str

    def fits(self, stored: StoredObject) -> bool:
        """Whether the object is still the one that was sent."""
        return self.size == stored.size and self.version == stored.version


@dataclass(frozen=True, slots=True)
class Index:
    """The content of the objects below a prefix by relative name, and the manifest among them."""

    files: dict[str, IndexEntry]
    manifest: str | None = None

    def to_json(self) -> bytes:
        """Return the bytes of the index object."""
        files = {name: asdict(self.files[name]) for name in sorted(self.files)}
        text = json.dumps({"kinema_index": 1, "manifest": self.manifest, "files": files}, ensure_ascii=False)
        return text.encode()

    @classmethod
    def from_json(cls, data: bytes) -> Index:
        """Return the index; an empty one for anything that is none, since it only saves work."""
        try:
            value = json.loads(data)
            files = {name: IndexEntry(**entry) for name, entry in value["files"].items()}
            return cls(files, value.get("manifest"))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls({})
