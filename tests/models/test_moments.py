"""Windows, cells and moments by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from kinema.models import Recognizer, windows


def test_windows_by_hand() -> None:
    samples = torch.tensor([[1.0], [2.0], [3.0]])
    assert windows(samples, 3)[..., 0].tolist() == [[1, 1, 1], [1, 1, 2], [1, 2, 3]]
    history = torch.tensor([[8.0], [9.0]])
    assert windows(samples, 3, history)[..., 0].tolist() == [[8, 9, 1], [9, 1, 2], [1, 2, 3]]
    assert windows(samples, 4, history[1:])[..., 0].tolist() == [[9, 9, 9, 1], [9, 9, 1, 2], [9, 1, 2, 3]]
    assert windows(samples, 1)[..., 0].tolist() == [[1], [2], [3]]


def test_the_grid_of_a_tap_averages_cells_by_hand() -> None:
    from kinema.models.backbones import _grid_mean

    maps = torch.arange(12.0).reshape(1, 1, 3, 4)
    # Three rows in two cells: the middle row counts half in each, so the top left cell is
    # ((0 + 1) + 0.5 * (4 + 5)) / 3 = 11 / 6.
    expected = [[11 / 6, 23 / 6], [43 / 6, 55 / 6]]
    assert torch.allclose(_grid_mean(maps, 2)[0, 0], torch.tensor(expected))


def test_moments_by_hand() -> None:
    from kinema.models.motion_moments import MotionMoments

    head = MotionMoments([(1, 1, 2), (1, 1, 1)], 2, 4, lag=1)
    moving = torch.tensor([[0.0, 1.0], [4.0, 1.0], [4.0, 1.0], [0.0, 1.0]])
    look = torch.tensor([[9.0], [9.0], [9.0], [9.0]])
    # cell 1: std of 0 4 4 0 is 2; rises (4, 0, 0): rms sqrt(16 / 3); falls the same; second half - first half: 0.
    # cell 2 is still: 0 everywhere. Energy, lag 1 again: the greater cell's rms of rises, then of falls.
    # look: 9. Then the signed square root.
    rms = (16 / 3) ** 0.5
    expected = [2**0.5, 0, rms**0.5, 0, rms**0.5, 0, 0, 0, rms**0.5, rms**0.5, 3]
    found = head.describe(torch.cat([moving, look], dim=1)[None])
    assert torch.allclose(found[0], torch.tensor(expected), atol=2e-6)


def test_backbones_other_than_the_bundled_one_bring_their_own_mean_and_std() -> None:
    imagenet = Recognizer.create("lrcn", ["a", "b"], backbone="resnet10t", weights="none").spec
    assert imagenet.mean == (0.485, 0.456, 0.406)
    assert imagenet.std == (0.229, 0.224, 0.225)
    default = Recognizer.create("lrcn", ["a", "b"], weights="none").spec
    assert (default.mean, default.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert replace(imagenet, mean=default.mean, std=default.std) == default


def test_moments_of_what_stands_still_have_a_gradient() -> None:
    from kinema.models.motion_moments import MotionMoments

    torch.manual_seed(0)
    features = torch.randn(2, 1, 22).expand(-1, 6, -1).clone().requires_grad_()
    MotionMoments([(2, 3, 3), (4, 1, 1)], 3, 6)(features).sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()
    assert features.grad.abs().sum() > 0


def test_kinds_that_mislead_across_groups_are_left_out() -> None:
    from kinema.models.kinds import choose_kinds

    random = np.random.default_rng(0)
    targets = [place % 2 for place in range(80)]
    groups = [f"{target} camera {place // 20}" for place, target in enumerate(targets)]
    signal = np.array(targets)[:, None] * 2.0 - 1 + random.normal(0, 0.8, (80, 3))
    # Each camera has a look of its own, the same for all that it sees, and stronger than the signal.
    looks = {name: random.normal(0, 4.0, 6) for name in sorted(set(groups))}
    look = np.stack([looks[group] for group in groups]) + random.normal(0, 0.1, (80, 6))
    assert choose_kinds({"look": look, "energy": signal}, targets, groups) == ("energy",)
    # A second kind that says the same is kept, and so is everything where groups are too few to decide.
    again = signal + random.normal(0, 0.1, (80, 3))
    assert choose_kinds({"look": again, "energy": signal}, targets, groups) == ("look", "energy")
    assert choose_kinds({"look": look, "energy": signal}, targets, ["a", "b"] * 40) == ("look", "energy")


def test_a_head_that_left_out_a_kind_does_not_see_it() -> None:
    from kinema.models.motion_moments import MotionMoments

    torch.manual_seed(0)
    head = MotionMoments([(2, 2, 2), (4, 1, 1)], 2, 5)
    windows = torch.randn(3, 5, 12)
    described = head.describe(windows)
    head.prepare(described)
    changed = described.clone()
    changed[:, -4:] += torch.randn(3, 4)  # the look
    assert not torch.equal(head.decide(described), head.decide(changed))
    head.weights.copy_(torch.tensor([0.0 if kind == "look" else 0.5 for kind in head.kinds]))
    assert torch.equal(head.decide(described), head.decide(changed))
