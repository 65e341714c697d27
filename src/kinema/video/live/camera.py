"""Cameras of this machine: V4L2 on Linux, AVFoundation on macOS, DirectShow on Windows."""

from __future__ import annotations

import errno
import sys

import av.error
from av.container import InputContainer

from kinema.errors import DataError, UsageError
from kinema.video.decoder import reason_of
from kinema.video.frame import check_rate
from kinema.video.live.connection import Connection, open_container
from kinema.video.live.devices import Attempt, absent, attempts, camera_name
from kinema.video.live.received import ReceivedSource

_WAITING = 10.0  # seconds; some cameras take this long to warm up
_SILENCE = 5.0  # seconds


class CameraSource(ReceivedSource):
    """A camera by its number (0 is the first) or its name: a path on Linux, the device's name elsewhere.

    `size` (width, height) and `fps` are wishes: a camera that has no such mode gives its own, and `source.size` and
    `source.fps` say which. One that is unplugged is waited for.

    >>> with CameraSource(0, size=(640, 480), fps=30) as camera:  # doctest: +SKIP
    ...     print(next(iter(camera)).image.shape)
    """

    def __init__(
        self,
        camera: int | str = 0,
        *,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        give_up: float | None = None,
    ) -> None:
        """Open the camera and wait for its first picture. Raises `DataError` when it is absent, busy, forbidden, or no
        camera; `UsageError` for a size or rate that makes no sense.
        """
        if isinstance(camera, int) and camera < 0:
            raise UsageError(f"camera {camera}: cameras count from 0")
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise UsageError(f"size must be (width, height) of at least one pixel, not {size}")
        if fps is not None:
            check_rate(fps)
        super().__init__(_Device(camera, size, fps), waiting=_WAITING, give_up=give_up)


class _Device:
    """Opens one camera, in the best way that it allows."""

    silence = _SILENCE

    def __init__(self, camera: int | str, size: tuple[int, int] | None, fps: float | None) -> None:
        self.name = camera_name(camera)
        self._attempts = attempts(camera, size, fps)

    def open(self, first: bool) -> Connection:
        fault: Exception | None = None
        for attempt in self._attempts:
            try:
                container = self._open(attempt)
            except (av.error.FFmpegError, OSError, ValueError) as error:
                fault = error
                if final(error):
                    break
                continue
            self._attempts = [attempt]  # what worked is what a returned camera is asked for
            try:
                return Connection(self.name, container)
            except DataError:
                container.close()
                raise
        raise DataError(camera_fault(self.name, fault or OSError())) from fault

    def _open(self, attempt: Attempt) -> InputContainer:
        return open_container(attempt.file, attempt.form, attempt.options, _WAITING, _SILENCE)


def final(error: Exception) -> bool:
    """Return whether another picture format could not help."""
    return getattr(error, "errno", None) in (
        errno.ENOENT,
        errno.ENODEV,
        errno.ENXIO,
        errno.EACCES,
        errno.EPERM,
        errno.EBUSY,
        errno.ENOTTY,
    )


def camera_fault(name: str, error: Exception, system: str = sys.platform) -> str:
    """Return one line that says why a camera cannot be opened."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return absent(name, system)
    if number == errno.EBUSY:
        return f"{name}: the camera is busy; another program has it open, close that one"
    if number in (errno.EACCES, errno.EPERM):
        if system.startswith("linux"):
            mend = "add yourself to the group that owns it (sudo usermod -aG video $USER) and log in again"
        else:
            mend = "allow the program to use the camera in the system's privacy settings"
        return f"{name}: no permission to open the camera; {mend}"
    if number == errno.ENOTTY:
        return f"{name}: not a camera; give a camera's number, or a path such as /dev/video0"
    if isinstance(error, ValueError) and "no container format" in str(error):
        return (
            f"{name}: this build of PyAV has no camera support for this system; install PyAV from its wheel"
        )
    if isinstance(error, av.error.ExitError | TimeoutError):
        return f"{name}: the camera sends nothing; unplug it and plug it in again"
    if system != "linux" and number == errno.EIO:
        return absent(name, system)
    return f"{name}: the camera cannot be opened ({reason_of(error)})"
