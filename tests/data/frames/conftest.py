"""Videos of numbered pictures, and how to read what was made of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from kinema.data import Manifest


@pytest.fixture
def write_numbered() -> Callable[..., Path]:
    """Return a function that writes synthetic flat 32 x 32 pictures whose grey level, 7 apart, tells their number
    modulo 28."""

    def write(path: Path, frames: int, fps: int = 10, times: list[float] | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("libx264", rate=fps)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            for index in range(frames):
                picture = np.full((32, 32, 3), 30 + 7 * (index % 28), np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                seconds = index / fps if times is None else times[index]
                frame.pts, frame.time_base = round(seconds * 1000), Fraction(1, 1000)
                container.mux(stream.encode(frame.reformat(format="yuv420p")))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture
def numbers() -> Callable[[Path], list[int]]:
    """Return a function: the numbers modulo 28 of the pictures in a folder, in the order of the names."""

    def found(folder: Path) -> list[int]:
        means = [float(_read(path).mean()) for path in sorted(folder.iterdir())]
        return [round((mean - 30) / 7) for mean in means]

    return found


@pytest.fixture
def read_image() -> Callable[[Path], np.ndarray]:
    """Return a function that reads an image as RGB `(H, W, 3)`."""
    return _read


@pytest.fixture
def rows() -> Callable[[Path], list[dict[str, str]]]:
    """Return a function that reads the rows of a table as text."""

    def read(path: Path) -> list[dict[str, str]]:
        with path.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))

    return read


@pytest.fixture
def one() -> Callable[..., Manifest]:
    """Return a function: the manifest of one video, labelled "run"."""

    def made(video: Path, **columns: Any) -> Manifest:
        table = {
            "video": [video.name],
            "label": ["run"],
            **{name: [value] for name, value in columns.items()},
        }
        return Manifest(table, video.parent)

    return made


def _read(path: Path) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image[..., ::-1]
