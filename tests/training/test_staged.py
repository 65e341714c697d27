"""Rounds of training, learning rates of blocks, and the weights that are kept in the end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinema.data import ClipSpec
from kinema.errors import UsageError
from kinema.models import ClipModel, VideoModel, create_model
from kinema.training import TrainSettings, fit
from kinema.training.average import WeightAverage
from kinema.training.blocks import body_and_head
from kinema.training.module import Round
from kinema.training.rounds import only, parameter_groups


class Deep(VideoModel):
    """Three blocks of a backbone and a classifier: `(B, 2)` in, two classes out."""

    def __init__(self) -> None:
        super().__init__(2)
        self.backbone = nn.Sequential(
            nn.Linear(2, 4), nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), nn.Linear(4, 4)
        )
        self.classifier = nn.Linear(4, 2)

    def forward(self, clips: Tensor) -> Tensor:
        return self.classifier(self.backbone(clips))


class Points:
    """Batches of points in two dimensions; `wrong` turns some labels around."""

    def __init__(self, count: int, seed: int, wrong: float = 0.0) -> None:
        rng = np.random.default_rng(seed)
        self.points = torch.from_numpy(rng.normal(size=(count, 2)).astype(np.float32))
        labels = (self.points[:, 0] > 0).long()
        self.labels = torch.where(torch.from_numpy(rng.random(count) < wrong), 1 - labels, labels)

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from zip(self.points.chunk(4), self.labels.chunk(4), strict=True)

    def set_epoch(self, epoch: int) -> None:
        pass

    def logits(self, model: VideoModel, inputs: Tensor) -> Tensor:
        return model(inputs)

    def class_weights(self) -> Tensor:
        return torch.ones(2)


def settings(**changes: Any) -> TrainSettings:
    values = {
        "epochs": 4,
        "learning_rate": 0.05,
        "label_smoothing": 0.0,
        "weight_decay": 0.0,
        "warmup": 0.0,
        **changes,
    }
    return TrainSettings.from_dict(values)


def test_each_round_trains_its_parts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, seen = Deep(), []
    first_step = Round.on_train_epoch_start

    def watch(module: Round) -> None:
        first_step(module)
        if module.done.epoch == 0:
            learns = [n for n, p in model.named_parameters() if p.requires_grad]
            seen.append(
                (
                    learns,
                    [m.training for m in (model.backbone[0], model.backbone[1][1], model.backbone[2])],
                    module.trainer.optimizers[0].param_groups[0]["lr"],
                )
            )

    monkeypatch.setattr(Round, "on_train_epoch_start", watch)
    wanted = settings(stages="head,1,2,all", backbone_learning_rate=0.05, stage_rate=0.1)
    result = fit(model, Points(64, 0), Points(64, 1), wanted, device="cpu")
    head = ["classifier.weight", "classifier.bias"]
    last = ["backbone.2.weight", "backbone.2.bias"]
    middle = [f"backbone.1.{n}" for n in ("0.weight", "0.bias", "1.weight", "1.bias")]
    first = ["backbone.0.weight", "backbone.0.bias"]
    assert [set(names) for names, _, _ in seen] == [
        set(head), {*head, *last}, {*head, *last, *middle}, {*head, *last, *middle, *first},
    ]  # fmt: skip
    # What does not learn is not in training mode either, so that its batch norms stand still.
    assert [modes for _, modes, _ in seen] == [
        [False] * 3,
        [False, False, True],
        [False, True, True],
        [True] * 3,
    ]
    assert [rate for _, _, rate in seen] == pytest.approx([0.05, 0.005, 0.0005, 0.00005])
    assert result.history["epoch"].tolist() == list(range(1, 17))
    assert result.history["round"].tolist() == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4
    assert result.rounds == [4, 4, 4, 4]
    assert all(p.requires_grad for p in model.parameters())


def test_a_first_round_of_the_head_leaves_the_body_as_it_was() -> None:
    torch.manual_seed(0)
    model = Deep()
    before = {n: v.clone() for n, v in model.state_dict().items()}
    fit(model, Points(64, 0), Points(64, 1), settings(stages="head"), device="cpu")
    changed = {n for n, v in model.state_dict().items() if not torch.equal(v, before[n])}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_the_best_weights_of_all_rounds_are_used_not_those_of_the_last() -> None:
    """S4 loaded the best weights into a variable that nobody used."""
    torch.manual_seed(0)
    model, valid = Deep(), Points(64, 1, wrong=0.35)
    # Each round learns ten times faster than it should: growing certainty costs more and more on contradicting labels.
    wanted = settings(
        stages="all,all,all", epochs=6, learning_rate=0.5, backbone_learning_rate=0.5, stage_rate=1.0
    )
    result = fit(model, Points(64, 0), valid, wanted, device="cpu")
    losses = result.history["valid_loss"].tolist()
    best = int(np.argmin(losses))
    assert best < 12 and min(losses[12:]) > losses[best] + 1e-3  # the last round never reached the best
    assert (result.best_epoch, result.best_round) == (best + 1, best // 6 + 1)
    with torch.no_grad():
        found = float(F.cross_entropy(model(valid.points), valid.labels))
    assert found == pytest.approx(losses[best], rel=1e-5)


def test_each_round_begins_with_the_best_weights_so_far() -> None:
    torch.manual_seed(0)
    valid = Points(64, 1, wrong=0.35)
    wanted = settings(
        stages="all,all", epochs=6, learning_rate=0.5, backbone_learning_rate=0.5, stage_rate=1e-12
    )
    model = Deep()
    model.backbone[1] = nn.Linear(4, 4)  # without a batch norm, whose statistics go on changing
    losses = fit(model, Points(64, 0), valid, wanted, device="cpu").history["valid_loss"].tolist()
    best = min(losses[:6])
    assert losses[5] > best + 1e-3  # the first round ended worse than its best epoch
    # A rate of almost nothing: the second round's weights are those it began with.
    assert losses[6:] == pytest.approx([best] * 6, rel=1e-5)


def test_each_round_stops_early() -> None:
    torch.manual_seed(0)
    valid = Points(64, 1, wrong=0.35)
    wanted = settings(
        stages="head,all",
        epochs=60,
        patience=2,
        learning_rate=1.0,
        backbone_learning_rate=1.0,
        stage_rate=1.0,
    )
    result = fit(Deep(), Points(64, 0), valid, wanted, device="cpu")
    losses = result.history["valid_loss"].to_numpy()
    for number, count in enumerate(result.rounds, 1):
        own = losses[result.history["round"] == number]
        assert len(own) == count == int(np.argmin(own)) + 1 + 2 < 60


def test_blocks_of_known_networks() -> None:
    lrcn = create_model(
        "lrcn", 3, ClipSpec(frames=4, height=64, width=64), backbone="resnet18", weights="none", freeze=False
    )
    body, head = body_and_head(lrcn)
    # The stem with its norm, and two blocks in each of four layers (He et al., 2016, table 1).
    assert len(body) == 9
    assert body[0].name.endswith("conv1") and len(body[0].parameters) == 3
    assert all(name.startswith("head.") for name in head.parameters)
    every = [n for block in (*body, head) for n in block.parameters]
    assert sorted(every) == sorted(n for n, _ in lrcn.named_parameters())


class Clips(ClipModel):
    """A network of whole clips that names no backbone: two convolutions and a classifier."""

    def __init__(self) -> None:
        super().__init__(5, frames=4)
        self.features = nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4), nn.ReLU(), nn.Conv3d(4, 8, 2))
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(8, 5)

    def forward(self, clips: Tensor) -> Tensor:
        return self.fc(self.drop(self.features(clips).mean((2, 3, 4))))


def test_a_network_of_whole_clips_has_a_head_too() -> None:
    body, head = body_and_head(Clips())
    assert [block.name for block in body] == ["features.0", "features.3"]
    assert set(body[0].parameters) == {
        "features.0.weight",
        "features.0.bias",
        "features.1.weight",
        "features.1.bias",
    }
    assert set(head.parameters) == {"fc.weight", "fc.bias"}
    # Nothing of it was trained before: all of it has the one learning rate.
    groups = parameter_groups(Clips(), settings(learning_rate=0.3, backbone_learning_rate=0.01))
    assert {group["lr"] for group in groups} == {0.3}


def test_layer_wise_decay_by_hand() -> None:
    wanted = settings(learning_rate=1.0, backbone_learning_rate=0.1, layer_decay=0.5, weight_decay=0.2)
    model = Deep()
    rates = {id(p): g["lr"] for g in parameter_groups(model, wanted) for p in g["params"]}
    found = {name: rates[id(p)] for name, p in model.named_parameters() if name.endswith("weight")}
    assert found == pytest.approx({
        "classifier.weight": 1.0, "backbone.2.weight": 0.1, "backbone.1.0.weight": 0.05,
        "backbone.1.1.weight": 0.05, "backbone.0.weight": 0.025,
    })  # fmt: skip
    decayed = {id(p) for g in parameter_groups(model, wanted) for p in g["params"] if g["weight_decay"]}
    assert {n for n, p in model.named_parameters() if id(p) in decayed} == {
        "classifier.weight", "backbone.2.weight", "backbone.1.0.weight", "backbone.0.weight",
    }  # fmt: skip


def test_the_mean_is_what_is_measured_and_kept() -> None:
    torch.manual_seed(0)
    model, valid = Deep(), Points(64, 1)
    found: list[WeightAverage] = []
    made = WeightAverage.__init__

    def remember(self: WeightAverage, *arguments: Any) -> None:
        made(self, *arguments)
        found.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WeightAverage, "__init__", remember)
        result = fit(model, Points(64, 0), None, settings(ema=0.9, epochs=3), device="cpu")
        assert result.best_epoch == 3
    assert found[0].steps == 12
    assert torch.equal(model.classifier.weight, found[0].means["classifier.weight"])
    torch.manual_seed(0)
    model = Deep()
    result = fit(model, Points(64, 0), valid, settings(ema=0.9, epochs=3), device="cpu")
    with torch.no_grad():
        loss = float(F.cross_entropy(model(valid.points), valid.labels))
    assert loss == pytest.approx(result.history["valid_loss"].min(), rel=1e-5)


def test_frozen_parameters_stay_frozen_in_every_round() -> None:
    model = Deep()
    model.backbone[2].requires_grad_(False)
    with only(model, "all"):
        assert not model.backbone[2].weight.requires_grad
    with only(model, "head"):
        assert [n for n, p in model.named_parameters() if p.requires_grad] == [
            "classifier.weight",
            "classifier.bias",
        ]
    assert not model.backbone[2].weight.requires_grad and model.backbone[0].weight.requires_grad


def test_more_blocks_than_there_are_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"7 blocks are asked for, and the body has 3"):
        fit(Deep(), Points(64, 0), None, settings(stages="7"), device="cpu")


def test_a_loss_that_is_no_number_stops_with_its_batch_and_keeps_the_best() -> None:
    class Sick(Points):
        passes = 0

        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            self.passes += 1
            for number, (points, labels) in enumerate(super().__iter__()):
                yield (points * math.nan if (self.passes, number) == (3, 1) else points), labels

    torch.manual_seed(0)
    model, valid, said = Deep(), Points(64, 1), []
    result = fit(model, Sick(64, 0), valid, settings(epochs=5), device="cpu", say=said.append)
    assert len(result.history) == 2
    assert result.problem is not None and said == [result.problem]
    assert "batch 2 of 4: the loss is no longer a number in epoch 3" in result.problem
    with torch.no_grad():
        loss = float(F.cross_entropy(model(valid.points), valid.labels))
    assert loss == pytest.approx(result.history["valid_loss"].min(), rel=1e-5)
