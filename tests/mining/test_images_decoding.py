"""Bytes as RGB JPEGs: what is taken, what is refused and why; and which pictures look alike."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kinema.errors import UsageError
from kinema.mining.images import NoPictureError, PictureRules, decoding, read_picture
from kinema.mining.images.likeness import DISTANCE, LikenessIndex, likeness_of
from kinema.video import open_source

pytest.importorskip("imagehash", reason="needs kinema[mining]")


def _noise(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def _bytes(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _halves(mode: str, left: Any, right: Any, size: tuple[int, int] = (200, 160)) -> Image.Image:
    image = Image.new(mode, size, right)
    image.paste(left, (0, 0, size[0] // 2, size[1]))
    return image


def _sides(data: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The colours of the left and of the right half of what was written."""
    picture = Image.open(io.BytesIO(read_picture(data, PictureRules()).jpeg))
    assert picture.format == "JPEG" and picture.mode == "RGB"
    pixels = np.asarray(picture)
    middle = pixels.shape[0] // 2
    return tuple(pixels[middle, 20].tolist()), tuple(pixels[middle, -20].tolist())


@pytest.mark.parametrize(
    ("image", "kind", "options", "left", "right"),
    [
        (_halves("RGB", (200, 30, 40), (10, 20, 220)), "JPEG", {}, (200, 30, 40), (10, 20, 220)),
        (_halves("RGB", (200, 30, 40), (10, 20, 220)), "WEBP", {"lossless": True}, (200, 30, 40), (10, 20, 220)),
        (_halves("L", 40, 200), "PNG", {}, (40, 40, 40), (200, 200, 200)),
        (_halves("1", 0, 1), "PNG", {}, (0, 0, 0), (255, 255, 255)),
        (_halves("RGBA", (200, 30, 40, 0), (10, 20, 220, 255)), "PNG", {}, (255, 255, 255), (10, 20, 220)),
        (_halves("LA", (40, 255), (40, 0)), "PNG", {}, (40, 40, 40), (255, 255, 255)),
        (_halves("CMYK", (0, 255, 255, 0), (255, 255, 0, 0)), "JPEG", {}, (254, 0, 0), (0, 0, 254)),
        (_halves("I;16", 0, 0xC800), "PNG", {}, (0, 0, 0), (199, 199, 199)),
    ],
    ids=["jpeg", "webp", "grey", "bits", "transparent", "grey transparent", "cmyk", "16 bit"],
)  # fmt: skip
def test_everything_becomes_rgb(
    image: Image.Image, kind: str, options: dict[str, Any], left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    found = _sides(_bytes(image, kind, **options))

    assert np.abs(np.subtract(found, (left, right))).max() <= 4


def test_turned_pictures_are_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways: turn clockwise to look at it
    data = _bytes(_halves("RGB", (255, 0, 0), (0, 0, 255), (300, 200)), "JPEG", exif=exif)

    picture = read_picture(data, PictureRules())
    pixels = np.asarray(Image.open(io.BytesIO(picture.jpeg)))

    assert (picture.width, picture.height) == (200, 300)
    assert pixels[20, 100, 0] > 240 and pixels[280, 100, 2] > 240  # what was left is on top
    assert "exif" not in Image.open(io.BytesIO(picture.jpeg)).info


def test_first_picture_of_an_animation() -> None:
    frames = [_halves("RGB", (200, 30, 40), (10, 20, 220)), _halves("RGB", (0, 255, 0), (255, 255, 0))]
    data = _bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])

    assert np.abs(np.subtract(_sides(data)[0], (200, 30, 40))).max() <= 8


def test_large_ones_are_shrunk() -> None:
    picture = read_picture(_bytes(_noise(1, (3000, 1500)), "JPEG"), PictureRules(max_side=1024))
    whole = read_picture(_bytes(_noise(1, (1300, 650)), "PNG"), PictureRules(max_side=None))

    assert (picture.width, picture.height) == (1024, 512)
    assert (whole.width, whole.height) == (1300, 650)


def _png_header(side: int) -> bytes:
    """A PNG that says it is so large, and holds next to nothing."""
    return _png(side, b"x")


