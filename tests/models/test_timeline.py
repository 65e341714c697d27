"""Videos through a model: what is in a batch, and what follows a video picture by picture."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kinema.data.clipspec import ClipSpec
from kinema.models import ClipModel, Job, Recognizer, embed_jobs, timeline
from kinema.video import Source


@dataclass
class Blank:
    time: float
    index: int

    def image(self, size: tuple[int, int] | None) -> NDArray[np.uint8]:
        width, height = size or (8, 8)
        return np.zeros((height, width, 3), np.uint8)


class Camera(Source):
    """Synthetic and live: two frames, and a third when it has arrived."""

    def __init__(self, arrived: threading.Event) -> None:
        self.name, self.fps, self.size = "camera", 5.0, (8, 8)
        self.duration, self.frame_count, self.live = None, None, True
        self.arrived = arrived

    def pictures(self, start: float, end: float | None) -> Generator[Blank]:
        yield from (Blank(0.0, 0), Blank(0.2, 1))
        assert self.arrived.wait(10)
        yield Blank(0.4, 2)

    def close(self) -> None:
        pass


def recognizer_of(head: str) -> Recognizer:
    """An untrained recognizer whose head weights are large enough for the answers to differ."""
    torch.manual_seed(1)
    spec = ClipSpec(frames=6, fps=5, height=64, width=64)
    found = Recognizer.create(
        "lrcn", ["walk", "run", "wave"], spec, backbone="test_resnet", weights="none", head=head
    )
    found.device = "torch"
    with torch.no_grad():
        for parameter in found.factorised.head.parameters():
            parameter.mul_(3.0)
    return found


def test_prediction_does_not_depend_on_batches_or_neighbours(
    synthetic_video: Path, short_video: Path
) -> None:
    recognizer = recognizer_of("gru")
    alone = recognizer.predict(synthetic_video).probabilities
    jobs = [Job(short_video), Job(synthetic_video), Job(short_video)]
    rows = [c.logits for c in recognizer.timeline(jobs, batch_size=5) if c.job == 1]
    assert np.abs(recognizer.probabilities(np.concatenate(rows)) - alone).max() < 1e-5


def test_a_decoder_that_stalls_changes_no_bit(synthetic_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recognizer = recognizer_of("tcn")
    sizes: list[int] = []
    recognizer.model.backbone.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    before = recognizer.predict(synthetic_video).probabilities
    read = timeline._pictures

    def stalling(*arguments: Any) -> Any:
        for place, picture in enumerate(read(*arguments)):
            if place == 5:
                time.sleep(0.5)
            yield picture

    monkeypatch.setattr(timeline, "_pictures", stalling)
    monkeypatch.setattr(timeline, "_POLL", 0.02)
    monkeypatch.setattr(timeline, "_PATIENCE", 0.05)
    assert np.array_equal(recognizer.predict(synthetic_video).probabilities, before)
    assert sizes == [12, 12]  # one batch, as without the stall


def test_pictures_of_a_live_source_do_not_wait_for_a_full_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = threading.Event()
    monkeypatch.setattr(timeline, "_PATIENCE", 0.05)
    monkeypatch.setattr(timeline, "_POLL", 0.02)
    spec = ClipSpec(frames=2, fps=5, height=8, width=8)
    chunks = embed_jobs(
        [Job(Camera(arrived))], spec, lambda pictures: np.zeros((len(pictures), 1), np.float32)
    )
    assert len(next(chunks).times) == 2
    arrived.set()
    assert sum(len(chunk.times) for chunk in chunks) == 1


def test_a_model_of_whole_clips_answers_every_stride_pictures_by_hand() -> None:
    class Sums(ClipModel):
        """Logits: the sum of a clip, and its last picture."""

        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return torch.stack([clips[:, 0, :, 0, 0].sum(1), clips[:, 0, -1, 0, 0]], dim=1)

    model = Sums(2, frames=3, stride=2)
    pictures = torch.arange(1.0, 8.0)[:, None, None, None].expand(-1, 3, 1, 1)
    # Windows end at pictures 1 (only itself, three times), 3, 5 and 7; the others repeat the answer before.
    expected = [[3, 1], [3, 1], [6, 3], [6, 3], [12, 5], [12, 5], [18, 7]]
    assert model.track(pictures)[0].tolist() == expected
    for cuts in ((1, 1, 1, 1, 1, 1, 1), (2, 4, 1), (3, 4)):
        state, found = None, []
        for part in pictures.split(cuts):
            logits, state = model.track(part, state)
            found += logits.tolist()
        assert found == expected
