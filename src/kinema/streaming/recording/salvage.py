"""Recordings that a killed process has left: what plays of them gets an index and its final name."""

from __future__ import annotations

from pathlib import Path

import av
import av.error

from kinema.errors import KinemaError
from kinema.files import atomic_path
from kinema.streaming.recording.names import UNFINISHED, finished


def recover(folder: Path) -> list[Path]:
    """Finish the unfinished segments of a folder and return their new paths; those without a picture are removed.

    One that cannot be rewritten, since the disk is full, keeps its data and only gets its name.
    """
    found = []
    for path in sorted(folder.glob(f"*{UNFINISHED}")):
        final = finished(path)
        try:
            with atomic_path(final) as temporary:
                count = _rewrite(path, temporary)
                if not count:
                    raise _NothingInItError
            path.unlink()
        except _NothingInItError:
            path.unlink()
            continue
        except KinemaError:
            if not plays(path):
                continue
            path.replace(final)
        found.append(final)
    return found


def plays(path: Path) -> bool:
    """Say whether there is a picture in a file."""
    try:
        with av.open(f"file:{path}") as container:
            return next(container.decode(video=0), None) is not None
    except (av.error.FFmpegError, OSError, IndexError):
        return False


class _NothingInItError(Exception):
    pass


def _rewrite(path: Path, out: Path) -> int:
    """Copy the packets of a file that may end anywhere into one with its index at the front; return their number."""
    count = 0
    try:
        with av.open(f"file:{path}") as source:
            stream = source.streams.video[0]
            with av.open(f"file:{out}", "w", format="mp4", options={"movflags": "+faststart"}) as target:
                copy = target.add_stream_from_template(stream)
                try:
                    for packet in source.demux(stream):
                        if packet.dts is not None:
                            packet.stream = copy
                            target.mux(packet)
                            count += 1
                except av.error.InvalidDataError:  # the end is not whole
                    return count
    except (av.error.InvalidDataError, av.error.EOFError, IndexError):
        return count
    except (av.error.FFmpegError, OSError) as error:
        raise KinemaError(f"{path}: cannot be finished: {error.strerror or error}") from error
    return count
