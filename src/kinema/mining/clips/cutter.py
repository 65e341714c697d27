"""ClipCutter: writes the chosen clips in threads of its own, those that are not there yet, and notes what is written."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinema.errors import DataError
from kinema.mining.clips.curve import Shot
from kinema.mining.clips.cutting import WrittenClip, at_keyframes, keyframes_of, write_clip
from kinema.mining.clips.naming import clip_name, label_words
from kinema.mining.clips.results import MinedVideo
from kinema.mining.clips.selection import CandidateClip
from kinema.mining.clips.store import ScoreStore

FOLDER = "clips"


@dataclass
class CutJob:
    """A video to cut from: its file, rate (of a frame folder) and shots, and the first part of its clips' names."""

    path: Path
    fps: float | None
    shots: Sequence[Shot]
    word: str


@dataclass
class ClipCutter:
    """Cuts into `folder/clips`, `workers` at a time. `copy`: clips may begin at keyframes near by, and are copied then.

    Files that a killed process left half-written are removed.
    """

    folder: Path
    store: ScoreStore
    classes: Sequence[str]
    overlap: float
    copy: bool
    workers: int
    _waiting: list[tuple[MinedVideo, CandidateClip, str, Future[WrittenClip] | dict[str, Any]]] = field(
        default_factory=list, init=False
    )

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.workers, "cut")
        self._words = label_words(self.classes)
        for left in (self.folder / FOLDER).glob(".*.mp4"):
            with suppress(OSError):
                left.unlink()

    def cut(self, job: CutJob, clips: Sequence[CandidateClip], result: MinedVideo) -> None:
        """Have the clips of a video written; they come into `result` when they are."""
        keyframes = keyframes_of(job.path) if self.copy else None
        for clip in at_keyframes(clips, job.shots, keyframes, self.overlap):
            name = clip_name(job.word, self._words[clip.label], clip.start, clip.end)
            target = self.folder / FOLDER / name
            made: Future[WrittenClip] | dict[str, Any] | None = self.store.clip(name, result.content, target)
            if made is None:
                latest = next(s.end for s in reversed(job.shots) if s.start - 1e-6 <= clip.start)
                made = self._pool.submit(
                    write_clip, job.path, target, clip.start, clip.end,
                    fps=job.fps, keyframes=keyframes, latest=latest,
                )  # fmt: skip
            self._waiting.append((result, clip, name, made))

    def take_in(self, *, wait: bool = False) -> None:
        """Note the clips that are written by now, all of them with `wait`, in their order.

        A clip that cannot be cut is a problem of its video. Raises `KinemaError` when the disk is full, for example.
        """
        while self._waiting:
            result, clip, name, made = self._waiting[0]
            if isinstance(made, Future) and not (wait or made.done()):
                return
            del self._waiting[0]
            if isinstance(made, Future):
                if made.cancelled():
                    continue
                try:
                    written = made.result()
                except DataError as error:
                    result.problems.append(str(error))
                    continue
                about = {
                    "start": round(written.start, 6),
                    "end": round(written.end, 6),
                    "frames": written.frame_count,
                    "copied": written.copied,
                }
                self.store.note_clip(name, result.content, written.path, about)
            else:
                about = made
            result.clips.append((clip, name, about))

    def stop(self) -> None:
        """Let the clips that are being written be finished, begin no other, and take in what is there, whatever is not."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        while self._waiting:
            with suppress(Exception):  # what stops the cutter is said already
                self.take_in(wait=True)

    def close(self) -> None:
        """Wait for all clips and take them in. Raises as `take_in`."""
        self._pool.shutdown(wait=True)
        self.take_in(wait=True)
