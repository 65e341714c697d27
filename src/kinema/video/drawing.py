"""What a classifier says, drawn on the picture it said it about."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema.errors import UsageError

_WHITE = (255, 255, 255)
_BEST = (94, 208, 255)
_OTHER = (200, 200, 200)
_TRACK = (112, 112, 112)
_PANEL_KEEPS = (
    0.28  # of the picture's brightness: white text on a white picture still has a contrast above 9 to 1
)
_SMALLEST_TEXT = 9  # pixels


def draw_prediction(
    image: NDArray[np.uint8],
    classes: Sequence[str],
    probabilities: Sequence[float] | NDArray[np.floating[Any]],
    *,
    top: int = 3,
    inference_ms: float | None = None,
) -> NDArray[np.uint8]:
    """Return a copy of `image` (RGB uint8 `(H, W, 3)`) with the `top` classes, their bars and the inference
    time on it.

    `probabilities`: one of [0, 1] for each class. The panel stands in the upper left corner, grows with the
    picture from 160x120 to 4K, and shows as many rows as fit into two thirds of its height, at least one. A
    name that is too long ends in "…".

    >>> picture = np.zeros((120, 160, 3), np.uint8)
    >>> draw_prediction(picture, ["run", "walk"], [0.9, 0.1], inference_ms=4.2).shape
    (120, 160, 3)
    """
    values = np.nan_to_num(np.asarray(probabilities, dtype=np.float64).reshape(-1))
    if len(values) != len(classes) or not len(classes):
        raise UsageError(f"{len(values)} probabilities for {len(classes)} classes")
    out = np.array(image, dtype=np.uint8, order="C")
    height, width = out.shape[:2]
    text = text_size(out)
    pad, gap, bar = max(2, text // 2), max(1, text // 4), max(2, text // 4)
    row = text + gap + bar + gap
    footer = 0 if inference_ms is None else text + gap
    order = np.argsort(-values, kind="stable")[: max(1, top)]
    order = order[: max(1, (height * 2 // 3 - 2 * pad - footer) // row)]

    left, top_edge = pad, pad
    panel_width = max(min(width - 2 * pad, text * 15), 1)
    inner = panel_width - 2 * pad
    _darken(out, left, top_edge, panel_width, 2 * pad + len(order) * row - gap + footer)
    x, y = left + pad, top_edge + pad
    for rank, k in enumerate(order):
        percent = _text(f"{values[k] * 100:.0f} %", text)
        name = _fitting(str(classes[k]), text, inner - percent.shape[1] - gap)
        _blit(out, name, x, y, _WHITE)
        _blit(out, percent, x + inner - percent.shape[1], y, _WHITE)
        filled = round(inner * float(np.clip(values[k], 0, 1)))
        _fill(out, x, y + text + gap, inner, bar, _TRACK)
        _fill(out, x, y + text + gap, filled, bar, _OTHER if rank else _BEST)
        y += row
    if inference_ms is not None:
        shown = f"{inference_ms:.1f} ms" if inference_ms < 100 else f"{inference_ms:.0f} ms"
        _blit(out, _text(shown, text), x, y, _OTHER)
    return out


def draw_label(image: NDArray[np.uint8], label: str) -> NDArray[np.uint8]:
    """Return a copy of `image` (RGB uint8 `(H, W, 3)`) with a line of text in its lower left corner."""
    out = np.array(image, dtype=np.uint8, order="C")
    height, width = out.shape[:2]
    text = text_size(out)
    pad = max(2, text // 2)
    mask = _fitting(label, text, width - 4 * pad)
    box = text + pad
    _darken(out, pad, height - pad - box, mask.shape[1] + 2 * pad, box)
    _blit(out, mask, 2 * pad, height - pad - box + pad // 2, _WHITE)
    return out


def text_size(image: NDArray[np.uint8]) -> int:
    """Return the height of a line of text in pixels that suits a picture `(H, W, 3)`."""
    return max(_SMALLEST_TEXT, round(min(image.shape[0], image.shape[1] * 0.75) / 24))


def _darken(image: NDArray[np.uint8], x: int, y: int, width: int, height: int) -> None:
    part = image[max(0, y) : y + height, max(0, x) : x + width]
    if part.size:
        part[:] = cv2.convertScaleAbs(np.ascontiguousarray(part), alpha=_PANEL_KEEPS)


def _fill(
    image: NDArray[np.uint8], x: int, y: int, width: int, height: int, colour: tuple[int, int, int]
) -> None:
    image[y : y + height, x : x + max(0, width)] = colour


def _blit(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], x: int, y: int, colour: tuple[int, int, int]
) -> None:
    part = image[max(0, y) : y + mask.shape[0], max(0, x) : x + mask.shape[1]]
    if not part.size:
        return
    cover = mask[: part.shape[0], : part.shape[1], None].astype(np.uint16)
    part[:] = (part * (255 - cover) + np.array(colour, np.uint16) * cover + 127) // 255


def _fitting(label: str, size: int, width: int) -> NDArray[np.uint8]:
    line = " ".join(label.split())
    mask = _text(line, size)
    kept = len(line)
    while mask.shape[1] > width and kept > 1:
        kept = min(kept - 1, max(1, kept * width // mask.shape[1]))
        mask = _text(line[:kept].rstrip() + "…", size)
    return mask


@lru_cache(maxsize=1024)
def _text(line: str, size: int) -> NDArray[np.uint8]:
    """Return how much of each pixel the text covers, uint8 `(size, W)`."""
    from PIL import Image, ImageDraw

    font = _font(size)
    width = max(1, round(font.getlength(line)))
    canvas = Image.new("L", (width, size), 0)
    _, descent = font.getmetrics()
    # The metrics leave room for stacked accents; letters are centred on the part that they use.
    ImageDraw.Draw(canvas).text((0, size - descent), line, fill=255, font=font, anchor="ls")
    mask = np.asarray(canvas, dtype=np.uint8)
    mask.setflags(write=False)
    return mask


@lru_cache(maxsize=16)
def _font(size: int) -> Any:
    """DejaVu Sans, which comes with matplotlib and covers Latin, Greek, Cyrillic, Arabic, Hebrew and many
    symbols.
    """
    from pathlib import Path

    import matplotlib
    from PIL import ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), max(6, round(size * 0.86)))
