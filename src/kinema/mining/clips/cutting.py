"""One clip of a video as a file: its packets copied where that gives what was promised, else its frames encoded anew."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from kinema.data.fetch.cutting import decodes
from kinema.errors import DataError, KinemaError
from kinema.files import atomic_path
from kinema.mining.clips.curve import Shot
from kinema.mining.clips.selection import CandidateClip, overlap_share
from kinema.video import VideoWriter, open_source
from kinema.video.decoder import Decoder, video_stream
from kinema.video.file_source import FileSource
from kinema.video.remote import held

_CODECS = frozenset({"h264", "av1"})  # what browsers play in an mp4
_CONTAINERS = ("mov", "matroska")
_AHEAD = 32  # packets; no codec shows a picture later than so many places after its turn to be decoded
_SHIFT = (
    0.25  # of its length that a clip may be moved to begin at a keyframe: its peak stays in the middle half
)


@dataclass(frozen=True)
class WrittenClip:
    """A clip's file: where in the source it begins and ends (seconds), its frames, and whether packets were copied."""

    path: Path
    start: float
    end: float
    frame_count: int
    copied: bool


@dataclass(frozen=True)
class Keyframes:
    """The keyframes of a file whose packets can be copied: `times` in seconds, and the stamps behind them."""

    times: list[float]
    stamps: list[int]
    first: int
    unit: Fraction


def keyframes_of(path: Path) -> Keyframes | None:
    """Return where copying can begin; None for a video that is always encoded anew: another codec or kind of file."""
    if path.is_dir():
        return None
    with suppress(KinemaError, av.error.FFmpegError, OSError), held(path) as local:
        with closing(Decoder(str(local), 1, lambda what: None)) as decoder:
            stream = decoder.stream
            name = decoder.container_name
            if stream.codec_context.name not in _CODECS or not any(kind in name for kind in _CONTAINERS):
                return None
            unit = stream.time_base
        with closing(FileSource(str(local), threads=1)) as source:
            timeline = source.timeline()
        if timeline is None or unit is None:
            return None
        first = timeline.stamps[0]
        times = [float((stamp - first) * unit) for stamp in timeline.keyframes]
        return Keyframes(times, timeline.keyframes, first, unit)
    return None


def at_keyframes(
    clips: Sequence[CandidateClip], shots: Sequence[Shot], keyframes: Keyframes | None, overlap: float
) -> list[CandidateClip]:
    """Return the clips, moved to begin at a keyframe where one is near.

    No clip leaves its shot, moves by more than a quarter of its length, or comes to overlap another of its label by more than
    `overlap` of the shorter.
    """
    found = list(clips)
    if keyframes is None:
        return found
    for number, clip in enumerate(found):
        if clip.short:
            continue
        shot = next((s for s in shots if s.start - 1e-6 <= clip.start < s.end), None)
        if shot is None:
            continue
        near = [
            time
            for time in keyframes.times
            if abs(time - clip.start) <= _SHIFT * clip.seconds
            and time >= shot.start - 1e-6
            and time + clip.seconds <= shot.end + 1e-6
            and time <= clip.peak_time <= time + clip.seconds
        ]
        for time in sorted(near, key=lambda time: abs(time - clip.start)):
            moved = replace(clip, start=time, end=time + clip.seconds)
            others = (other for i, other in enumerate(found) if i != number and other.label == clip.label)
            if all(overlap_share(moved, other) <= overlap + 1e-6 for other in others):
                found[number] = moved
                break
    return found


def write_clip(
    path: Path,
    target: Path,
    start: float,
    end: float,
    *,
    fps: float | None = None,
    keyframes: Keyframes | None = None,
    latest: float | None = None,
    quality: int = 20,
) -> WrittenClip:
    """Write the frames of [start, end) seconds of a video as an mp4 without sound, whole or not at all.

    Where `start` is one of `keyframes` and the packets up to `end` can be told from those behind it to within a frame, they
    are copied, and the file is decoded to be sure; else the frames are encoded as H.264, exactly. `latest`: the
    moment that a copy must not pass, a cut for example; `fps`: of a frame folder.
    Raises `DataError` when there is no frame there, `KinemaError` when the file cannot be written.
    """
    if keyframes is not None:
        copied = _copied(path, target, start, end, keyframes, end if latest is None else latest)
        if copied is not None:
            return copied
    return _encoded(path, target, start, end, fps, quality)


