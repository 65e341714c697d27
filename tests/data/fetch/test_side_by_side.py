"""Transfers side by side: what ends is handed over, and a stop is not kept waiting."""

from __future__ import annotations

import threading
import time

import pytest

from kinema.data.fetch.side_by_side import side_by_side


def test_results_and_errors_come_with_their_items() -> None:
    def work(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return 10 * number

    ended = {one.item: one for one in side_by_side(work, [1, 2, 3], 2, stop=lambda: None)}
    assert (ended[1].get(), ended[3].get()) == (10, 30)
    with pytest.raises(ValueError, match="two"):
        ended[2].get()
    assert list(side_by_side(work, [], 4, stop=lambda: None)) == []


def test_a_stop_begins_nothing_more_and_does_not_wait_for_what_hangs() -> None:
    begun: list[int] = []
    stopped, never = threading.Event(), threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            never.wait(30)

    transfers = side_by_side(work, [0, 1, 2, 3], 1, stop=stopped.set, patience=0.2)
    assert next(transfers).item == 0
    began = time.monotonic()
    transfers.close()
    assert 0.2 <= time.monotonic() - began < 5
    assert stopped.is_set()
    never.set()
    time.sleep(0.1)
    assert begun == [0, 1]
