"""Answers of several clips made one: mean and sparsity concentration, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.errors import UsageError
from kinema.models.fusion import fuse, sparsity_concentration


def test_sparsity_concentration_by_hand() -> None:
    rows = np.array([[0.25, 0.25, 0.25, 0.25], [1.0, 0, 0, 0], [0.7, 0.1, 0.1, 0.1]])
    # (4 * 0.25 - 1) / 3 = 0, (4 - 1) / 3 = 1, (2.8 - 1) / 3 = 0.6
    assert sparsity_concentration(rows).tolist() == pytest.approx([0.0, 1.0, 0.6])


def test_fusions_of_clips_by_hand() -> None:
    rows = np.array([[0.6, 0.4], [0.1, 0.9]])
    assert fuse(rows).tolist() == pytest.approx([0.35, 0.65])
    # Weights 0.2 and 0.8: (0.12 + 0.08, 0.08 + 0.72).
    assert fuse(rows, "sci").tolist() == pytest.approx([0.2, 0.8])


def test_fusion_of_crops_takes_the_largest_clip_by_hand() -> None:
    clips = np.array([[[0.6, 0.4], [0.1, 0.9]], [[0.7, 0.3], [0.7, 0.3]]])
    # Clip 1 as above (0.2, 0.8), clip 2 (0.7, 0.3): the largest are (0.7, 0.8), scaled by 1.5.
    assert fuse(clips, "sci").tolist() == pytest.approx([0.7 / 1.5, 0.8 / 1.5])
    assert fuse(clips).tolist() == pytest.approx([2.1 / 4, 1.9 / 4])


def test_answers_that_know_nothing_are_averaged() -> None:
    assert fuse(np.full((3, 4), 0.25, np.float32), "sci").tolist() == pytest.approx([0.25] * 4)


@pytest.mark.parametrize(
    ("rows", "method", "words"),
    [
        (np.ones((2, 2)) / 2, "avarage", "did you mean 'average'?"),
        (np.ones((0, 2)), "sci", "give (clips, classes)"),
        (np.ones(3) / 3, "sci", "give (clips, classes)"),
    ],
)
def test_what_cannot_be_fused(rows: np.ndarray, method: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        fuse(rows, method)  # type: ignore[arg-type]
    assert words in str(caught.value)
