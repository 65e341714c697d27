"""Folders of images, one a frame, in the order of their names."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema.errors import DataError
from kinema.video.frame import Source, check_rate
from kinema.video.scaling import resize

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


class FolderSource(Source):
    """The images in a folder, in the natural order of their names (`f2.jpg` before `f10.jpg`), at `fps`
    frames a second.

    `names` holds the file name of each frame: `names[frame.index]`. Numbers in the names order the frames and
    mean nothing else: the first is frame 0 at time 0. The first image rules the size; one of another size is
    resized to it and noted in `problems`. Pixels are taken as stored: EXIF orientation is ignored, as
    extracted frames have none. Grey images become RGB, alpha is dropped, 16 bits are reduced to 8. Hidden
    files and files that are no images are passed over.
    """

    live = False

    def __init__(self, path: str, fps: float = 25.0) -> None:
        """Raises `DataError` when the folder has no images or the first cannot be read."""
        check_rate(fps)
        self.name = path
        self.fps: float = fps
        self._folder = Path(path)
        self._problems: list[str] = []
        try:
            names = [item.name for item in self._folder.iterdir() if _is_image(item)]
        except OSError as error:
            raise DataError(
                f"{path}: the folder cannot be read: {error.strerror}; check its permissions"
            ) from error
        if not names:
            raise DataError(f"{path}: no images in this folder; expected files such as frame_00001.jpg")
        self.names: list[str] = sorted(names, key=natural_order)
        self.frame_count: int = len(names)
        self.duration: float = len(names) / fps
        first = _read(self._folder / self.names[0])
        self.size = (first.shape[1], first.shape[0])

    def pictures(self, start: float, end: float | None) -> Generator[_ImageFile]:
        first = max(0, int(start * self.fps) - 1)
        for index in range(first, self.frame_count):
            yield _ImageFile(self, index, index / self.fps)

    @property
    def problems(self) -> list[str]:
        """One line for each image that had to be resized so far."""
        return list(self._problems)

    def close(self) -> None:
        """Nothing is held open."""

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return one frame's image, RGB uint8 `(H, W, 3)`. Raises `DataError` when it cannot be decoded."""
        path = self._folder / self.names[index]
        image = _read(path)
        width, height = image.shape[1], image.shape[0]
        if (width, height) != self.size:
            first = f"{self.size[0]}x{self.size[1]}"
            note = f"{path}: {width}x{height} pixels, not the {first} of the first image; resized"
            if note not in self._problems:
                self._problems.append(note)
            image = resize(image, self.size)
        return image


@dataclass(frozen=True, slots=True)
class _ImageFile:
    source: FolderSource
    index: int
    time: float

    def image(self, size: tuple[int, int] | None) -> NDArray[np.uint8]:
        image = self.source.read(self.index)
        return image if size is None else resize(image, size)


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts numbers in numeric order.

    >>> sorted(["f10.jpg", "f2.jpg"], key=natural_order)
    ['f2.jpg', 'f10.jpg']
    """
    parts = re.split(r"([0-9]+)", name)
    return (
        *((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part),
        (2, 0, name),
    )


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _read(path: Path) -> NDArray[np.uint8]:
    # Read by Python, since OpenCV's imread cannot open every name on every platform and prints its own
    # warnings.
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the image cannot be read: {error.strerror}") from error
    fault = _fault(data)
    image = (
        None
        if fault
        else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    )
    if image is None:
        raise DataError(f"{path}: the image {fault or 'is damaged or no image'}; replace or remove it")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _fault(data: bytes) -> str | None:
    if not data:
        return "is empty"
    # libjpeg fills what is missing with grey and does not fail; cameras may append data of their own after
    # the end.
    if data.startswith(b"\xff\xd8") and b"\xff\xd9" not in data[2:]:
        return "is cut short"
    return None
