"""Feeds the chunks of one job into the part of its video."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.errors import KinemaError
from kinema.evaluation.prediction_parts import Part
from kinema.evaluation.video_inputs import Truth, VideoInput
from kinema.models.prediction import Job, TimelineChunk
from kinema.video import FolderSource, open_source


class PartReader:
    """Feeds a part with the chunks of its job, which begins anew or behind what an earlier call has seen."""

    def __init__(self, entry: VideoInput, part: Part, spec: ClipSpec) -> None:
        self.input, self.part, self.spec = entry, part, spec
        self.started = False
        self.fraction = 0.0
        # A window needs all of its pictures, and the first of them two frames before it (gray_stack).
        warm_up = spec.frames + 3
        self._resume = part.resumable(least=warm_up + 1)
        self._skip = warm_up if self._resume else 0
        self._truth = Truth(entry.segments)
        self._names: list[str] | None = None
        self._seconds: float | None = None
        self._next_frame = part.state.next_frame if self._resume else 0

    def job(self) -> Job:
        """Return what is left to look at."""
        entry, start = self.input, self.input.start
        if self._resume:
            # Row i stands for the time start + i / fps, so the grid goes on as if there had been no pause.
            start = (start or 0.0) + (self.part.state.rows - self._skip) / self.spec.fps
        return Job(entry.path, start, entry.end, entry.fps)

    def take(
        self,
        chunk: TimelineChunk,
        probabilities: NDArray[np.float32],
        energies: NDArray[np.float32],
        seconds: float,
    ) -> None:
        """Append a chunk, whose computation took `seconds`; the last one finishes the part."""
        if not self.started:
            self._begin(chunk)
        self.part.state.work_seconds += seconds
        skip = min(self._skip, len(chunk.times))
        self._skip -= skip
        new = chunk.frame_indices >= self._next_frame
        times, indices = chunk.frame_times[new], chunk.frame_indices[new]
        self.part.add(
            chunk.times[skip:],
            probabilities[skip:],
            energies[skip:],
            self._full(chunk.full[skip:]),
            [self._names[index] if self._names else str(index) for index in indices.tolist()],
            times,
            self.input.name,
            self._truth,
        )
        if len(indices):
            self._next_frame = self.part.state.next_frame = int(indices[-1]) + 1
        if self._seconds and len(times):
            self.fraction = min(1.0, (float(times[-1]) - (self.input.start or 0.0)) / self._seconds)
        if chunk.last:
            error = str(chunk.error) if chunk.error else ""
            self.part.finish(error, getattr(chunk, "problems", None) or [])

    def pause(self) -> None:
        """Keep what came so far."""
        if self.started:
            with suppress(KinemaError):
                self.part.close()

    def _begin(self, chunk: TimelineChunk) -> None:
        self.started = True
        self.part.open(resume=self._resume)
        if chunk.error is not None and not len(chunk.times):
            return
        if self.input.path.is_dir():
            self._names = FolderSource(str(self.input.path), fps=self.input.fps or 25.0).names
        if not chunk.last:
            with suppress(KinemaError), open_source(self.input.path, fps=self.input.fps) as source:
                end = self.input.end or source.duration
                self._seconds = None if end is None else max(1e-9, end - (self.input.start or 0.0))

    def _full(self, full: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.ones_like(full) if self._resume else full
