"""Bytes from anywhere as RGB JPEGs: size and pixel limits before anything is decoded, one orientation, one colour space."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from kinema.errors import UsageError
from kinema.mining.images.likeness import Likeness, likeness_of

if TYPE_CHECKING:
    from PIL.Image import Image

# Formats that photographs on the web have. Others (PSD, EPS, …) bring decoders that nobody needs here.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "TIFF")
_SHRINKABLE = ("L", "LA", "RGB", "RGBA", "CMYK")  # modes whose pixels can be averaged
_BLANK = 2.0  # standard deviation of grey levels below which a picture shows nothing
_LONGEST_FORM = 8  # times that one side may be longer than the other


@dataclass(frozen=True, slots=True)
class PictureRules:
    """Which images are taken and how they are written.

    `min_side`: pixels of the shorter side, at least. `max_side`: what larger ones are shrunk to, longer side; None
    leaves them. `max_pixels`: width times height that are decoded at most. `max_bytes`: of the file. `quality`: of JPEG.
    """

    min_side: int = 128
    max_side: int | None = 1024
    max_pixels: int = 100_000_000
    max_bytes: int = 20_000_000
    quality: int = 92

    def __post_init__(self) -> None:
        if self.min_side < 1:
            raise UsageError(f"--min-side {self.min_side}: give pixels, from 1")
        if self.max_side is not None and self.max_side < self.min_side:
            raise UsageError(f"--max-side {self.max_side}: give --min-side ({self.min_side}) or more")


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image: its JPEG, the size of that in pixels, the SHA-256 of the bytes it came from, and its likeness."""

    jpeg: bytes
    width: int
    height: int
    sha256: str
    likeness: Likeness


class NoPictureError(Exception):
    """Bytes that are no image, or none that is wanted: `state` is the word for the table, the text says why.

    `size` is (width, height) of one that is too small.
    """

    def __init__(self, state: str, reason: str, size: tuple[int, int] = (0, 0)) -> None:
        super().__init__(reason)
        self.state, self.size = state, size


def read_picture(data: bytes, rules: PictureRules) -> Picture:
    """Decode an image and encode it as RGB JPEG: turned upright, on white where it is transparent, in sRGB.

    Raises `NoPictureError` for what is no image, broken, too large to be decoded, too small, or shows nothing.
    """
    from PIL import Image, UnidentifiedImageError

    if len(data) > rules.max_bytes:
        raise NoPictureError("too large", f"{len(data):,} bytes; the limit is {rules.max_bytes:,}")
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as opened:
            width, height = opened.size
            _check_size(width, height, rules)
            if rules.max_side is not None:
                opened.draft("RGB", (rules.max_side, rules.max_side))  # JPEG decodes smaller at once
            opened.load()
            if opened.mode in _SHRINKABLE and "transparency" not in opened.info:
                # Before its colours are changed, which takes gigabytes for the largest.
                _shrink(opened, rules)
            image = _rgb(opened)
    except NoPictureError:
        raise
    except Image.DecompressionBombError as error:
        raise NoPictureError("too large", f"more pixels than the limit of {rules.max_pixels:,}") from error
    except UnidentifiedImageError as error:
        raise NoPictureError("broken", f"no image that can be read ({_looks_like(data)})") from error
    except Exception as error:  # decoders raise anything: struct.error, SyntaxError, ValueError, EOFError …
        raise NoPictureError("broken", f"cannot be decoded: {error or type(error).__name__}") from error
    _shrink(image, rules)
    likeness = likeness_of(image)
    if likeness.contrast < _BLANK:
        raise NoPictureError("blank", "one colour all over")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=rules.quality)
    return Picture(out.getvalue(), *image.size, hashlib.sha256(data).hexdigest(), likeness)


@cache
def _formats() -> list[str]:
    """Return the formats that this Pillow can read; some are built without one."""
    from PIL import Image

    Image.init()
    # Pillow warns of large pictures below its own limit; the limit of the rules is the one that counts.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    return [name for name in _FORMATS if name in Image.OPEN]


def _check_size(width: int, height: int, rules: PictureRules) -> None:
    if width * height > rules.max_pixels:
        raise NoPictureError(
            "too large", f"{width}x{height} are more pixels than the limit of {rules.max_pixels:,}"
        )
    if min(width, height) < rules.min_side:
        why = f"{width}x{height}; the shorter side must have {rules.min_side} pixels"
        raise NoPictureError("small", why, (width, height))
    if max(width, height) > _LONGEST_FORM * min(width, height):
        raise NoPictureError("strip", f"{width}x{height} is a strip, no picture")


def _shrink(image: Image, rules: PictureRules) -> None:
    from PIL import Image

    if rules.max_side is not None and max(image.size) > rules.max_side:
        image.thumbnail((rules.max_side, rules.max_side), Image.Resampling.LANCZOS)


def _rgb(opened: Image) -> Image:
    """Return a picture upright, in RGB, without transparency."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(opened)
    if image.mode.startswith(("I", "F")):  # 16 bits and more, which `convert` would clip
        pixels = np.asarray(image, np.float32)
        low, high = (0.0, 65535.0) if 255 < pixels.max() <= 65535 else (pixels.min(), pixels.max())
        grey = (pixels - low) * (255 / max(high - low, 1e-6))
        return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    image = _srgb(image)
    if "A" in image.getbands() or "transparency" in image.info:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return image.convert("RGB")


def _srgb(image: Image) -> Image:
    """Return a picture with a colour profile of its own in sRGB, which is what networks have seen."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK"):
        return image
    from PIL import ImageCms

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        changed = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return changed if changed is not None else image


def _looks_like(data: bytes) -> str:
    head = data[:512].lstrip().lower()
    if not data:
        return "nothing came"
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if b"<svg" in head:
        return "an SVG drawing"
    return f"{len(data):,} bytes"
