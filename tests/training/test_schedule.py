"""What changes from step to step: learning rates, and a running mean of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kinema.training.average import WeightAverage
from kinema.training.rounds import warm_cosine


def test_warm_up_and_cosine_by_hand() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = warm_cosine(optimizer, steps=8, warmup=0.25)
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    # Two steps up, then (1 + cos(pi k / 6)) / 2 for k = 0..5.
    expected = [0.5, 1.0, 1.0, 0.9330127, 0.75, 0.5, 0.25, 0.0669873]
    assert rates == pytest.approx(expected, abs=1e-6)


def test_a_running_mean_of_weights_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    average = WeightAverage(model, 0.15)
    for value in (10.0, 20.0):
        with torch.no_grad():
            model.weight.fill_(value)
        average.update()
    # Step 0: decay 1/10, 0.1 * 0 + 0.9 * 10 = 9. Step 1: min(0.15, 2/11) = 0.15, 0.15 * 9 + 0.85 * 20 = 18.35.
    assert float(average.means["weight"]) == pytest.approx(18.35)
    with average.applied():
        assert float(model.weight.detach()) == pytest.approx(18.35)
    assert float(model.weight.detach()) == 20.0
