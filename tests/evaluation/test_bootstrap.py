"""Intervals against enumeration, hand calculation and simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from kinema.errors import DataError
from kinema.evaluation.bootstrap import (
    accuracy_interval,
    balanced_accuracy_interval,
    bootstrap,
    clopper_pearson,
    difference_interval,
    expanded_tail,
    sum_by_group,
)
from kinema.evaluation.scores import Scores


def by_group(right: list[int], items: list[int]) -> Scores:
    """Two classes, all truly 'a': `right[g]` of `items[g]` answers of group g are 'a'."""
    said = [0 if i < r else 1 for r, n in zip(right, items, strict=True) for i in range(n)]
    group = [f"g{g}" for g, n in enumerate(items) for _ in range(n)]
    table = pd.DataFrame(
        {"video": [f"v{i}" for i in range(len(said))], "start": 0.0, "end": 1.0, "label": "a"}
    )
    table["split"], table["group"] = "test", group
    return Scores(["a", "b"], table, np.eye(2)[said], "video")


def test_interval_equals_the_enumeration_of_all_resamples() -> None:
    right, items = np.array([1, 5, 2, 4, 3, 6]), np.array([4, 6, 5, 5, 6, 6])
    draws = np.array(list(product(range(6), repeat=6)))
    every = right[draws].sum(axis=1) / items[draws].sum(axis=1)
    # Hesterberg's tail for 6 groups: t(0.975, 5) = 2.5706, times sqrt(6/5) = 2.8159, Phi(-2.8159) = 0.002432.
    assert expanded_tail(6) == pytest.approx(0.002432, abs=2e-6)
    low, high = np.quantile(every, [0.002432, 1 - 0.002432])
    found = accuracy_interval(by_group(right.tolist(), items.tolist()), resamples=200_000)
    assert found.value == pytest.approx(21 / 32)
    assert found.low == pytest.approx(low, abs=0.006)
    assert found.high == pytest.approx(high, abs=0.006)
    assert found.groups == 6


def test_many_groups_give_the_textbook_standard_error() -> None:
    # 400 groups of one item, 300 right: sqrt(.75 * .25 / 400) = 0.02165, and 1.96 of it either side.
    found = accuracy_interval(by_group([1] * 300 + [0] * 100, [1] * 400), resamples=20_000)
    assert (found.low, found.high) == pytest.approx((0.75 - 0.0424, 0.75 + 0.0424), abs=0.004)


def test_groups_not_items_are_what_counts() -> None:
    alone = accuracy_interval(by_group([1] * 60 + [0] * 60, [1] * 120))
    together = accuracy_interval(by_group([10] * 6 + [0] * 6, [10] * 12))
    assert alone.value == together.value == 0.5
    assert together.high - together.low > 2.5 * (alone.high - alone.low)


def test_the_same_seed_gives_the_same_interval_and_order_does_not_matter() -> None:
    scores = by_group([1, 2, 3, 0, 2, 3, 1], [3] * 7)
    once, again = accuracy_interval(scores, seed=4), accuracy_interval(scores.take(range(20, -1, -1)), seed=4)
    assert (once.low, once.high) == (again.low, again.high)


@pytest.mark.parametrize("groups", [1, 4])
def test_too_few_groups_give_no_interval_and_say_so(groups: int) -> None:
    found = accuracy_interval(by_group([1] * groups, [2] * groups))
    assert found.value == 0.5
    assert found.low is None and found.high is None
    assert f"{groups} group" in found.note


def test_all_right_is_not_an_interval_of_width_zero() -> None:
    found = accuracy_interval(by_group([3] * 10, [3] * 10))
    # Clopper-Pearson, 10 of 10: 0.025 ** (1 / 10).
    assert found.low == pytest.approx(0.025**0.1)
    assert found.high == 1.0
    assert found.method.startswith("Clopper-Pearson")


def test_clopper_pearson_by_the_published_example() -> None:
    # 4 of 20: (0.0573, 0.4366), as in R's binom.test(4, 20).
    assert clopper_pearson(4, 20) == pytest.approx((0.05733, 0.43661), abs=1e-5)
    assert clopper_pearson(0, 10) == pytest.approx((0.0, 1 - 0.025**0.1))


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    model, baseline = (
        by_group([5, 9, 3, 8, 6, 10, 2, 7], [10] * 8),
        by_group([4, 8, 2, 6, 5, 9, 1, 6], [10] * 8),
    )
    shuffled = baseline.take(np.random.default_rng(0).permutation(80))
    found = difference_interval(model, shuffled)
    assert found.value == pytest.approx(9 / 80)
    assert 0.08 < found.low < found.high < 0.18
    with pytest.raises(DataError, match="other items"):
        difference_interval(model, baseline.take(range(70)))


def test_no_difference_in_any_group_gives_no_interval() -> None:
    scores = by_group([1, 2, 3, 1, 2], [3] * 5)
    found = difference_interval(scores, scores)
    assert (found.value, found.low, found.high) == (0.0, None, None)
    assert "same value" in found.note


def test_balanced_accuracy_weighs_classes_alike() -> None:
    scores = by_group([8, 9, 10, 7, 9, 8], [10] * 6)
    labels = ["b" if i % 10 == 9 else "a" for i in range(60)]
    scores = Scores(["a", "b"], scores.table.assign(label=labels), scores.logits, "video")
    # Item 9 of each group is 'b': answered 'b' unless all ten answers are 'a' (group 2).
    found = balanced_accuracy_interval(scores)
    assert found.value == pytest.approx((50 / 54 + 5 / 6) / 2)
    assert found.low < found.value <= found.high


def test_sums_by_group() -> None:
    sums = sum_by_group(np.array([[1.0], [2.0], [4.0]]), np.array(["b", "a", "b"]))
    assert sums.tolist() == [[2.0], [5.0]]


@pytest.mark.parametrize(("groups", "least", "most"), [(8, 0.90, 0.98), (30, 0.925, 0.98)])
def test_ninety_five_in_a_hundred_intervals_hold_the_truth(groups: int, least: float, most: float) -> None:
    rng = np.random.default_rng(groups)
    held = 0
    for trial in range(400):
        # Groups differ: accuracies from beta(4, 2), mean 2/3, six items each.
        right = rng.binomial(6, rng.beta(4, 2, groups))
        sums = np.stack([right, np.full(groups, 6)], axis=1).astype(float)
        found = bootstrap(sums, lambda s: s[:, 0] / s[:, 1], resamples=1000, seed=trial)
        held += found.low <= 2 / 3 <= found.high
    assert least < held / 400 < most
