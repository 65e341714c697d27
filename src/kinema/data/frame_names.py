"""S4's names of frames: `VIDEO/VIDEO_00001.jpg`, counted from 1."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from kinema.errors import DataError
from kinema.video.file_source import VIDEO_SUFFIXES
from kinema.video.folder_source import IMAGE_SUFFIXES


def frame_name(folder: str, index: int) -> str:
    """Return S4's name of a frame, which counts from 1 where `index` counts from 0.

    >>> frame_name("long", 0), frame_name("long", 99999)
    ('long_00001.jpg', 'long_100000.jpg')
    """
    return f"{PurePosixPath(folder).name}_{index + 1:05d}.jpg"


def frame_number(name: str, video: str = "") -> int:
    """Return the number in a frame's name, which is the last one that is not part of the video's own name.

    >>> frame_number("clip7_00012.jpg", "clip7"), frame_number("s26-8164-00001.jpeg")
    (12, 1)

    Raises `DataError` for a name without a number.
    """
    path = PurePosixPath(name)
    stem = path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name
    own = PurePosixPath(video).name
    rest = stem.removeprefix(own) if own and stem != own else stem
    digits = re.findall(r"[0-9]+", rest)
    if not digits:
        raise DataError(f"frame '{name}' of '{video}' has no number in its name, which tells its time")
    return int(digits[-1])


def frame_folders(videos: Iterable[str]) -> dict[str, str]:
    """Return the name of the frame folder of each video: its own without suffix, or FOLDER_NAME for equal ones.

    >>> frame_folders(["a/01.mp4", "b/01.mp4", "b/02.mp4"])
    {'a/01.mp4': 'a_01', 'b/01.mp4': 'b_01', 'b/02.mp4': '02'}
    """
    parts = {video: _parts(video) for video in videos}
    names = {video: mine[-1] for video, mine in parts.items()}
    for depth in range(2, max(map(len, parts.values()), default=1) + 1):
        times = Counter(name.casefold() for name in names.values())
        shared = [video for video, name in names.items() if times[name.casefold()] > 1]
        names |= {video: "_".join(parts[video][-depth:]) for video in shared}
    return names


def _parts(video: str) -> list[str]:
    """Return the folders and the name without suffix, as file systems take them."""
    path = PurePosixPath(video.replace("\\", "/"))
    name = path.stem if path.suffix.lower() in VIDEO_SUFFIXES else path.name
    folders = [part for part in path.parent.parts if part.strip("/.")]
    return [re.sub(r'[/:*?"<>|]', "_", part) for part in (*folders, name)]
