"""Which videos to predict, and what is known about each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinema.data import Manifest, Segment
from kinema.errors import DataError
from kinema.video import TIME_TOLERANCE, natural_order
from kinema.video.file_source import VIDEO_SUFFIXES
from kinema.video.folder_source import IMAGE_SUFFIXES
from kinema.video.remote import copy_path, is_address


@dataclass(frozen=True)
class VideoInput:
    """One video to look at, between `start` and `end` (seconds, None: whole).

    `name` is how the user or the manifest writes it, `fps` the rate of a frame folder, `segments` what the
    manifest says of it, in order of their starts.
    """

    name: str
    path: Path
    start: float | None = None
    end: float | None = None
    fps: float | None = None
    segments: tuple[Segment, ...] = ()

    @property
    def label(self) -> str | None:
        """The label of the whole video: that of all its segments, None where they differ or are not known."""
        labels = {segment.label for segment in self.segments}
        return labels.pop() if len(labels) == 1 else None

    @property
    def split(self) -> str | None:
        """The split of all segments, None where they differ or are not known."""
        splits = {segment.split for segment in self.segments}
        return splits.pop() if len(splits) == 1 else None


class Truth:
    """What a manifest says of the frames of one video, asked in the order of their times."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._waiting = sorted(segments, key=lambda segment: segment.start or 0.0, reverse=True)
        self._current: list[Segment] = []

    def at(self, time: float, prediction: str) -> tuple[str, str, str]:
        """Return `label`, `split` and `error` of the frame at `time` seconds, as S4 writes them; empty when
        not known.

        `error` is 1 where the prediction is wrong, else 0. Where segments overlap, the prediction is right
        if it is the label of one of them.
        """
        while self._waiting and (self._waiting[-1].start or 0.0) <= time + TIME_TOLERANCE:
            self._current.append(self._waiting.pop())
        self._current = [s for s in self._current if s.end is None or time < s.end - TIME_TOLERANCE]
        if not self._current:
            return "", "", ""
        fitting = next((s for s in self._current if s.label == prediction), self._current[0])
        error = "" if fitting.label is None else str(int(fitting.label != prediction))
        return fitting.label or "", fitting.split or "", error


def video_inputs(
    videos: Manifest | Sequence[str | os.PathLike[str] | VideoInput],
    *,
    fps: float | None = None,
    out: Path | None = None,
) -> list[VideoInput]:
    """Return the videos of a manifest, or those that paths name: files, frame folders, and folders of both,
    recursively.

    An address such as `s3://bucket/clip.mp4` names one video. A folder is a frame folder when it has images
    and there is no video in it or below. Hidden files, the folder `out` and the results of earlier
    predictions are passed over; a video named twice counts once. A `VideoInput` is taken as it is, so that a
    caller can say how a file is called in the results. A manifest's video is looked at from the
    earliest start of its segments to the latest end, a frame folder as a whole. `fps` is the rate of frame
    folders that do not state theirs.

    Raises `DataError` for a path that does not exist or a folder without any video.
    """
    if isinstance(videos, Manifest):
        return _of_manifest(videos, fps)
    found: dict[Path, VideoInput] = {}
    for video in videos:
        if isinstance(video, VideoInput):
            found.setdefault(video.path.resolve(), video)
            continue
        if is_address(os.fspath(video)):
            copy = copy_path(os.fspath(video))
            found.setdefault(copy, VideoInput(os.fspath(video), copy))
            continue
        path = Path(video)
        try:
            exists = path.exists()
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read: {error}") from error
        if not exists:
            raise DataError(f"{path}: no such file or folder; check the path")
        if not path.is_dir():
            found.setdefault(path.resolve(), VideoInput(str(path), path))
            continue
        inside = _below(path, {out.resolve()} if out else set())
        if not inside:
            raise DataError(
                f"{path}: no video in this folder; give videos (such as .mp4) or folders of frames (.jpg)"
            )
        for item in inside:
            rate = fps if item.is_dir() else None
            found.setdefault(item.resolve(), VideoInput(str(item), item, fps=rate))
    return list(found.values())


def _of_manifest(manifest: Manifest, fps: float | None) -> list[VideoInput]:
    by_video: dict[Path, list[Segment]] = {}
    for segment in manifest.segments():
        by_video.setdefault(segment.video, []).append(segment)
    found = []
    for path, segments in by_video.items():
        segments.sort(key=lambda segment: segment.start or 0.0)
        frames = path.is_dir()
        rates = [s.extra["fps"] for s in segments if s.extra.get("fps")]
        start = end = None
        if not frames:
            start = None if any(s.start is None for s in segments) else min(s.start or 0.0 for s in segments)
            end = None if any(s.end is None for s in segments) else max(s.end or 0.0 for s in segments)
        rate = (float(rates[0]) if rates and rates[0] == rates[0] else fps) if frames else None
        found.append(VideoInput(segments[0].name, path, start or None, end, rate, tuple(segments)))
    if not found:
        raise DataError(
            f"{manifest.path or manifest.root}: no rows to predict; choose another split or add videos"
        )
    return found


def _below(folder: Path, passed: set[Path]) -> list[Path]:
    try:
        items = sorted(folder.iterdir(), key=lambda item: natural_order(item.name))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}; check its permissions") from error
    passed.add(folder.resolve())  # a symbolic link may lead back up
    items = [item for item in items if not item.name.startswith(".")]
    found = [item for item in items if item.suffix.lower() in VIDEO_SUFFIXES and item.is_file()]
    for item in items:
        if item.is_dir() and item.resolve() not in passed and not _is_result(item):
            found += _below(item, passed)
    images = any(item.suffix.lower() in IMAGE_SUFFIXES and item.is_file() for item in items)
    return [folder] if images and not found else found


def _is_result(folder: Path) -> bool:
    return (folder / "parts").is_dir() and (folder / "frame_predictions.csv").is_file()
