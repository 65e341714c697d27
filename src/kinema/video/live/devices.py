"""Which cameras a machine has, and what FFmpeg is told to open one: different on each system."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_NUMBERED = re.compile(r"video(\d+)")
_RAW_PIXELS = 640 * 480  # more than this at 30 frames a second is too much for USB 2 without compression
_RAW_RATE = 30.0


@dataclass(frozen=True)
class Attempt:
    """One way to open a camera: FFmpeg's device format, its name for the camera, and options."""

    form: str
    file: str
    options: dict[str, str]


def attempts(
    camera: int | str, size: tuple[int, int] | None, fps: float | None, system: str = sys.platform
) -> list[Attempt]:
    """Return the ways to open a camera, the best first; the last one leaves all choices to the camera.

    A picture of more than 640x480 pixels, or more than 30 a second, is asked for as MJPEG first, since USB 2 does not
    carry it raw; a smaller one raw first, which costs no decoding and loses nothing.

    >>> [attempt.options for attempt in attempts(0, (1280, 720), 30, "linux")][:1]
    [{'video_size': '1280x720', 'framerate': '30', 'input_format': 'mjpeg'}]
    """
    wanted: dict[str, str] = {}
    if size is not None:
        wanted["video_size"] = f"{size[0]}x{size[1]}"
    if fps is not None:
        wanted["framerate"] = f"{fps:g}"
    if system == "darwin":
        file = str(camera)
        # AVFoundation takes a rate only if the camera has exactly that one; 30 is what they have.
        given = {"framerate": "30"} | wanted
        formats = [{"pixel_format": "nv12"}, {"pixel_format": "uyvy422"}, {}]
        return _distinct(
            "avfoundation", file, [given | extra for extra in formats] + [{"framerate": "30"}, {}]
        )
    if system == "win32":
        file = f"video={camera}"
        if isinstance(camera, int):
            file, wanted = "video=default", wanted | {"video_device_number": str(camera)}
        number = {key: value for key, value in wanted.items() if key == "video_device_number"}
        formats = [{"vcodec": "mjpeg"}, {}]
    else:
        file, number = (f"/dev/video{camera}" if isinstance(camera, int) else camera), {}
        formats = [{"input_format": "mjpeg"}, {"input_format": "yuyv422"}]
    large = size is not None and size[0] * size[1] > _RAW_PIXELS
    if not large and (fps is None or fps <= _RAW_RATE):
        formats.reverse()
    form = "dshow" if system == "win32" else "v4l2"
    return _distinct(form, file, [wanted | extra for extra in formats] + [wanted, number])


def cameras(folder: Path = Path("/dev")) -> list[str]:
    """Return the paths of the cameras that Linux shows; empty on other systems.

    >>> cameras(Path("/nowhere"))
    []
    """
    try:
        names = [item.name for item in folder.iterdir() if _NUMBERED.fullmatch(item.name)]
    except OSError:
        return []
    return [str(folder / name) for name in sorted(names, key=lambda name: int(name[len("video") :]))]


def camera_name(camera: int | str, system: str = sys.platform) -> str:
    """Return how a camera is called in messages.

    >>> camera_name(0, "linux"), camera_name(1, "darwin")
    ('camera 0 (/dev/video0)', 'camera 1')
    """
    if isinstance(camera, str):
        return camera
    return f"camera {camera} (/dev/video{camera})" if system.startswith("linux") else f"camera {camera}"


def absent(name: str, system: str = sys.platform, found: Callable[[], list[str]] = cameras) -> str:
    """Return one line that says that there is no such camera, and which there are."""
    if not system.startswith("linux"):
        return f"{name}: no such camera; is it plugged in, and is the program allowed to use it?"
    here = found()
    known = (
        f"here are {', '.join(here)}" if here else "this machine shows none (/dev/video*); is it plugged in?"
    )
    return f"{name}: no such camera; {known}"


def _distinct(form: str, file: str, choices: list[dict[str, str]]) -> list[Attempt]:
    options: list[dict[str, str]] = []
    for choice in choices:
        if choice not in options:
            options.append(choice)
    return [Attempt(form, file, choice) for choice in options]
