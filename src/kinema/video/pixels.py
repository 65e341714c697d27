"""From a decoder's picture to upright RGB."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
_HD_LINES = 720


class RgbConverter:
    """Converts decoded frames to RGB uint8 `(H, W, 3)`; one for each pass, since it keeps swscale's tables.

    The stream's colour matrix and range are honoured; a stream that names no matrix is taken for BT.601 below
    720 lines and BT.709 from there on, as players do. Alpha is dropped, more than 8 bits are reduced. Pixels
    that are not square (a sample aspect ratio) are left as they are stored.
    """

    def __init__(self) -> None:
        # One single-threaded context kept alive: swscale's own threads cost more than they save on pictures
        # of this size.
        self._reformatter = VideoReformatter()

    def rgb(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return RGB uint8 `(H, W, 3)`, whose rows may lie apart in memory."""
        matrix = None
        if frame.colorspace == _UNSPECIFIED:
            matrix = Colorspace.ITU709 if frame.height >= _HD_LINES else Colorspace.ITU601
        converted = self._reformatter.reformat(
            frame,
            format="rgb24",
            src_colorspace=matrix,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.BILINEAR,
            threads=1,
        )
        plane: Any = converted.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: converted.height]
        # A view: the ends of swscale's longer rows are left out without a copy.
        return rows[:, : converted.width * 3].reshape(converted.height, converted.width, 3)


def display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Return the signs (a, b, c, d) of a frame's display matrix, (1, 0, 0, 1) when it has none or is not a
    right angle.

    The matrix maps a stored point (x, y) to the displayed (a x + c y, b x + d y); see `libavutil/display.h`.
    """
    side_data: Any = frame.side_data
    data = side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return (1, 0, 0, 1)
    values = np.frombuffer(bytes(data), np.int32)[[0, 1, 3, 4]].astype(np.float64)
    signs = np.rint(values / max(1.0, float(np.abs(values).max()))).astype(int)
    a, b, c, d = (int(sign) for sign in signs)
    right_angle = (a and d and not b and not c) or (b and c and not a and not d)
    return (a, b, c, d) if right_angle else (1, 0, 0, 1)


def upright(image: NDArray[np.uint8], matrix: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Return the picture `(H, W, 3)` turned and mirrored as its display matrix says."""
    a, b, c, d = matrix
    if (a, b, c, d) == (1, 0, 0, 1):
        return image
    if b:
        image = image.transpose(1, 0, 2)
        across, down = c, b
    else:
        across, down = a, d
    return np.ascontiguousarray(image[::down, ::across])
