"""What came of a download: the outcome, and the CSV of what failed and why, from which a later run goes on."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from kinema.errors import DataError
from kinema.files import atomic_path

FAILURES = "fetch-failures.csv"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The outcome of a download: how many things are new, were there, failed; and where everything is."""

    done: int
    present: int
    failed: int
    folder: Path
    failures: Path | None = None
    manifest: Path | None = None

    @property
    def in_vain(self) -> bool:
        """Whether nothing of what was asked for is there now."""
        return self.failed > 0 and self.done + self.present == 0


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that could not be had: why, after how many tries, and when (UTC, ISO 8601)."""

    name: str
    url: str
    reason: str
    tries: int
    when: str

    @classmethod
    def now(cls, name: str, url: str, reason: str, tries: int) -> Failure:
        """Return a failure of this moment; the reason becomes one line.

        >>> Failure.now("a.zip", "https://example.org/a.zip", "404 Not Found", 1).reason
        '404 Not Found'
        """
        when = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(name, url, " ".join(reason.split()), tries, when)


def read_failures(path: Path) -> dict[str, Failure]:
    """Return the failures of a CSV by name; a file that does not exist has none.

    Raises `DataError` when it is no such CSV.
    """
    if not path.is_file():
        return {}
    found: dict[str, Failure] = {}
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = csv.DictReader(handle)
        names = [field.name for field in fields(Failure)]
        if not set(names) <= set(rows.fieldnames or ()):
            raise DataError(
                f"{path}: its columns are not {','.join(names)}; delete it and run without retrying"
            )
        for row in rows:
            tries = row["tries"] or "0"
            if not row["name"] or not tries.isdecimal():
                raise DataError(f"{path}: line {rows.line_num} has no name, or tries that are no number")
            found[row["name"]] = Failure(
                row["name"], row["url"] or "", row["reason"] or "", int(tries), row["when"] or ""
            )
    return found


def write_failures(path: Path, failures: Iterable[Failure]) -> Path | None:
    """Write the failures, sorted by name, and return the path; without any, the file is removed."""
    rows = sorted(failures, key=lambda failure: failure.name)
    if not rows:
        path.unlink(missing_ok=True)
        return None
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, [field.name for field in fields(Failure)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    return path
