"""Where the videos of a table are: names that start from its folder, absolute paths, addresses."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from kinema.video.remote import copy_path, is_address


def located(name: str, root: Path) -> Path:
    """Return the absolute path of `name`, which starts from the folder `root`, without any ".." in it.

    The name may be an address (s3://bucket/video.mp4): then it is the path of the stored video's copy.
    """
    if is_address(name):
        return copy_path(name)
    path = root / name
    # ".." climbs the real folders, so symbolic links are followed before it is resolved.
    return _real(path.parent) / path.name if ".." in path.parts else path


def moved_path(name: str, root: Path, target: Path) -> str:
    """Return a path that starts from the folder `root` as one from `target`; an absolute one or an address as it is."""
    if is_address(name) or Path(name).is_absolute():
        return name
    video = located(name, root)
    if video.is_relative_to(target):
        return video.relative_to(target).as_posix()
    video = _real(video.parent) / video.name
    try:
        return Path(os.path.relpath(video, _real(target))).as_posix()
    except ValueError:  # another drive on Windows
        return video.as_posix()


@lru_cache(maxsize=4096)
def _real(folder: Path) -> Path:
    return folder.resolve()
