"""The running answers of a live stream are those of its windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kinema.models.motion_moments import MotionMoments
from kinema.models.running_moments import _ANEW, RunningMoments

SAMPLES = 90


@pytest.fixture
def head() -> MotionMoments:
    return MotionMoments([(4, 3, 3), (6, 1, 1)], 3, frames=8, lag=2)


def moments(head: MotionMoments, window: torch.Tensor) -> RunningMoments:
    return RunningMoments(window, head.lag, head.sizes, head.moving, head.channels)


def test_each_push_describes_the_window_that_ends_there(head: MotionMoments) -> None:
    samples = torch.rand(SAMPLES, head.dim, generator=torch.Generator().manual_seed(0)) * 6
    running = moments(head, samples[:8])
    for end in range(9, SAMPLES + 1):
        expected = head.describe(samples[None, end - 8 : end])[0].numpy()
        np.testing.assert_allclose(running.push(samples[end - 1].numpy()), expected, atol=1e-5, rtol=1e-5)


def test_parts_that_stand_still_may_come_first() -> None:
    head = MotionMoments([(6, 1, 1), (4, 3, 3), (5, 1, 1), (2, 2, 2)], 3, frames=8, lag=2)
    samples = torch.rand(20, head.dim, generator=torch.Generator().manual_seed(0)) - 0.5
    running = moments(head, samples[:8])
    for end in range(9, 21):
        expected = head.describe(samples[None, end - 8 : end])[0].numpy()
        np.testing.assert_allclose(running.push(samples[end - 1].numpy()), expected, atol=1e-5, rtol=1e-5)


def test_the_answers_are_those_of_the_head(head: MotionMoments) -> None:
    generator = torch.Generator().manual_seed(3)
    samples = torch.rand(30, head.dim, generator=generator)
    head.prepare(torch.cat([head.describe(samples[None, k : k + 8]) for k in range(20)]))
    torch.nn.init.normal_(head.classifier.weight, generator=generator)
    torch.nn.init.normal_(head.classifier.bias, generator=generator)
    head.weights[1] = 0.0
    running = head.eval().running(samples[:8])
    assert running is not None
    for end in range(9, 31):
        expected = head(samples[None, end - 8 : end])[0].detach().numpy()
        np.testing.assert_allclose(running.push(samples[end - 1].numpy()), expected, atol=1e-4, rtol=1e-5)


def test_after_a_whole_day_of_samples_the_sums_have_not_drifted(head: MotionMoments) -> None:
    generator = torch.Generator().manual_seed(1)
    running = moments(head, torch.rand(8, head.dim, generator=generator))
    samples = torch.rand(64, head.dim, generator=generator) * 1000
    for number in range(_ANEW + 3 * 64):
        running.push(samples[number % 64].numpy())
    found = running.push(samples[0].numpy())
    expected = head.describe(torch.cat([samples[57:], samples[:1]])[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-5)


def test_a_picture_that_stands_still_does_not_move_after_movement(head: MotionMoments) -> None:
    generator = torch.Generator().manual_seed(2)
    running = moments(head, torch.rand(8, head.dim, generator=generator) * 100)
    still = torch.rand(head.dim, generator=generator)
    for _ in range(20):
        found = running.push(still.numpy())
    expected = head.describe(still.expand(1, 8, -1))[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    assert np.abs(found[: 5 * 36 + 2 * 4 - 36]).max() < 1e-5  # all but what the picture looks like


def test_the_greatest_change_is_of_the_cell_that_moves_beside_one_that_is_bright(head: MotionMoments) -> None:
    """The rounding of a bright cell that stands still says nothing of its dark neighbour, which moves a little."""
    samples = torch.zeros(20, head.dim)
    samples[:, 0] = 4096.0  # the first cell of the first channel
    samples[:, 1] = torch.tensor([0.0, 1e-3] * 10)
    running = moments(head, samples[:8])
    for end in range(9, 21):
        found = running.push(samples[end - 1].numpy())
    expected = head.describe(samples[None, 12:20])[0].numpy()
    rises = 5 * 36 - 36  # after std, rises, falls and order of the four channels of nine cells
    assert expected[rises] == pytest.approx((1e-6 * 4 / 7) ** 0.25, rel=1e-4)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-4)


def test_a_head_of_two_samples_is_described_as_a_window() -> None:
    short = MotionMoments([(4, 3, 3)], 3, frames=1)
    assert short.running(torch.rand(1, short.dim)) is None
