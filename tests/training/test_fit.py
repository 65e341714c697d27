"""`fit` and its batches: the best weights are kept and used, a seed decides, bad numbers stop it."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.data import Segment
from kinema.errors import KinemaError
from kinema.models import VideoModel, create_head
from kinema.training import TrainSettings, fit
from kinema.training.batches import WindowBatches, Windows, _balanced, _spread, describe_tracks
from kinema.training.features import Track


class Line(VideoModel):
    """Two features in, two classes out."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(2)
        self.layer = nn.Linear(2, 2)
        self.scale = scale

    def forward(self, clips: Tensor) -> Tensor:
        return self.layer(clips) * self.scale


class Points:
    """Batches of points in two dimensions; `wrong` turns their labels around."""

    def __init__(self, count: int, seed: int, wrong: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        self.points = torch.from_numpy(rng.normal(size=(count, 2)).astype(np.float32))
        labels = (self.points[:, 0] > 0).long()
        turned = torch.from_numpy(rng.random(count) < wrong)
        self.labels = torch.where(turned, 1 - labels, labels)
        self.during: Any = None

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for points, labels in zip(self.points.chunk(4), self.labels.chunk(4), strict=True):
            if self.during is not None:
                self.during()
            yield points, labels

    def set_epoch(self, epoch: int) -> None:
        pass

    def logits(self, model: VideoModel, inputs: Tensor) -> Tensor:
        return model(inputs)

    def class_weights(self) -> Tensor:
        return torch.ones(2)


def loss_of(model: VideoModel, batches: Points) -> float:
    with torch.no_grad():
        return float(F.cross_entropy(model(batches.points), batches.labels))


def settings(**changes: Any) -> TrainSettings:
    values = {"epochs": 12, "learning_rate": 0.05, "label_smoothing": 0.0, "weight_decay": 0.0, **changes}
    return TrainSettings.from_dict(values)


def test_the_best_weights_are_kept_and_used() -> None:
    torch.manual_seed(0)
    model = Line()
    # Half of the valid labels contradict training, so that growing certainty costs more and more.
    valid = Points(64, 1, wrong=0.35)
    result = fit(model, Points(64, 0), valid, settings(learning_rate=2.0, warmup=0.0), device="cpu")
    losses = result.history["valid_loss"].tolist()
    best = int(np.argmin(losses))
    assert losses[-1] > losses[best] + 0.1  # the case is one in which the last weights are worse
    assert result.best_epoch == best + 1
    assert loss_of(model, valid) == pytest.approx(losses[best], rel=1e-5)
    assert not model.training


def test_without_valid_the_last_weights_stay() -> None:
    torch.manual_seed(0)
    model, train = Line(), Points(64, 0)
    result = fit(model, train, None, settings(epochs=5), device="cpu")
    assert result.best_epoch == 5
    assert result.history["valid_loss"].isna().all()
    assert loss_of(model, train) < result.history["train_loss"].iloc[-1]


def test_patience_stops_early() -> None:
    torch.manual_seed(0)
    valid = Points(64, 1, wrong=0.35)
    wanted = settings(epochs=60, learning_rate=2.0, warmup=0.0, patience=3)
    result = fit(Line(), Points(64, 0), valid, wanted, device="cpu")
    assert len(result.history) == result.best_epoch + 3 < 60
    assert not result.interrupted


def test_a_seed_decides_the_history() -> None:
    histories = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        found = fit(Line(), Points(64, 0), Points(64, 1), settings(seed=seed, mixup=0.4), device="cpu")
        histories.append(found.history)
    assert histories[0].equals(histories[1])
    assert not histories[0].equals(histories[2])


def test_accuracy_and_loss_of_the_history_by_hand() -> None:
    model = Line()
    with torch.no_grad():
        model.layer.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 0.0]]))
        model.layer.bias.copy_(torch.tensor([0.0, math.log(3.0)]))
    valid = Points(64, 1)
    share = float(valid.labels.float().mean())
    # A learning rate of almost nothing: probabilities stay (1/4, 3/4), and class 1 is always chosen.
    found = fit(model, Points(64, 0), valid, settings(epochs=1, learning_rate=1e-9), device="cpu").history
    assert found["valid_accuracy"][0] == pytest.approx(share)
    expected = -share * math.log(0.75) - (1 - share) * math.log(0.25)
    assert found["valid_loss"][0] == pytest.approx(expected, rel=1e-4)


def test_a_model_in_eval_mode_is_trained_in_training_mode() -> None:
    class Watched(Line):
        modes: list[bool]

        def forward(self, clips: Tensor) -> Tensor:
            self.modes.append(self.training)
            return super().forward(clips)

    model = Watched().eval()
    model.modes = []
    fit(model, Points(64, 0), Points(64, 1), settings(epochs=2), device="cpu")
    assert model.modes == ([True] * 4 + [False] * 4) * 2


def test_a_loss_that_is_no_number_is_one_line() -> None:
    with pytest.raises(KinemaError, match=r"the loss is no longer a number in epoch 1: lower learning_rate"):
        fit(Line(scale=float("nan")), Points(64, 0), None, settings(), device="cpu")


