"""Only the wanted seconds of a video: their packets copied from far away, their frames written exactly."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

import av
import av.error

from kinema.data.fetch.refusals import ClipError, Reason
from kinema.errors import DataError, KinemaError
from kinema.video import VideoWriter, open_source

SHORTFALL = 1.0
"""Seconds by which a video may end before a clip does: lists of clips are in whole seconds."""

_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts"  # none that names other files or addresses
_REORDERED = 32  # pictures; no codec shows one later than so many places after its turn to be decoded
_LEAD = 2  # seconds by which a made-up decoding time precedes the true ones
_MUXERS = {"mov": "mp4", "matroska": "matroska", "flv": "matroska", "mpegts": "matroska"}
_SUFFIXES = {"mp4": ".mp4", "matroska": ".mkv"}


class UnseekableError(Exception):
    """The file does not say where its seconds are; it has to be read whole."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a video in a file of its own, which begins `offset` seconds after the video does."""

    path: Path
    offset: float


def copy_seconds(video: RawIOBase, folder: Path, start: float, end: float) -> Piece:
    """Copy the packets that the frames of [start, end) seconds need into a file in `folder`, undecoded.

    `video` is read only near its index and near the wanted seconds. The piece begins at the keyframe at or
    before `start`. Raises `UnseekableError` when the file must be read whole, `ClipError` when it is no video or
    ends before `start`, `KinemaError` when the disk is full.
    """
    try:
        with av.open(video, options={"format_whitelist": _FORMATS}, metadata_errors="replace") as container:
            if not container.streams.video:
                raise ClipError(Reason.FORMAT, "the file holds no video stream")
            stream = container.streams.video[0]
            muxer = next((m for name, m in _MUXERS.items() if name in container.format.name), None)
            if muxer is None or not stream.time_base or stream.start_time is None:
                raise UnseekableError
            unit = stream.time_base
            first = stream.start_time
            wanted, beyond = first + int(start / unit), first + int(end / unit) + 1
            container.seek(wanted, stream=stream, backward=True)
            path = folder / f"piece{_SUFFIXES[muxer]}"
            with av.open(f"file:{path.absolute()}", "w", format=muxer) as piece:
                copy = piece.add_stream_from_template(stream)
                base, order = None, 0
                for packet in _packets(container.demux(stream), beyond):
                    if base is None:
                        if not packet.is_keyframe:
                            continue
                        base, order = packet.pts, packet.pts - int(_LEAD / unit)
                        if base > wanted and base > first:
                            raise UnseekableError  # the seek went past the keyframe that the first frames need
                    if packet.pts < base:
                        continue  # pictures shown before an open group's keyframe lack what they refer to
                    # Matroska holds no decoding times; FFmpeg derives them, but not the first ones after a seek.
                    order = order + 1 if packet.dts is None else packet.dts
                    packet.pts, packet.dts = packet.pts - base, order - base
                    packet.stream = copy
                    piece.mux(packet)
            if base is None:
                raise _too_short(None, end)
            return Piece(path, float((base - first) * unit))
    except av.error.FFmpegError as error:
        if error.errno == errno.ENOSPC:
            raise KinemaError(f"{folder}: the disk is full; free some space and run again") from error
        raise ClipError(Reason.DAMAGED, f"not a readable video ({error.strerror or error})") from error


def write_clip(
    video: Path, target: Path, start: float, end: float, *, short_side: int, offset: float = 0.0
) -> None:
    """Write the frames of [start, end) seconds as an H.264 mp4 without sound, whole or not at all.

    The shorter side is made `short_side` pixels where it is longer. `offset`: seconds of the original before
    the file `video` begins. Raises `ClipError` when the video ends more than a second before `end`, or where
    frames cannot be decoded.
    """
    try:
        with closing(open_source(video, threads=1)) as source:
            frames = source.frames(
                start=max(0.0, start - offset), end=end - offset, size=_fitted(source.size, short_side)
            )
            rate = min(source.fps or 25.0, 120.0)
            shown = None
            with VideoWriter(target, rate, threads=1) as out:
                for frame in frames:
                    out.write(frame)
                    shown = frame.time + offset + 1 / rate
                if shown is None or shown < end - SHORTFALL:
                    if source.problems:
                        raise ClipError(Reason.DAMAGED, source.problems[0].partition(": ")[2])
                    raise _too_short(shown, end)
    except DataError as error:
        raise ClipError(Reason.DAMAGED, str(error).partition(": ")[2]) from error


def decodes(clip: str | os.PathLike[str]) -> bool:
    """Return whether every frame of a clip can be decoded and none is missing at its end."""
    try:
        with closing(open_source(clip, threads=1)) as source:
            count = sum(1 for _ in source.pictures(0.0, None))
            return count > 0 and not source.problems
    except KinemaError:
        return False


def _packets(packets: Iterable[Any], beyond: int) -> Iterator[Any]:
    """Yield packets until no later one can hold a picture that is shown before the time stamp `beyond`."""
    late = 0
    for packet in packets:
        if not packet.size:
            continue
        if packet.pts is None:
            raise UnseekableError
        late += packet.pts >= beyond
        if late > _REORDERED or (packet.dts is not None and packet.dts >= beyond):
            return
        yield packet


def _too_short(shown: float | None, end: float) -> ClipError:
    where = "before the clip begins" if shown is None else f"at {shown:.1f} s"
    return ClipError(Reason.SHORT, f"the video ends {where}; the clip was to end at {end:g} s")


def _fitted(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    width, height = size
    scale = min(1.0, short_side / min(size))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
