"""Writing H.264 mp4 files that browsers play."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from kinema.errors import KinemaError, UsageError
from kinema.files import atomic_path
from kinema.video.frame import Frame, check_rate
from kinema.video.scaling import resize

_TICKS = 90_000  # stamps a second: exact for 24, 25, 30, 60 frames a second and their 1000/1001 relatives
_HD_LINES = 720
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_KEYFRAME_SECONDS = 2
# The file is a chain of complete fragments of a second each while it grows, and an ordinary mp4 once it is closed.
_GROWING = {"movflags": "+hybrid_fragmented", "frag_duration": "1000000", "flush_packets": "1"}


class VideoWriter:
    """Writes pictures to an mp4 file that browsers play: H.264, 4:2:0, limited range, index at the front.

    A context manager; the file appears under its name only when everything was written, never half. `size` =
    (width, height) defaults to that of the first picture; pictures of another size are resized to it. A side
    of odd length gets one more pixel (a copy of the edge), since 4:2:0 needs even ones. A plain array is
    shown for 1 / fps seconds after the one before; a `Frame` is shown at its own `time`, counted from the
    first frame, so that a variable rate is kept.

    `growing`: the file grows under its own name and plays as far as it got, to within about two seconds, also when
    the process is killed; meant for recordings that last. A failure leaves what was written, and the file is complete,
    with its index at the end, once the block is left.

    >>> with VideoWriter("out.mp4", fps=25) as out:  # doctest: +SKIP
    ...     for frame in open_source("in.mp4"):
    ...         out.write(frame)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fps: float | Fraction,
        size: tuple[int, int] | None = None,
        *,
        quality: int = 23,
        preset: str = "veryfast",
        threads: int = 0,
        growing: bool = False,
    ) -> None:
        """`quality`: x264's CRF, 0 (best) to 51. `preset`: x264's. `threads` of the encoder: 0, one a core.

        Raises `UsageError` for a rate, size or suffix that cannot be written.
        """
        check_rate(float(fps))
        if size is not None and min(size) < 1:
            raise UsageError(f"size must be (width, height) of at least one pixel, not {size}")
        self.path = Path(path)
        if self.path.suffix.lower() not in (".mp4", ".m4v", ".mov"):
            raise UsageError(f"{self.path}: videos are written as mp4; give it a name that ends in .mp4")
        self.fps = Fraction(fps).limit_denominator(1001 * 1000)
        self.size = size
        self.frame_count = 0
        self._options = {"crf": str(quality), "preset": preset}
        self._threads = threads
        self._growing = growing
        if growing:
            self._options["g"] = str(max(1, round(_KEYFRAME_SECONDS * self.fps)))
        self._atomic: AbstractContextManager[Path] | None = None
        self._temporary: Path | None = None
        self._container: Any = None
        self._stream: Any = None
        self._reformatter = VideoReformatter()
        self._first_time: float | None = None
        self._last_tick = -1
        self._next_tick = Fraction(0)

    def write(self, picture: Frame | NDArray[np.uint8]) -> None:
        """Append one picture: a `Frame`, or uint8 RGB `(H, W, 3)` or grey `(H, W)`.

        Raises `UsageError` for another kind of array or outside of the `with` block, `KinemaError` when the
        disk is full.
        """
        if self._atomic is None:
            raise UsageError(f"{self.path}: write inside of `with VideoWriter(...) as out:`")
        image = _rgb(picture.image if isinstance(picture, Frame) else picture)
        if self._container is None:
            self.size = self.size or (image.shape[1], image.shape[0])
            self._open(self.size)
        assert self.size is not None
        frame = self._encodable(resize(image, self.size))
        frame.pts = self._tick(picture.time if isinstance(picture, Frame) else None)
        self._encode(frame)
        self.frame_count += 1

    def _tick(self, time: float | None) -> int:
        if time is None:
            exact = self._next_tick
        else:
            if self._first_time is None:
                self._first_time = time - float(self._next_tick) / _TICKS
            exact = Fraction(round((time - self._first_time) * _TICKS))
        tick = max(round(exact), self._last_tick + 1)  # stamps must rise, also where a frame comes twice
        self._last_tick = tick
        self._next_tick = max(exact, Fraction(tick)) + Fraction(_TICKS) / self.fps
        return tick

    def _open(self, size: tuple[int, int]) -> None:
        width, height = size
        try:
            options = _GROWING if self._growing else {"movflags": "+faststart"}
            self._container = av.open(f"file:{self._temporary}", "w", format="mp4", options=options)
            stream = self._container.add_stream("libx264", rate=self.fps, options=self._options)
        except (av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, _TICKS)
        context.thread_count = self._threads
        # 1 is BT.709, 6 is BT.601 (SMPTE 170M), for primaries, transfer and matrix alike (ITU-T H.273).
        code = 1 if height >= _HD_LINES else 6
        context.color_range = ColorRange.MPEG
        context.colorspace = context.color_primaries = context.color_trc = code
        self._matrix = Colorspace.ITU709 if height >= _HD_LINES else Colorspace.ITU601
        self._stream = stream

    def _encodable(self, image: NDArray[np.uint8]) -> VideoFrame:
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        converted = self._reformatter.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=self._matrix,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        converted.time_base = Fraction(1, _TICKS)
        return converted

    def _encode(self, frame: VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> KinemaError:
        if getattr(error, "errno", None) in _NO_ROOM:
            return KinemaError(f"{self.path}: the disk is full; free some space and run again")
        return KinemaError(
            f"{self.path}: the video cannot be written: {getattr(error, 'strerror', None) or error}"
        )

    def __enter__(self) -> Self:
        self._atomic = _in_place(self.path) if self._growing else atomic_path(self.path)
        self._temporary = self._atomic.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        atomic, self._atomic = self._atomic, None
        assert atomic is not None
        if error is None:
            try:
                self._finish()
            except KinemaError as failure:
                self._abandon()
                atomic.__exit__(type(failure), failure, failure.__traceback__)
                raise
        else:
            self._abandon()
        atomic.__exit__(kind, error, trace)

    def _finish(self) -> None:
        if self._container is None:
            raise KinemaError(f"{self.path}: no frames were given, so no video was written")
        self._encode(None)
        try:
            self._container.close()
        except (av.error.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def _abandon(self) -> None:
        # Closing writes a trailer, which may fail for the reason that brought us here.
        container, self._container = self._container, None
        if container is not None:
            try:
                container.close()
            except (av.error.FFmpegError, OSError, ValueError):
                return


@contextmanager
def _in_place(path: Path) -> Iterator[Path]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("wb").close()
    except OSError as error:
        raise KinemaError(f"{path}: cannot be written: {error.strerror or error}") from error
    yield path


def _rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.dtype != np.uint8:
        raise UsageError(f"pictures are uint8 with values from 0 to 255, not {image.dtype}")
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    if image.ndim == 3 and image.shape[2] == 3:
        return image
    raise UsageError(f"pictures are RGB (H, W, 3) or grey (H, W), not of shape {image.shape}")
