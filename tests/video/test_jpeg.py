"""Pictures as JPEG files: the colours stay what they are, and what is too large is a line."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from kinema.errors import KinemaError
from kinema.video.jpeg import jpeg, jpeg_uri


def test_red_stays_red_as_another_library_reads_it() -> None:
    picture = np.zeros((16, 24, 3), dtype=np.uint8)
    picture[..., 0] = 255
    read = Image.open(io.BytesIO(jpeg(picture[:, ::-1])))
    assert (read.format, read.size) == ("JPEG", (24, 16))
    assert np.abs(np.asarray(read).astype(int) - [255, 0, 0]).max() <= 3


def test_a_better_one_is_larger() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert len(jpeg(noise, 95)) > len(jpeg(noise)) > len(jpeg(noise, 40))


@pytest.mark.parametrize("shape", [(1, 70_000, 3), (0, 5, 3)])
def test_what_jpeg_cannot_hold_is_a_line(shape: tuple[int, int, int]) -> None:
    with pytest.raises(
        KinemaError, match=rf"^a picture of {shape[1]}x{shape[0]} pixels cannot be stored as JPEG$"
    ):
        jpeg(np.zeros(shape, dtype=np.uint8))


def test_a_picture_travels_as_a_data_address() -> None:
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    head, _, data = jpeg_uri(picture).partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(data) == jpeg(picture)
