"""What sources that come in real time have in common: notices, stopping, and pictures that know when they arrived."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinema.video.frame import Source
from kinema.video.scaling import resize

_SAME_SHAPE = 0.02  # a difference of the aspect ratio that nobody sees; 1366x768 against 1280x720 is 0.0005


class LiveSource(Source):
    """A source whose pictures come in real time and once. A context manager.

    `pictures` ends soon after `stop`, which any thread may call. `on_notice(kind, text)` is called, from any thread,
    with one line for each thing that a user wants to know once; the kinds are "source", "lost", "back", "changed",
    "ended" and "failed". `dropped` counts pictures that nobody took in time.

    `size` is that of the first picture and holds for all: one of another size is scaled to it, and between black
    borders where its shape differs, so that nothing looks stretched. A picture is converted in the thread that takes it
    from `pictures`, before it takes the next.
    """

    live = True
    duration: float | None = None
    frame_count: int | None = None
    on_notice: Callable[[str, str], None] | None = None
    dropped = 0

    @abstractmethod
    def pictures(self, start: float, end: float | None) -> Generator[LivePicture]:
        """Yield the pictures as they come."""

    @abstractmethod
    def stop(self) -> None:
        """Make `pictures` end soon; any thread may call it, more than once."""

    def tell(self, kind: str, text: str) -> None:
        """Call `on_notice`, if there is one."""
        if self.on_notice is not None:
            self.on_notice(kind, text)

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()


@dataclass(slots=True)
class LivePicture:
    """A picture that becomes RGB only when asked.

    `time`: seconds since the first picture. `arrived`: `time.monotonic()` when its data arrived, before decoding.
    `decoding`: the seconds that this took.
    """

    time: float
    index: int
    arrived: float
    decoding: float
    convert: Callable[[tuple[int, int] | None], NDArray[np.uint8]]

    def image(self, size: tuple[int, int] | None) -> NDArray[np.uint8]:
        """Return RGB uint8 `(H, W, 3)`; `size` is (width, height), None for the source's own."""
        return self.convert(size)


def fit(image: NDArray[np.uint8], canvas: tuple[int, int], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Return `image` `(H, W, 3)` as it looks on a canvas of (width, height) pixels, the canvas then scaled to `size`.

    An image of the canvas's shape fills it; another is scaled until it touches two borders, the rest being black.

    >>> fit(np.full((40, 40, 3), 9, np.uint8), (80, 40), None)[0, :, 0].tolist() == [0] * 20 + [9] * 40 + [0] * 20
    True
    """
    width, height = size or canvas
    across, down = canvas[0] / image.shape[1], canvas[1] / image.shape[0]
    if abs(across / down - 1) <= _SAME_SHAPE:
        return np.ascontiguousarray(resize(image, (width, height)))
    scale = min(across, down)
    inner_width = max(1, round(image.shape[1] * scale * width / canvas[0]))
    inner_height = max(1, round(image.shape[0] * scale * height / canvas[1]))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    framed = np.zeros((height, width, 3), np.uint8)
    framed[top : top + inner_height, left : left + inner_width] = resize(image, (inner_width, inner_height))
    return framed
