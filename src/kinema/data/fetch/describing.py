"""The table of data sets in words: what people read before they download."""

from __future__ import annotations

from kinema.data.fetch.catalogue import CATALOGUE, DataSet, RemoteFile

_HOW = {"files": "download", "clips": "clips from YouTube", "page": "by hand"}


def table() -> str:
    """Return all data sets, a line each: name, size of the download, how it is had, what it is."""
    rows = [("NAME", "SIZE", "HOW", "WHAT")]
    rows += [(one.name, size_of(one) or "?", _HOW[one.how], one.what) for one in CATALOGUE.values()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def details(data_set: DataSet) -> str:
    """Return one data set: page, terms, citation, and of each file the size, addresses and checksums."""
    lines = [
        f"{data_set.name}: {data_set.what}",
        f"page:     {data_set.page}",
        f"terms:    {data_set.terms}",
        f"citation: {data_set.citation}",
    ]
    for file in data_set.files:
        lines.append(f"{file.name}: {size_of(file) or 'size not published'}")
        for place in file.locations:
            lines.append(f"  {place.url}  {place.checksum or 'no checksum published'}")
    return "\n".join(lines)


def size_of(what: DataSet | RemoteFile) -> str | None:
    """Return the size of a download in words, "about" where it is not published to the byte; None if unknown."""
    if what.bytes is None:
        return None
    return f"{'' if what.exact else 'about '}{gigabytes(what.bytes)}"


def gigabytes(count: int) -> str:
    """Return a number of bytes as people say it.

    >>> gigabytes(6_932_971_618), gigabytes(113_943), gigabytes(900)
    ('6.9 GB', '114 kB', '900 B')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            value = count / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{count} B"
