"""Where clips of a video start, in seconds, and crops of a clip, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.data.clip_sampling import crops_and_mirrors, lrcn_starts, uniform_starts
from kinema.data.clipspec import ClipSpec
from kinema.errors import UsageError

TWO_SECONDS = ClipSpec(frames=16, fps=8)


def test_uniform_starts_by_hand() -> None:
    assert uniform_starts(10, TWO_SECONDS, 5) == [0, 2, 4, 6, 8]
    assert uniform_starts(10, TWO_SECONDS, 1) == [4]
    assert uniform_starts(1.5, TWO_SECONDS, 7) == [0]  # shorter than a clip
    assert uniform_starts(5, TWO_SECONDS, 9, overlap=False) == [0, 3]  # two fit side by side


@pytest.mark.parametrize("seed", range(20))
def test_random_starts_fit_and_do_not_overlap_where_that_is_asked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = uniform_starts(10, TWO_SECONDS, 4, rng)
    assert len(starts) == 4 and starts == sorted(starts)
    assert starts[0] >= 0 and starts[-1] <= 8
    apart = uniform_starts(10, TWO_SECONDS, 4, rng, overlap=False)
    assert len(apart) == 4 and apart[0] >= 0 and apart[-1] <= 8
    assert np.diff(apart).min() >= 2 - 1e-9


def test_lrcn_starts_are_half_a_clip_apart() -> None:
    assert lrcn_starts(6, TWO_SECONDS) == [0, 1, 2, 3, 4]
    assert lrcn_starts(6, TWO_SECONDS, clips=2) == [0, 1]
    assert lrcn_starts(6, TWO_SECONDS, stride=2.0) == [0, 2, 4]
    assert lrcn_starts(0.5, TWO_SECONDS) == [0]


def test_crops_are_the_same_in_all_pictures_and_come_mirrored_too() -> None:
    pictures = np.arange(4 * 6 * 8, dtype=np.uint8).reshape(4, 6, 8)[..., None].repeat(3, -1)
    found = crops_and_mirrors(pictures, (5, 4), 3, np.random.default_rng(0))
    assert found.shape == (6, 4, 4, 5, 3)
    for straight, mirrored in zip(found[:3], found[3:], strict=True):
        assert np.array_equal(straight[:, :, ::-1], mirrored)
        # Pictures differ by 48 at every place, so equal places differ by 48 in a crop as well.
        assert (np.diff(straight.astype(int), axis=0) == 48).all()
    whole = crops_and_mirrors(pictures, (8, 6), 1, np.random.default_rng(0))
    assert np.array_equal(whole[0], pictures)


@pytest.mark.parametrize("size", [(9, 4), (4, 7), (0, 3)])
def test_a_crop_that_does_not_fit_is_named(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=f"a crop of {size[0]} x {size[1]} does not fit pictures of 8 x 6"):
        crops_and_mirrors(np.zeros((1, 6, 8, 3), np.uint8), size, 1, np.random.default_rng(0))


def test_no_clips_and_no_stride_are_refused() -> None:
    with pytest.raises(UsageError, match="give at least 1"):
        uniform_starts(10, TWO_SECONDS, 0)
    with pytest.raises(UsageError, match="give seconds above 0"):
        lrcn_starts(10, TWO_SECONDS, stride=0.0)
