"""Images that lie on this machine, and addresses that somebody has collected: engines for a folder and for a CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kinema.data.readers.tables import read_cells
from kinema.data.wording import listing, natural_key
from kinema.errors import DataError
from kinema.mining.images.found import EngineError, FoundImage, Query

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".avif", ".tif", ".tiff"}
)

_COLUMNS = {
    "source": ("source", "url", "address", "image", "image_url", "path", "file"),
    "label": ("label", "class", "action", "name", "category"),
    "page": ("page", "page_url", "foreign_landing_url", "landing_url"),
    "title": ("title",),
    "author": ("author", "creator"),
    "licence": ("licence", "license"),
    "licence_url": ("licence_url", "license_url"),
    "thumbnail": ("thumbnail",),
}


class FolderEngine:
    """A folder with a folder for each class. The `images.csv` of an earlier collection tells where its images came from.

    Names match in any case, with spaces, dashes, underscores or nothing between their words.
    """

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder
        self._classes = {plain(path.name): path for path in sorted(folder.iterdir()) if path.is_dir()}
        self._known: dict[Path, dict[str, str]] = {}
        table = folder / "images.csv"
        if table.is_file():
            self._known = {folder / row["path"]: row for row in table_rows(table) if row.get("path")}

    def search(self, query: Query, wanted: int) -> Iterator[FoundImage]:
        """Yield the images of the class's folder, in the natural order of their names. Raises `EngineError`."""
        folder = self._classes.get(plain(query.label))
        if folder is None:
            known = listing(path.name for path in self._classes.values()) or "no folder at all"
            raise EngineError(f"{self.name}: no folder for '{query.label}'; there is {known}")
        files = [
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
        ]
        files.sort(key=lambda path: natural_key(path.relative_to(folder).as_posix()))
        for rank, path in enumerate(files, start=1):
            row = self._known.get(path, {})
            yield FoundImage(
                source=str(path.absolute()),
                engine="folder",
                query=query.label,
                rank=rank,
                page=row.get("page", ""),
                title=row.get("title", ""),
                author=row.get("author", ""),
                licence=row.get("licence", ""),
                licence_url=row.get("licence_url", ""),
            )

    def close(self) -> None:
        """Nothing is held open."""


class ListEngine:
    """A CSV with columns `label` and `source` (or url): addresses, or files beside it; also page, author, licence …

    Raises `DataError` for a file that is no such table.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._found: dict[str, list[FoundImage]] = {}
        rows = table_rows(path)
        header = list(rows[0]) if rows else []
        names = {ours: next((one for one in words if one in header), "") for ours, words in _COLUMNS.items()}
        for ours in ("source", "label"):
            if not names[ours]:
                raise DataError(f"{path}: no column '{ours}'; it has {listing(header) or 'no rows'}")
        for row in rows:
            cells = {ours: row.get(theirs, "") if theirs else "" for ours, theirs in names.items()}
            if not cells["source"] or not cells["label"]:
                continue
            found = self._found.setdefault(plain(cells["label"]), [])
            found.append(
                FoundImage(
                    source=_located(cells["source"], path.parent),
                    engine="list",
                    query=cells["label"],
                    rank=len(found) + 1,
                    page=cells["page"],
                    title=cells["title"],
                    author=cells["author"],
                    licence=cells["licence"],
                    licence_url=cells["licence_url"],
                    thumbnail=cells["thumbnail"],
                )
            )

    def search(self, query: Query, wanted: int) -> Iterator[FoundImage]:
        """Yield the rows of the class in their order. Raises `EngineError`."""
        found = self._found.get(plain(query.label))
        if found is None:
            known = listing(images[0].query for images in self._found.values()) or "none"
            raise EngineError(f"{self.name}: no row for '{query.label}'; there is {known}")
        yield from found

    def addresses(self) -> Iterator[str]:
        """Yield the addresses in the list."""
        for images in self._found.values():
            for image in images:
                yield from (one for one in (image.source, image.thumbnail) if "://" in one)

    def close(self) -> None:
        """Nothing is held open."""


def plain(name: str) -> str:
    """Return a class's name as names are compared: letters and digits count, case and what stands between them do not.

    >>> plain("Push_Ups"), plain("push-ups"), plain("PushUps")
    ('pushups', 'pushups', 'pushups')
    """
    return "".join(name.replace("_", " ").replace("-", " ").casefold().split())


def table_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV or TSV with column names in lower case, cells without spaces around them.

    Raises `DataError` for a file that is no such table.
    """
    cells, _ = read_cells(path)
    names = [str(name).lower() for name in cells.columns]
    rows = cells.itertuples(index=False, name=None)
    return [dict(zip(names, (cell.strip() for cell in row), strict=True)) for row in rows]


def _located(source: str, folder: Path) -> str:
    if "://" in source or source.startswith("data:"):
        return source
    return str((folder / source).absolute())
