"""What an engine knows of one source: where the model is in it, and which events go on."""

from __future__ import annotations

import time
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.events import Event, EventDetector, EventRules, energy
from kinema.streaming.lanes import Lane, Sample
from kinema.streaming.rows import Row


class StreamModel(Protocol):
    """What is needed of a `Recognizer`."""

    classes: list[str]
    spec: ClipSpec
    temperature: float

    @property
    def follower(self) -> Any: ...

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]: ...


class Followed:
    """One source as the recognizer follows it: the state of the model, the smoothing, and the events that go on."""

    def __init__(self, lane: Lane, recognizer: StreamModel, rules: EventRules) -> None:
        self.lane = lane
        self.finished = False
        self.detector: EventDetector | None = None
        self._recognizer, self._rules = recognizer, rules
        self._state: Any = None
        self._seen = 0

    def advance(
        self, samples: list[Sample], features: NDArray[Any], taken: float, backbone: float
    ) -> list[tuple[Row, list[Event]]]:
        """Take the next pictures and what was computed of them; return the rows and what happened at each."""
        if self.detector is None:
            began = self.lane.began if self.lane.source.live else None
            self.detector = EventDetector(
                self._recognizer.classes, self._rules, self.lane.source.name, began=began
            )
        found: list[tuple[Row, list[Event]]] = []
        begin = 0
        for end in range(1, len(samples) + 1):
            # A window that begins anew cannot be computed in one call with what was before.
            if end == len(samples) or samples[end].anew:
                found += self._rows(samples[begin:end], features[begin:end], taken, backbone)
                begin = end
        return found

    def _rows(
        self, samples: list[Sample], features: NDArray[Any], taken: float, backbone: float
    ) -> list[tuple[Row, list[Event]]]:
        assert self.detector is not None
        if samples[0].anew:
            self._state, self._seen = None, 0
        repeats = [len(sample.times) for sample in samples]
        began = time.monotonic()
        if max(repeats) > 1:
            features = np.repeat(features, repeats, axis=0)
        logits, self._state = self._recognizer.follower.advance(features, self._state)
        probabilities = self._recognizer.probabilities(logits)
        energies = energy(logits, self._recognizer.temperature)
        now = time.monotonic()
        head = (now - began) / len(samples)
        found: list[tuple[Row, list[Event]]] = []
        place = 0
        for sample in samples:
            waited, latency = taken - sample.captured - sample.decoding, now - sample.captured
            for number, moment in enumerate(sample.times, start=1):
                self._seen += 1
                if number > len(sample.times) - sample.answers:
                    full = self._seen >= self._recognizer.spec.frames
                    score = float(energies[place])
                    events = self.detector.push(moment, probabilities[place], energy=score, full=full)
                    row = Row(
                        self.lane.index, self.lane.source.name, moment, probabilities[place], self.detector.smoothed.copy(), full,
                        self.detector.known, score, sample.captured, max(0.0, waited), sample.decoding, backbone, head, latency,
                    )  # fmt: skip
                    found.append((row, events))
                place += 1
            self.lane.counter.use(
                now,
                sample.answers,
                latency=latency,
                waited=max(0.0, waited),
                decode=sample.decoding,
                backbone=backbone,
                head=head,
            )
        return found
