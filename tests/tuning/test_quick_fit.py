"""The quick loop learns as `fit` does, number for number where no dropout is drawn, and stops at bad numbers."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from kinema.errors import KinemaError
from kinema.models import FactorisedModel, create_head
from kinema.training import TrainSettings, fit
from kinema.training.batches import WindowBatches, Windows
from kinema.tuning.features import SharedFeatures
from kinema.tuning.quick_fit import ByteDropout, WindowTable, hurry, is_quick, quick_fit, video_probabilities

TRACKS, K = 10, 3


def data() -> tuple[list[Windows], list[int]]:
    """Windows of 4 samples of 6 features: the class is where the mean of the first feature lies."""
    rng = np.random.default_rng(0)
    counts = np.array([3, 1, 5, 2, 4, 3, 2, 6, 1, 3])
    targets = [i % K for i in range(TRACKS)]
    made = []
    for _ in range(2):
        first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        values = rng.normal(size=(int(first[-1]), 4, 6)) * 2 + 3
        values[:, :, 0] += np.repeat(targets, counts)[:, None] * 4
        made.append(Windows(torch.from_numpy(values).half(), first))
    return made, targets


class Backbone(nn.Module):
    frozen = True
    dim = 6


@pytest.mark.parametrize(
    "settings",
    [
        TrainSettings(epochs=4, batch_size=16, windows=3),
        TrainSettings(
            epochs=3, batch_size=7, windows=2, weight_decay=0.5, warmup=0.4, label_smoothing=0.0, seed=3
        ),
        TrainSettings(epochs=3, batch_size=16, class_weights="none", learning_rate=0.02),
    ],
)
@pytest.mark.parametrize("mirrored", [True, False])
def test_the_losses_are_those_of_fit(settings: TrainSettings, mirrored: bool) -> None:
    (straight, other), targets = data()
    sides = [straight, other] if mirrored else [straight]
    torch.manual_seed(0)
    head = create_head("gru", 6, K, 4, hidden=5, width=7, dropout=0.0)
    head.prepare(straight.described.float())
    quick = copy.deepcopy(head)
    tracks = list(range(TRACKS - 2))
    batches = WindowBatches(
        straight, tracks, targets[:-2], K, settings=settings, mirrored=other if mirrored else None
    )
    model = FactorisedModel(K, 4, Backbone(), head)  # type: ignore[arg-type]
    expected = fit(model, batches, None, settings, device="cpu").history["train_loss"]
    joined = torch.cat([side.described for side in sides]).float()
    parts = list(joined.split([len(side.described) for side in sides]))
    table = WindowTable(parts, [side.first for side in sides], joined if mirrored else None)
    found = quick_fit(quick, table, tracks, targets[:-2], settings)
    assert found == pytest.approx(expected.tolist(), abs=2e-5)
    for name, value in head.state_dict().items():
        assert torch.allclose(value, quick.state_dict()[name], atol=2e-4), name


def test_it_learns_and_its_probabilities_are_means_over_windows() -> None:
    (straight, _), targets = data()
    table = WindowTable([straight.described], [straight.first])
    torch.manual_seed(0)
    head = create_head("lstm", 6, K, 4, hidden=8, width=8, dropout=0.1)
    head.prepare(straight.described.float())
    hurry(head, 0)
    settings = TrainSettings(epochs=60, learning_rate=0.01, label_smoothing=0.0)
    losses = quick_fit(head, table, range(TRACKS), targets, settings)
    assert losses[-1] < 0.4 < losses[0]
    found = video_probabilities(head, table, [2, 7])
    assert found.argmax(1).tolist() == [2, 1]
    with torch.no_grad():  # track 2 has windows 4 to 8
        one = head.decide(straight.described[4:9].float()).softmax(1).mean(0)
    assert found[0] == pytest.approx(one.numpy(), abs=1e-5)


def test_byte_dropout_drops_its_share_and_keeps_the_mean() -> None:
    layer = ByteDropout(0.25, np.random.Generator(np.random.SFC64(0)))
    ones = torch.ones(400, 500)
    dropped = layer(ones)
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.005)
    assert sorted(dropped.unique().tolist()) == pytest.approx([0.0, 4 / 3], abs=1e-6)
    assert torch.equal(layer.eval()(ones), ones)


def test_a_loss_that_is_no_number_stops_with_its_reason() -> None:
    (straight, _), targets = data()
    table = WindowTable([straight.described], [straight.first])
    head = create_head("mean", 6, K, 4)
    table = WindowTable([straight.described.mean(1)], [straight.first])
    head.prepare(table.sides[0].float())
    with pytest.raises(KinemaError, match=r"no longer a number in epoch \d+: learning_rate=1e\+30"):
        quick_fit(head, table, range(TRACKS), targets, TrainSettings(epochs=5, learning_rate=1e30))


def test_settings_that_the_loop_does_not_know_are_seen() -> None:
    assert is_quick(TrainSettings(epochs=3, mixup=0.2, weight_decay=0.1))
    assert not is_quick(TrainSettings(ema=0.99))
    assert not is_quick(TrainSettings(stages="head"))


@pytest.mark.parametrize("name", ["mean", "lstm", "conv1d", "tcn", "attention"])
def test_standardised_windows_give_the_same_answers(name: str) -> None:
    (straight, _), _ = data()
    torch.manual_seed(0)
    head = create_head(name, 6, K, 4).eval()
    described = straight.described if name != "mean" else straight.described.mean(1)
    table = WindowTable([described], [straight.first])
    head.prepare(described.float())
    before = video_probabilities(head, table, range(TRACKS))
    own = SharedFeatures([], [], 0, "cpu", None).standardised(head, table, "key")  # type: ignore[arg-type]
    assert isinstance(head.standardise, nn.Identity)
    assert own is not table
    assert video_probabilities(head, own, range(TRACKS)) == pytest.approx(before, abs=1e-5)
