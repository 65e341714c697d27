"""A picture as a JPEG file, and as an address that holds it."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema.errors import KinemaError


def jpeg(image: NDArray[np.uint8], quality: int = 82) -> bytes:
    """Return an RGB picture `(H, W, 3)` as a JPEG file. Raises `KinemaError` for none, and beyond 65,500 pixels a side."""
    try:
        done, data = cv2.imencode(
            ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )
    except cv2.error:
        done = False
    if not done:
        raise KinemaError(f"a picture of {image.shape[1]}x{image.shape[0]} pixels cannot be stored as JPEG")
    return data.tobytes()


def jpeg_uri(image: NDArray[np.uint8], quality: int = 82) -> str:
    """Return an RGB picture as a `data:` address, for a page that needs no other file."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(image, quality)).decode()}"
