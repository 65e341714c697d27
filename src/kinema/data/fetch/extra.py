"""What only works with the download extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kinema.errors import UsageError

_PACKAGES = ("yt_dlp", "tenacity")


@contextmanager
def needs_yt_dlp(what: str) -> Iterator[None]:
    """Say in one line what is to be installed where the imports of the block miss it; `what`: "videos are searched".

    Raises `UsageError`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        raise UsageError(
            f"{what} with yt-dlp, which needs the download extra; pip install 'kinema[download]'"
        ) from error
