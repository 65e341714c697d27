"""Synthetic videos whose every frame is known, made with PyAV's encoders: odd in the ways that files are."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray


def level(index: int) -> int:
    """The grey level that stands for a frame's number: 7 apart, so that no codec confuses two neighbours."""
    return 30 + (index * 7) % 196


def flat(index: int, size: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    return np.full((size[1], size[0], 3), level(index), np.uint8)


def encode(
    path: Path,
    count: int = 20,
    *,
    codec: str = "libx264",
    format: str | None = None,
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (64, 48),
    rate: Fraction | int = 25,
    stamps: list[int] | None = None,
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    picture: Callable[[int], NDArray[np.uint8]] | None = None,
    prepare: Callable[[Any], None] | None = None,
) -> Path:
    """Write `count` frames; `stamps` in units of `time_base` make the rate variable."""
    with av.open(str(path), "w", format=format) as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        if time_base is not None:
            stream.codec_context.time_base = time_base
        if prepare is not None:
            prepare(stream)
        for index in range(count):
            image = flat(index, size) if picture is None else picture(index)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            if stamps is not None:
                frame.pts, frame.time_base = stamps[index], time_base
            else:
                frame.pts, frame.time_base = index, 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def levels(images: list[NDArray[np.uint8]]) -> list[int]:
    """The mean grey level of each image."""
    return [round(float(image.mean())) for image in images]


@pytest.fixture(scope="session")
def synthetic() -> SimpleNamespace:
    """The functions of this file, for the tests of the room."""
    return SimpleNamespace(level=level, flat=flat, encode=encode, levels=levels)
