"""How much room images will take, from a few of them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kinema.data.frames.plan import Stretch
from kinema.data.frames.settings import FrameSettings
from kinema.data.frames.writing import encode, expected_frames
from kinema.errors import KinemaError
from kinema.video import open_source

_CLIPS = 8  # clips that are looked at
_INTO = 15  # frames after the start of a clip: videos often begin black
_BLOCK = 4096  # bytes; what a file takes at least on usual file systems


@dataclass(frozen=True)
class Room:
    """An estimate: images, bytes that they take, and bytes that are free where they go."""

    images: int
    bytes: int
    free: int

    def __str__(self) -> str:
        return f"about {self.images:,} images, {amount(self.bytes)}; {amount(self.free)} are free"


def estimate(stretches: Sequence[Stretch], settings: FrameSettings, out: Path) -> Room | None:
    """Return the estimate for some stretches, None when none of those looked at can be read.

    Up to eight clips, spread over the list, are opened and one picture of each is compressed; the others are taken
    to be like them.
    """
    chosen = (
        [stretches[i * len(stretches) // _CLIPS] for i in range(_CLIPS)]
        if len(stretches) > _CLIPS
        else stretches
    )
    found = [sizes for stretch in chosen if (sizes := _look(stretch, settings)) is not None]
    if not found:
        return None
    images, size = (sum(column) / len(found) * len(stretches) for column in zip(*found, strict=True))
    return Room(round(images), round(size), free_space(out))


def free_space(path: Path) -> int:
    """Return the free bytes of the disk on which `path` is or will be."""
    existing = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())
    return shutil.disk_usage(existing).free


def amount(size: float) -> str:
    """Return a number of bytes as people write it.

    >>> amount(1_234_000), amount(52)
    ('1.2 MB', '52 bytes')
    """
    if size < 1000:
        return f"{size:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def _look(stretch: Stretch, settings: FrameSettings) -> tuple[int, int] | None:
    try:
        with open_source(stretch.video, fps=stretch.rate, threads=1) as source:
            frames = expected_frames(source, stretch.start, stretch.end)
            seconds = frames / (source.fps or 25.0)
            picture = None
            with closing(source.pictures(stretch.start, stretch.end)) as pictures:
                for number, candidate in enumerate(pictures):
                    picture = candidate
                    if number >= _INTO:
                        break
                if picture is None:
                    return None
                size = len(encode(picture.image(settings.image_size(source.size)), settings))
    except (KinemaError, OSError):
        return None
    images = settings.expected(frames, seconds)
    return images, images * (-(-size // _BLOCK) * _BLOCK)