def test_weights_that_are_no_numbers_are_not_handed_on() -> None:
    class Bursting(Line):
        def forward(self, clips: Tensor) -> Tensor:
            logits = super().forward(clips)
            return logits if self.training else logits * float("nan")

    with pytest.raises(KinemaError, match="no longer numbers"):
        fit(Bursting(), Points(64, 0), Points(64, 1), settings(epochs=2), device="cpu")


def test_nothing_to_train_is_said() -> None:
    model = Line().requires_grad_(False)
    with pytest.raises(KinemaError, match="every parameter of the model is frozen"):
        fit(model, Points(64, 0), None, settings(), device="cpu")


def test_ctrl_c_keeps_the_best_so_far() -> None:
    torch.manual_seed(0)
    train, valid = Points(64, 0), Points(64, 1)
    seen: list[int] = []

    def press() -> None:
        seen.append(1)
        if len(seen) == 14:  # in the fourth epoch
            os.kill(os.getpid(), signal.SIGINT)

    train.during = press
    model = Line()
    before = signal.getsignal(signal.SIGINT)
    result = fit(model, train, valid, settings(epochs=1000), device="cpu")
    assert result.interrupted
    assert 3 <= len(result.history) <= 4
    best = result.history["valid_loss"].min()
    assert loss_of(model, valid) == pytest.approx(best, rel=1e-5)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_raises() -> None:
    train = Points(64, 0)
    before = signal.getsignal(signal.SIGINT)

    def press_twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    train.during = press_twice
    with pytest.raises(KeyboardInterrupt):
        fit(Line(), train, None, settings(epochs=1000), device="cpu")
    assert signal.getsignal(signal.SIGINT) is before


def test_fit_works_outside_of_the_main_thread() -> None:
    found: list[Any] = []
    thread = threading.Thread(
        target=lambda: found.append(fit(Line(), Points(64, 0), None, settings(epochs=1), device="cpu"))
    )
    thread.start()
    thread.join(60)
    assert len(found) == 1


def test_class_weights_by_hand() -> None:
    # 6 items, 2 present classes: 6 / (2 * 4) and 6 / (2 * 2); an absent class has none. Mean over items 1.
    found = _balanced(np.array([0, 0, 0, 0, 2, 2]), 3)
    assert found.tolist() == [0.75, 0.0, 1.5]


def test_where_windows_end_by_hand() -> None:
    assert _spread(10, 4, 3) == [3, 6, 9]
    assert _spread(11, 4, 3) == [3, 6, 9, 10]  # the last sample is always seen
    assert _spread(4, 4, 3) == [3]
    assert _spread(2, 4, 3) == [1]  # shorter than a window: its longest one


def track(path: Path, count: int, value: float) -> Track:
    features = (value + np.arange(count, dtype=np.float16))[:, None]
    np.save(path, features)
    segment = Segment(path, None, None, "a", "train", "g", 0, path.name)
    times = np.arange(count) / 5
    return Track(segment, times, path, times, np.arange(count))


def test_described_windows_by_hand(tmp_path: Path) -> None:
    head = create_head("mean", 1, 2, 4)
    tracks = [track(tmp_path / "a.npy", 6, 0), track(tmp_path / "b.npy", 2, 100)]
    found = describe_tracks(head, tracks, stride=2)
    # a: windows 0..3 and 2..5; b: 100 three times, then 101.
    assert found.described[:, 0].tolist() == [1.5, 3.5, 100.25]
    assert [rows.tolist() for rows in found.rows([0, 1])] == [[0, 1], [2]]
    bounded = describe_tracks(head, tracks, stride=1, most_bytes=2)
    assert len(bounded.described) == 2 + 1  # a stride of 4 times: the first and the last window remain


def test_training_draws_of_every_track_equally_and_valid_takes_all() -> None:
    described = torch.arange(12.0)[:, None].half()
    straight = Windows(described, np.array([0, 10, 12]))
    mirrored = Windows(described + 100, np.array([0, 10, 12]))
    wanted = settings(windows=50, batch_size=16)
    batches = WindowBatches(straight, [0, 1], [0, 1], 2, settings=wanted, mirrored=mirrored)
    batches.set_epoch(0)
    inputs, targets = (torch.cat(part) for part in zip(*batches, strict=True))
    assert len(batches) == 7  # 2 tracks of 50 draws in batches of 16
    assert len(targets) == 100 and int(targets.sum()) == 50
    rows = inputs[:, 0] % 100
    assert ((rows >= 10) == (targets == 1)).all()
    assert set(rows.int().tolist()) == set(range(12))
    assert 25 <= int((inputs[:, 0] >= 100).sum()) <= 75
    again = torch.cat([part for part, _ in batches])
    assert torch.equal(again, inputs)  # the same epoch draws the same
    batches.set_epoch(1)
    assert not torch.equal(torch.cat([part for part, _ in batches]), inputs)
    valid = WindowBatches(straight, [1, 0], [1, 0], 2, batch_size=5)
    inputs, targets = (torch.cat(part) for part in zip(*valid, strict=True))
    assert inputs[:, 0].tolist() == [10, 11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert targets.tolist() == [1, 1] + [0] * 10
    assert len(valid) == 3
