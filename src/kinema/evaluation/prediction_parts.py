"""The rows of one video on disk while they come, such that a killed job goes on where it was."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from kinema.errors import KinemaError
from kinema.evaluation.video_inputs import Truth
from kinema.files import write_json

ROWS_FORMAT = 2
"""Of `NAME.rows`: 2 has the energy of each row, 1 had none. Another format is computed again."""

_SAVE_EVERY = 5.0  # seconds of work that a kill may cost


@dataclass
class PartState:
    """What a part's files hold: the first `row_bytes` and `csv_bytes` of them count, whatever stands behind.

    `source` says which stretch of which video, `key` with which content, recognizer and settings. `rows`
    sampled pictures, `frames` frames between `first_time` and `last_time` (seconds). `next_frame`: the
    index that follows. `done`: the video was seen to its end, or to `error`.
    """

    source: str
    key: str
    rows: int = 0
    row_bytes: int = 0
    csv_bytes: int = 0
    frames: int = 0
    next_frame: int = 0
    first_time: float = 0.0
    last_time: float = 0.0
    work_seconds: float = 0.0
    done: bool = False
    error: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def end(self) -> float:
        """When the showing of the last frame ends, in seconds, taking frames to be evenly spaced."""
        spacing = (self.last_time - self.first_time) / (self.frames - 1) if self.frames > 1 else 0.0
        return self.last_time + spacing


class Part:
    """One video's rows: `NAME.rows` (the timeline, binary), `NAME.csv` (a line a frame), `NAME.json`
    (`PartState`), and `NAME.events` (`VideoEvents`), which goes when rows come anew.

    Rows are appended; the state is saved every few seconds and at the end. `NAME.csv` has no header and
    bears the name `NAME.csv.partial` until the video is done.
    """

    def __init__(self, folder: Path, name: str, classes: Sequence[str], state: PartState) -> None:
        self.name = name
        self.state = state
        self.csv_path = folder / f"{name}.csv"
        self.events_path = folder / f"{name}.events"
        self._partial = folder / f"{name}.csv.partial"
        self._rows_path = folder / f"{name}.rows"
        self._state_path = folder / f"{name}.json"
        self._classes = list(classes)
        numbers = ("probabilities", "<f4", (len(classes),))
        self._dtype = np.dtype([("time", "<f8"), ("full", "?"), ("energy", "<f4"), numbers])
        self._rows: IO[bytes] | None = None
        self._csv: IO[bytes] | None = None
        self._saved = time.monotonic()
        self._newest: tuple[str, str] | None = None  # class and text of the newest row
        self._early: list[tuple[str, float]] = []

    @property
    def whole(self) -> bool:
        """Whether the video is done and its files are there."""
        return self.state.done and self.csv_path.is_file() and self._rows_path.is_file()

    def timeline(self) -> NDArray[Any]:
        """Return the rows as a structured array `(n,)` with `time`, `full`, `energy` and `probabilities`
        `(K,)`, read from disk."""
        if not self.state.rows:
            return np.zeros(0, self._dtype)
        return np.memmap(self._rows_path, self._dtype, "r", shape=(self.state.rows,))

    def open(self, *, resume: bool) -> None:
        """Begin, or with `resume` go on behind what the state vouches for."""
        with self._writing():
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            self.events_path.unlink(missing_ok=True)
            sizes = (self.state.row_bytes, self.state.csv_bytes) if resume else (0, 0)
            if not resume:
                self.state = PartState(self.state.source, self.state.key)
                self.csv_path.unlink(missing_ok=True)
            self._rows, self._csv = (
                _opened(path, size)
                for path, size in zip((self._rows_path, self._partial), sizes, strict=True)
            )
            if resume and self.state.rows:
                last = self.timeline()[-1]
                self._newest = self._text(last["probabilities"])
            self._save()

    def resumable(self, least: int) -> bool:
        """Whether at least `least` rows of an unfinished video are there."""
        paths = ((self._rows_path, self.state.row_bytes), (self._partial, self.state.csv_bytes))
        whole = all(path.is_file() and path.stat().st_size >= size for path, size in paths)
        return not self.state.done and self.state.rows >= least and whole

    def add(
        self,
        times: NDArray[np.float64],
        probabilities: NDArray[np.float32],
        energies: NDArray[np.float32],
        full: NDArray[np.bool_],
        frame_names: Sequence[str],
        frame_times: NDArray[np.float64],
        video: str,
        truth: Truth,
    ) -> None:
        """Append sampled rows `(n,)`, `(n, K)`, `(n,)`, `(n,)` and a line for each of the frames decoded with
        them.

        A frame takes the newest row at or before its time; frames before the first row take that.
        """
        assert self._rows is not None and self._csv is not None
        state = self.state
        texts = [self._text(row) for row in probabilities]
        rows = np.zeros(len(times), self._dtype)
        rows["time"], rows["full"], rows["energy"], rows["probabilities"] = (
            times,
            full,
            energies,
            probabilities,
        )
        frames = [*self._early, *zip(frame_names, frame_times.tolist(), strict=True)]
        if self._newest is None and not texts:
            self._early = frames
            return
        self._early = []
        places = (np.searchsorted(times, [moment for _, moment in frames], side="right") - 1).tolist()
        before = self._newest or texts[0]
        cell = _cell(video)
        lines = []
        for (name, moment), place in zip(frames, places, strict=True):
            predicted, text = texts[place] if place >= 0 else before
            label, split, error = truth.at(moment, predicted)
            lines.append(f"{text},{cell},{_cell(name)},{_cell(label)},{_cell(split)},{error}\n")
        data = "".join(lines).encode()
        with self._writing():
            self._rows.write(rows.tobytes())
            self._csv.write(data)
        if frames and not state.frames:
            state.first_time = frames[0][1]
        if frames:
            state.last_time = frames[-1][1]
        self._newest = texts[-1] if texts else self._newest
        state.frames += len(frames)
        state.rows += len(times)
        state.row_bytes += rows.nbytes
        state.csv_bytes += len(data)
        if time.monotonic() - self._saved > _SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Flush the rows, then let the state vouch for them."""
        if self._rows is not None and self._csv is not None:
            with self._writing():
                self._rows.flush()
                self._csv.flush()
            self._save()

    def finish(self, error: str, problems: Sequence[str]) -> None:
        """Close the files and give the lines their name."""
        state = self.state
        state.error, state.problems = error, list(problems)
        self.close()
        with self._writing():
            self._partial.replace(self.csv_path)
        state.done = True
        self._save()

    def close(self) -> None:
        """Save and close; the part can be gone on with later."""
        self.save()
        with self._writing():
            for file in (self._rows, self._csv):
                if file is not None:
                    file.close()
        self._rows = self._csv = None

    def _save(self) -> None:
        self._saved = time.monotonic()
        write_json(self._state_path, asdict(self.state))

    def _text(self, probabilities: NDArray[np.float32]) -> tuple[str, str]:
        predicted = self._classes[int(probabilities.argmax())]
        return predicted, ",".join([*(f"{p:.6g}" for p in probabilities.tolist()), _cell(predicted)])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise KinemaError(f"{self._partial}: cannot be written: {error.strerror or error}") from error


def read_state(path: Path) -> PartState | None:
    """Return the state in a part's JSON file, None for another or damaged file."""
    try:
        return PartState(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def header(classes: Sequence[str]) -> str:
    """Return S4's first line of `frame_predictions.csv`, with its line end."""
    return ",".join(map(_cell, [*classes, "prediction", "video", "frame", "label", "split", "error"])) + "\n"


def locked(folder: Path) -> Any:
    """Take `folder` and its `parts` for this process alone; `KinemaError` where another has it, or it cannot be written."""
    try:
        (folder / "parts").mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(folder / "parts" / ".lock"))
        return lock.acquire(timeout=0)
    except Timeout as error:
        raise KinemaError(
            f"{folder}: another kinema writes predictions there; wait, or choose another folder"
        ) from error
    except OSError as error:
        raise KinemaError(
            f"{folder}: cannot be written: {error.strerror or error}; choose another folder"
        ) from error


def _opened(path: Path, size: int) -> IO[bytes]:
    if not size:
        return path.open("wb")
    file = path.open("r+b")
    file.truncate(size)
    file.seek(size)
    return file


def _cell(text: str) -> str:
    if not any(character in text for character in ',"\r\n'):
        return text
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([text])
    return out.getvalue()