def _bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that unpacks to side x side pixels."""
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(1 + side // 8)) for _ in range(side)) + rows.flush()
    return _png(side, data)


def _png(side: int, data: bytes) -> bytes:
    out = b"\x89PNG\r\n\x1a\n"
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    for name, body in ((b"IHDR", head), (b"IDAT", data), (b"IEND", b"")):
        out += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems count memory in other units")
def test_a_large_transparent_one_is_shrunk_before_its_colours_are_changed(tmp_path: Path) -> None:
    """A file of a few kilobytes may hold a hundred million pixels, and several are decoded at a time."""
    image = _halves("RGBA", (200, 30, 40, 0), (10, 20, 220, 255), (5000, 5000))
    (tmp_path / "large.png").write_bytes(_bytes(image, "PNG", compress_level=1))
    code = (
        "import resource, sys; from pathlib import Path; from kinema.mining.images import PictureRules, read_picture\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "data, before = Path(sys.argv[1]).read_bytes(), peak()\n"
        "read_picture(data, PictureRules()); print(peak() - before)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "large.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    assert int(done.stdout) < 220  # MB; 100 are the picture as it is decoded, 345 came of colouring all of it


def test_pillow_without_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some are built without AVIF; what is no picture is no picture there too."""
    decoding._formats.cache_clear()
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    monkeypatch.setattr(Image, "init", lambda: 1)
    try:
        with pytest.raises(NoPictureError, match="no image that can be read"):
            read_picture(b"\x00\x01" * 500, PictureRules())
    finally:
        decoding._formats.cache_clear()


def test_pillow_does_not_warn_of_what_the_rules_allow() -> None:
    decoding._formats.cache_clear()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(NoPictureError, match="cannot be decoded"):
            read_picture(_png_header(9900), PictureRules())

    assert said == []


@pytest.mark.parametrize(
    ("data", "state", "reason"),
    [
        (b"", "broken", "nothing came"),
        (b"<!DOCTYPE html><p>sign in", "broken", "a web page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "broken", "an SVG drawing"),
        (b"\x00\x01" * 500, "broken", "no image that can be read"),
        (_bytes(_noise(2), "JPEG")[:3000], "broken", "cannot be decoded"),
        (_bytes(_noise(2, (200, 127)), "PNG"), "small", "200x127; the shorter side must have 128 pixels"),
        (_bytes(_noise(2, (2000, 200)), "PNG"), "strip", "a strip"),
        (_bytes(Image.new("RGB", (300, 300), (90, 90, 90)), "PNG"), "blank", "one colour"),
        (_bytes(Image.new("RGBA", (300, 300), (90, 9, 200, 0)), "PNG"), "blank", "one colour"),
        (_png_header(60000), "too large", "more pixels than the limit"),
        (_png_header(12000), "too large", "12000x12000 are more pixels than the limit of 100,000,000"),
        (_bomb(16000), "too large", "more pixels than the limit"),
        (b"\xff\xd8" + bytes(20_000_000), "too large", "20,000,002 bytes"),
    ],
    ids=["nothing", "html", "svg", "bytes", "half", "small", "strip", "blank", "see-through", "bomb",
         "large", "packed", "bytes limit"],
)  # fmt: skip
def test_what_is_no_picture(data: bytes, state: str, reason: str) -> None:
    with pytest.raises(NoPictureError, match=reason.replace("(", r"\(")) as refused:
        read_picture(data, PictureRules())

    assert refused.value.state == state


def test_rules_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="--min-side 0"):
        PictureRules(min_side=0)
    with pytest.raises(UsageError, match="--max-side 100"):
        PictureRules(min_side=128, max_side=100)


def test_copies_look_alike_and_others_do_not(test_data: Path) -> None:
    """Frames of real videos: what the web does to copies of a photograph keeps it near, another video's frame is far."""
    index, frames = LikenessIndex(), []
    # One frame of each group of people and places.
    for group in sorted((test_data / "ucf101").rglob("*_c01.avi")):
        with open_source(group) as source:
            frames.append(Image.fromarray(next(iter(source.frames(start=1.0))).image))
    assert len(frames) >= 5
    for number, frame in enumerate(frames):
        index.add(str(number), likeness_of(frame).hash)
    far = []
    for number, frame in enumerate(frames):
        width, height = frame.size
        copies = [
            Image.open(io.BytesIO(_bytes(frame, "JPEG", quality=30))),
            frame.resize((width // 2, height // 2)),
            frame.resize((width * 2, height * 2)).point(lambda value: min(255, value * 1.15)),
            frame.crop((width // 50, height // 50, width - width // 50, height - height // 50)),
        ]
        for copy in copies:
            assert index.near(likeness_of(copy.convert("RGB")).hash)[0][1] == str(number)
        far += [bits for bits, name in index.near(likeness_of(frame).hash, 256) if name != str(number)]
    assert min(far) > DISTANCE


def test_index_returns_the_nearest_first_and_takes_changes() -> None:
    index = LikenessIndex()
    for number in range(200):
        index.add(str(number), f"{number:064x}")

    assert index.near(f"{0b11:064x}", 1) == [(0, "3"), (1, "1"), (1, "11"), (1, "131"), (1, "19"), (1, "2"),
                                             (1, "35"), (1, "67"), (1, "7")]  # fmt: skip
    index.add("3", "f" * 64)
    assert index.near(f"{0b11:064x}", 0) == []
    assert len(index) == 200
