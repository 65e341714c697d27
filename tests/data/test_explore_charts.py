"""The numbers behind the charts of explore."""

from __future__ import annotations

import pytest

from kinema.data.explore.charts import histogram
from kinema.data.explore.page import _usual_rate


def test_histograms_count_every_value_and_keep_both_ends() -> None:
    chart = histogram("Lengths", "s", [1, 1, 2, 3, 3, 3, 10])
    assert chart is not None
    assert (
        sum(column.value for column in chart.bins) == 7 and max(column.height for column in chart.bins) == 100
    )
    assert (chart.least, chart.middle, chart.most) == (1, 3, 10)
    wide = histogram("Lengths", "s", [1, 2, 1000])
    assert wide is not None and sum(column.value for column in wide.bins) == 3 and len(wide.bins) == 20
    rounded = histogram("Lengths", "s", [0.1 + 0.2, 0.3])  # one length, but for the last bit
    assert rounded is not None and [column.value for column in rounded.bins] == [2]
    same = histogram("Lengths", "s", [2, 2])
    assert same is not None and [column.value for column in same.bins] == [2]
    assert histogram("Lengths", "s", []) is None


@pytest.mark.parametrize(
    ("fps", "name"),
    [(25.0, "25 fps"), (29.97, "29.97 fps"), (23.976, "23.98 fps"), (14.97, "about 15 fps"),
     (29.53, "about 30 fps"), (2.5, "2.5 fps")],
)  # fmt: skip
def test_rates_of_phones_are_counted_together(fps: float, name: str) -> None:
    assert _usual_rate(fps) == name
