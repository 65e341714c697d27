"""The database of a study hands each waiting trial to one process alone, even where it is a file of SQLite."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from kinema.errors import UsageError
from kinema.tuning import storage
from kinema.tuning.storage import import_optuna, once, open_storage, sqlite_url


def test_a_waiting_trial_is_given_to_one_taker_alone(tmp_path: Path) -> None:
    optuna = import_optuna()
    url = sqlite_url(tmp_path)
    study = optuna.create_study(storage=open_storage(url), study_name="shared")
    for value in range(40):
        study.enqueue_trial({"x": value})
    start = Barrier(4)

    def take(_: int) -> list[int]:
        mine = optuna.load_study(study_name="shared", storage=open_storage(url))
        start.wait()
        return [mine.ask().number for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        taken = [number for numbers in pool.map(take, range(4)) for number in numbers]
    assert sorted(taken) == list(range(40))


@pytest.fixture
def mine(tmp_path: Path) -> tuple[Any, str]:
    """A study, and the address of its database."""
    url = sqlite_url(tmp_path)
    return import_optuna().create_study(storage=open_storage(url), study_name="mine"), url


def test_what_is_to_be_done_once_is_done_once(mine: tuple[Any, str]) -> None:
    study, url = mine
    assert once(study, "look 1 at test", url, lambda: "first") == "first"
    assert once(study, "look 1 at test", url, lambda: "second") is None
    assert once(study, "look 2 at test", url, lambda: "third") == "third"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_was_stopped_is_done_by_the_next_that_asks(mine: tuple[Any, str], error: Any) -> None:
    study, url = mine

    def broken() -> str:
        raise error

    for _ in range(2):
        with pytest.raises(error):
            once(study, "look 1 at test", url, broken)
    assert once(study, "look 1 at test", url, lambda: "done") == "done"
    assert once(study, "look 1 at test", url, lambda: "again") is None


TAKER = """
import os, sys, time
from kinema.tuning import storage
storage._HEARTBEAT = 1
study = storage.import_optuna().load_study(study_name="mine", storage=storage.open_storage(sys.argv[1]))
def job():
    print("at it", flush=True)
    time.sleep(60)
storage.once(study, "look 1 at test", sys.argv[1], job)
"""


@pytest.mark.slow
def test_one_that_works_is_left_alone_and_one_that_was_killed_is_replaced(
    mine: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_HEARTBEAT", 1)
    study, url = mine
    waited: list[str] = []
    taker = subprocess.Popen([sys.executable, "-c", TAKER, url], stdout=subprocess.PIPE, text=True)
    try:
        assert taker.stdout is not None and taker.stdout.readline() == "at it\n"
        found = once(study, "look 1 at test", url, lambda: "mine", lambda: waited.append("told"))
        assert (found, waited) == (None, ["told"])
    finally:
        taker.kill()
        taker.wait()
    assert once(study, "look 1 at test", url, lambda: "mine") == "mine"


@pytest.mark.parametrize(
    ("url", "message"),
    [("study.db", "give an address such as sqlite:///"), ("nosuchdb://x/y", "cannot be opened")],
)
def test_what_is_no_address_is_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_storage(url)
