"""Which frames of a clip become images, and what kind of images."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

import cv2

from kinema.errors import UsageError, closest
from kinema.video import TimeSampler

FORMATS = ("jpg", "png")
LAYOUTS = ("video", "class")
_QUALITY = 95  # OpenCV's own
_LARGEST = 65_500  # what libjpeg allows


@dataclass(frozen=True)
class FrameSettings:
    """How clips become images.

    - At most one of `every` (the first frame and every N-th after it), `fps` (so many a second, on the grid of
      `kinema.video.TimeSampler`) and `per_video` (K frames of each clip, see `spread`); without any, every frame.
    - `size`: the shorter side in pixels, or (width, height); None keeps the video's.
    - `format`: "jpg", with `quality` from 1 to 100 (95), or "png", without loss.
    - `layout`: "video" for `VIDEO/VIDEO_00001.jpg`, "class" for `CLASS/VIDEO_00001.jpg`.

    Raises `UsageError` for values that make no sense.
    """

    every: int | None = None
    fps: float | None = None
    per_video: int | None = None
    size: int | tuple[int, int] | None = None
    quality: int | None = None
    format: str = "jpg"
    layout: str = "video"

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.every, self.fps, self.per_video)) > 1:
            raise UsageError(
                "give one of every, fps and per_video: which frames to take can be said in one way"
            )
        for name in ("every", "per_video"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise UsageError(f"{name} must be a whole number of at least 1, not {value!r}")
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise UsageError(f"fps must be a number of frames a second above 0, not {self.fps!r}")
        sides = (self.size,) if isinstance(self.size, int) else self.size or (1,)
        if not all(1 <= side <= _LARGEST for side in sides):
            raise UsageError(f"size {self.size!r}: a side of an image has 1 to {_LARGEST} pixels")
        if self.format not in FORMATS:
            raise UsageError(f"unknown image format '{self.format}'; {closest(self.format, FORMATS)}")
        if self.layout not in LAYOUTS:
            raise UsageError(f"unknown layout '{self.layout}'; {closest(self.layout, LAYOUTS)}")
        if self.quality is not None and self.format == "png":
            raise UsageError("quality is for jpg; png keeps every pixel as it is")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise UsageError(f"quality must be from 1 to 100, not {self.quality}")
        # What means the same is the same, so that a run can be told from one with other settings.
        object.__setattr__(self, "every", None if self.every == 1 else self.every)
        if self.format == "jpg":
            object.__setattr__(self, "quality", self.quality or _QUALITY)

    def image_size(self, source: tuple[int, int]) -> tuple[int, int]:
        """Return the (width, height) of the images of a video of `source` = (width, height) pixels.

        >>> FrameSettings(size=128).image_size((320, 240)), FrameSettings(size=(128, 128)).image_size((320, 240))
        ((171, 128), (128, 128))
        """
        if self.size is None:
            return source
        if isinstance(self.size, tuple):
            return self.size
        scale = self.size / min(source)
        width, height = (max(self.size, round(side * scale)) for side in source)
        return width, height

    @property
    def encoding(self) -> list[int]:
        """The parameters of `cv2.imencode`."""
        return [cv2.IMWRITE_JPEG_QUALITY, self.quality or _QUALITY] if self.format == "jpg" else []

    def expected(self, frames: int, seconds: float) -> int:
        """Return how many images a clip of so many frames and seconds gives, as nearly as one can say."""
        if self.per_video is not None:
            return min(self.per_video, frames)
        if self.fps is not None:
            return max(1, math.ceil(seconds * self.fps - 1e-6))
        return math.ceil(frames / (self.every or 1))

    def chooser(self, start: float, frames: int) -> Callable[[int, float], int]:
        """Return a function from a frame's position in its clip and its time to how often it is written.

        `start` is the second at which the clip starts, `frames` how many frames it has, which only `per_video`
        needs to know.
        """
        if self.fps is not None:
            sampler = TimeSampler(start, self.fps)
            return lambda _, time: sampler.take(time)
        if self.per_video is not None:
            wanted = set(spread(frames, self.per_video))
            return lambda position, _: int(position in wanted)
        step = self.every or 1
        return lambda position, _: int(position % step == 0)


def spread(frames: int, count: int) -> list[int]:
    """Return the positions of the middle frames of `count` equal parts; all positions where there are fewer.

    >>> spread(10, 2), spread(100, 4), spread(3, 5)
    ([2, 7], [12, 37, 62, 87], [0, 1, 2])
    """
    if frames <= count:
        return list(range(frames))
    return [(2 * part + 1) * frames // (2 * count) for part in range(count)]


def parse_size(text: str) -> int | tuple[int, int]:
    """Return "128" as the shorter side, "160x120" as (width, height) in pixels.

    >>> parse_size("128"), parse_size("160x120")
    (128, (160, 120))
    """
    match = re.fullmatch(r"\s*(\d+)(?:\s*[xX×*]\s*(\d+))?\s*", text)
    if match is None:
        raise UsageError(f"size {text!r}: give the shorter side, as in 128, or WIDTHxHEIGHT, as in 160x120")
    return (int(match[1]), int(match[2])) if match[2] else int(match[1])


def parse_names(text: str, known: Collection[str] = ()) -> list[str]:
    """Return the names in a list with commas; a name that is in `known` may hold commas itself.

    >>> parse_names("run, stand, sit,jump", known=["run", "stand, sit", "jump"])
    ['run', 'stand, sit', 'jump']
    """
    names: list[str] = []
    parts = text.split(",")
    while parts:
        joined = {length: ",".join(parts[:length]).strip() for length in range(len(parts), 0, -1)}
        length = next((length for length, name in joined.items() if name in known), 1)
        names += [joined[length]] if joined[length] else []
        del parts[:length]
    if not names:
        raise UsageError(f"no name in {text!r}; give names with commas between them")
    return names