def _encoded(
    path: Path, target: Path, start: float, end: float, fps: float | None, quality: int
) -> WrittenClip:
    with closing(open_source(path, fps=fps if path.is_dir() else None, threads=1)) as source:
        rate = min(source.fps or 25.0, 240.0)
        first = last = None
        with VideoWriter(target, rate, quality=quality, threads=1) as out:
            for frame in source.frames(start=start, end=end):
                first, last = first or frame, frame
                out.write(frame)
            if first is None or last is None:
                raise DataError(f"{path}: no frame between {start:.2f} s and {end:.2f} s; nothing to cut")
            shown = last.time + 1 / rate
            if shown + 1 / rate < end and next(source.frames(start=end), None) is not None:
                # A variable rate: the next frame comes behind the clip, and this one is shown until then.
                out.write(replace(last, time=end - 1 / rate))
                shown = end
        return WrittenClip(target, first.time, shown, out.frame_count, False)


def _copied(
    path: Path, target: Path, start: float, end: float, keyframes: Keyframes, latest: float
) -> WrittenClip | None:
    """Copy packets; None where that would not give the promised frames."""
    near = min(range(len(keyframes.times)), key=lambda i: abs(keyframes.times[i] - start))
    if abs(keyframes.times[near] - start) > 0.002:
        return None
    base, unit = keyframes.stamps[near], keyframes.unit
    try:
        with held(path) as local, av.open(f"file:{local.absolute()}", metadata_errors="replace") as container:
            stream = video_stream(str(path), container)
            rate = stream.average_rate or Fraction(25)
            wanted = round((end - start) / float(unit))
            container.seek(base, stream=stream, backward=True)
            packets = _packets(container.demux(stream), base, base + wanted)
            most = round((latest - start) / float(unit))
            stamps = [packet.pts - base for packet in packets]
            count, length = _closed_prefix(stamps, wanted, 1 / (rate * unit), most)
            if not count or any(packet.dts is None for packet in packets[:count]):
                return None
            with atomic_path(target) as temporary:
                _mux(packets[:count], stream, temporary, base)
                if not _faithful(temporary, count, path):
                    raise _UnfaithfulError
    except (av.error.FFmpegError, _UnfaithfulError, DataError, ValueError):
        return None
    first = keyframes.times[near]
    return WrittenClip(target, first, first + float(length * unit), count, True)


class _UnfaithfulError(Exception):
    """The copy does not show what was to be shown."""


def _packets(demuxed: Any, base: int, end: int) -> list[Any]:
    """Return the packets in decoding order from the keyframe on, and some behind those that are shown before `end`."""
    found: list[Any] = []
    late = 0
    for packet in demuxed:
        if not packet.size or packet.is_discard:
            continue
        if packet.pts is None:
            return []
        if not found and (not packet.is_keyframe or packet.pts != base):
            continue
        if packet.pts < base:
            continue  # shown before an open group's keyframe; they lack what they refer to
        found.append(packet)
        late += packet.pts >= end
        if late > _AHEAD:
            break
    return found


def _closed_prefix(
    stamps: Sequence[int], wanted: int, frame: Fraction | float, most: float = math.inf
) -> tuple[int, int]:
    """Return how many packets, in decoding order, show everything before some moment within a frame of `wanted` and
    not beyond `most`, and that moment; (0, 0) where there is none.

    A picture that others refer to may be decoded before and shown after `wanted`: a file that ends there would show it early.

    >>> _closed_prefix([0, 3, 1, 2, 6, 4, 5], wanted=3, frame=1)
    (4, 4)
    >>> _closed_prefix([0, 4, 2, 1, 3, 8, 6, 5, 7], wanted=3, frame=1)
    (0, 0)
    """
    best = (0, 0)
    later = [0] * (len(stamps) + 1)
    later[-1] = max(stamps, default=0) + round(frame)
    for i in range(len(stamps) - 1, -1, -1):
        later[i] = min(later[i + 1], stamps[i])
    highest = -1
    for count, stamp in enumerate(stamps, start=1):
        highest = max(highest, stamp)
        moment = later[count]
        close = highest < moment <= most + frame / 10 and abs(moment - wanted) <= frame * 1.01
        if close and (not best[0] or abs(moment - wanted) < abs(best[1] - wanted)):
            best = (count, moment)
    return best


def _mux(packets: Sequence[Any], template: Any, path: Path, base: int) -> None:
    options = {"movflags": "+faststart"}
    with av.open(f"file:{path.absolute()}", "w", format="mp4", options=options) as out:
        copy = out.add_stream_from_template(template)
        for packet in packets:
            packet.pts, packet.dts = packet.pts - base, packet.dts - base
            packet.stream = copy
            out.mux(packet)


def _faithful(path: Path, count: int, original: Path) -> bool:
    """Return whether the copy decodes whole, has so many frames, begins at once, and is shown as its original is."""
    if not decodes(os.fspath(path)):
        return False
    with closing(open_source(path, threads=1)) as clip, closing(open_source(original, threads=1)) as source:
        times = [picture.time for picture in clip.pictures(0.0, None)]
        return len(times) == count and times[0] == 0 and clip.size == source.size
