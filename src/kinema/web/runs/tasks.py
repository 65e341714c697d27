"""The job "train": a training in the worker, with progress, that can be cancelled and gone on with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.web.jobs.kinds import Cancelled, Progress, job
from kinema.web.runs.templatetags.runs_words import duration

if TYPE_CHECKING:
    from kinema.training import Listener, Run

# Of the whole work, where each stage begins and ends: guesses of how long they take beside each other.
_STAGES = {
    "preparing the backbone": (0.0, 0.02),
    "extracting features": (0.02, 0.3),
    "extracting features of mirrored pictures": (0.3, 0.5),
    "opening the videos": (0.0, 0.02),
    "training": (0.5, 0.95),
    "training, backbone included": (0.02, 0.85),
    "following the videos": (0.85, 0.93),
    "measuring": (0.95, 0.96),
    "measuring the baseline: features of single pictures": (0.93, 0.95),
    "measuring the speed": (0.96, 0.98),
    "writing the report": (0.98, 1.0),
}
_LOOK = 0.2  # seconds
_SAID_AFTER = 2.0


@job("train")
def train(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train as `arguments` say: `run` the folder; `data`, `model`, `settings`, `clip`, `model_settings`, `folds`, `device`.

    A run that was begun already goes on from its last checkpoint, and one that is finished is left as it is, so that the job
    may be killed and begun again. Cancelled, the run keeps what it learned, and can be gone on with.
    """
    folder = Path(arguments["run"])
    if not (folder / "results.json").exists():
        _Training(arguments, folder, progress).run()
    from kinema.web.recognizers import key_of

    return {"run": key_of(folder), "url": _address(key_of(folder))}


class _Training:
    """One training, in a thread of its own.

    In the main thread Ctrl-C ends a fit and makes a finished run of what was learned so far. A worker that is told to end, and a
    user who cancels, want one that can be gone on with: so Ctrl-C stays here, and the training hears of it at its next step.
    """

    def __init__(self, arguments: dict[str, Any], folder: Path, progress: Progress) -> None:
        self._arguments, self._folder = arguments, folder
        self._teller = Teller(progress, self._check)
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        """Train to the end. Raises what the training raised, `KeyboardInterrupt` when this process is asked to end."""
        threading.Thread(target=self._work, name="training").start()
        # Not Thread.join: interrupted, it takes the thread for one that has ended (bpo-45274).
        try:
            while not self._ended.wait(_LOOK):
                pass
        except KeyboardInterrupt:
            self._stopping.set()
            self._ended.wait()
            if isinstance(self._error, Cancelled):
                raise
        if self._error is not None:
            raise self._error

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Cancelled("stopped")

    def _work(self) -> None:
        from django.db import connection

        try:
            self._train()
        except BaseException as error:
            self._error = error
        finally:
            connection.close()
            self._ended.set()

    def _train(self) -> Run:
        from kinema.data import read_data
        from kinema.training import resume
        from kinema.training import train as train_recognizer
        from kinema.training.run_state import RunState

        values = self._arguments
        if RunState(self._folder).exists:
            device = values.get("device")
            other = None if device == "auto" else device
            return resume(self._folder, device=other, listener=self._teller.listener())
        self._teller.stage("reading the data")
        return train_recognizer(
            read_data(values["data"]),
            model=values["model"],
            run=str(self._folder),
            k=values.get("folds"),
            clip=values.get("clip") or {},
            settings=values.get("settings") or {},
            device=values.get("device") or "auto",
            listener=self._teller.listener(),
            **(values.get("model_settings") or {}),
        )


class Teller:
    """Turns what a training says into one share of the whole and one line; `check` raises when it shall stop."""

    def __init__(self, progress: Progress, check: Callable[[], None] = lambda: None) -> None:
        self._progress, self._check = progress, check
        self._span = 0.0, 0.0
        self._share = 0.0
        self._stage = ""
        self._began: tuple[float, float] | None = None

    def listener(self) -> Listener:
        """Return what `kinema.training.train` tells."""
        from kinema.training import Listener

        return Listener(self.stage, self.items, self.epoch, self.say)

    def stage(self, text: str) -> None:
        """Hear that a stage begins."""
        self._stage, self._began = text, None
        self._span = _STAGES.get(text, (self._share, self._share))
        self._tell(0.0, text)

    def items(self, done: int, total: int) -> None:
        """Hear how many clips a stage has done."""
        share = done / total if total else 0.0
        self._tell(share, f"{self._stage}: {done} of {total} clips{self._left(share)}")

    def epoch(self, done: int, total: int, row: dict[str, float]) -> None:
        """Hear of an epoch that ended."""
        text = f"epoch {row['epoch']:.0f} of {total}, loss {row['train_loss']:.3f}"
        if row["valid_loss"] == row["valid_loss"]:  # not NaN
            text += f", valid {row['valid_loss']:.3f}, accuracy {100 * row['valid_accuracy']:.1f} %"
        share = row["epoch"] / total if total else 0.0
        self._tell(share, text + self._left(share))

    def say(self, sentence: str) -> None:
        """Hear what a user must know."""
        self._tell(0.0, sentence)

    def _left(self, share: float) -> str:
        """Return how long the stage still takes if it goes on as it did, empty before that can be said."""
        now = time.monotonic()
        if self._began is None:
            self._began = now, share
        began, first = self._began
        if now - began < _SAID_AFTER or share <= first or share >= 1:
            return ""
        return f", about {duration((now - began) * (1 - share) / (share - first))} left"

    def _tell(self, share: float, text: str) -> None:
        self._check()
        begin, end = self._span
        self._share = max(self._share, begin + (end - begin) * min(1.0, share))
        self._progress(self._share, 1.0, text)


def _address(key: str) -> str:
    from django.urls import reverse

    return reverse("runs:show", args=[key])
