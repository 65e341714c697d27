"""What an outbox has taken is delivered: over restarts, kills, several processes and full disks."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from kinema.errors import KinemaError
from kinema.streaming.sinks.courier import Courier, Later, Refused
from kinema.streaming.sinks.delivery import BackOff, Delivery
from kinema.streaming.sinks.outbox import OUTBOX_FILE, Outbox


class _Carrier:
    """Takes what it is given, unless `answers` has an error for it."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[str, int]] = []
        self.keys: list[str] = []
        self.rested = 0

    def greet(self) -> None:
        return

    def choose(self, outbox: Outbox, closing: bool) -> list[Delivery]:
        return outbox.due("mail")

    def deliver(self, item: Delivery) -> None:
        self.seen.append((item.payload["label"], item.attempts))
        self.keys.append(item.key)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer

    def rest(self) -> None:
        self.rested += 1


def test_deliveries_survive_a_restart(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    first, second = box.add("mail", {"label": "a"}), box.add("mail", {"label": "b"})
    box.add("mqtt", {"label": "c"})
    box.postpone(first, "host unreachable", 3600.0)
    box.refuse(second, "550 no such user")
    box.close()

    box = Outbox(tmp_path)
    assert box.channels() == {"mail": 1, "mqtt": 1}
    assert box.due("mail") == []
    (waiting,) = box.waiting("mail")
    assert (waiting.key, waiting.attempts, waiting.error) == (first.key, 1, "host unreachable")
    assert 3590 < waiting.next_try - time.time() <= 3600
    assert [(item.key, item.error) for item in box.failed("mail")] == [(second.key, "550 no such user")]
    assert box.try_again("mail") == 1
    assert [item.payload for item in box.due("mail")] == [{"label": "b"}]
    box.delivered(box.due("mqtt")[0])
    assert box.channels() == {"mail": 2}
    box.close()


def test_pauses_double_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    pauses = [BackOff(first=2.0, most=60.0).seconds(attempts) for attempts in (1, 2, 3, 4, 5, 6, 1000)]
    assert pauses == [2.5, 5.0, 10.0, 20.0, 40.0, 75.0, 75.0]  # a quarter more than 2, 4, 8, 16, 32, 60, 60
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    assert BackOff(first=2.0).seconds(2) == 3.0


def test_what_waits_too_long_is_given_up(tmp_path: Path) -> None:
    box = Outbox(tmp_path, expire_days=2)
    box.postpone(box.add("mail", {"label": "a"}), "unreachable", 0.0)
    assert box.expire("mail") == []
    _set_age(tmp_path, 3)
    (old,) = box.expire("mail")
    assert old.error == "not delivered within 2 days: unreachable"
    assert (box.due("mail"), len(box.failed("mail"))) == ([], 1)
    _set_age(tmp_path, 33)
    box.expire("mail")
    assert box.failed("mail") == []
    box.close()


def _set_age(folder: Path, days: float) -> None:
    with sqlite3.connect(folder / OUTBOX_FILE) as table:
        table.execute("UPDATE deliveries SET created = ?", (time.time() - days * 86400,))
    table.close()


def test_a_clock_that_is_set_back_does_not_stop_deliveries(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    box.postpone(
        box.add("mail", {"label": "a"}), "x", 400 * 86400.0
    )  # as stored before the clock went back a year
    assert len(box.due("mail")) == 1
    box.close()


def test_many_become_one(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    items = [box.add("mail", {"label": str(number)}) for number in range(3)]
    other = box.add("mail", {"label": "other"})
    merged = box.merge(items, {"label": "all"})
    assert [item.key for item in box.due("mail")] == [other.key, merged.key]
    box.close()
    assert [item.key for item in Outbox(tmp_path).due("mail")] == [other.key, merged.key]


def test_a_folder_is_made_and_another_file_is_named(tmp_path: Path) -> None:
    Outbox(tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b" / OUTBOX_FILE).is_file()
    (tmp_path / OUTBOX_FILE).write_text("these are no deliveries at all, only text. " * 50)
    with pytest.raises(KinemaError, match=r"outbox\.sqlite: not an outbox of kinema .*move it away"):
        Outbox(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(KinemaError, match="cannot be written"):
        Outbox(tmp_path / "file" / "below")


def test_a_newer_outbox_is_left_alone(tmp_path: Path) -> None:
    Outbox(tmp_path).close()
    with sqlite3.connect(tmp_path / OUTBOX_FILE) as table:
        table.execute("PRAGMA user_version = 99")
    table.close()
    with pytest.raises(KinemaError, match="made by a newer kinema"):
        Outbox(tmp_path)


def test_several_processes_add_to_one_outbox(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from kinema.streaming.sinks.outbox import Outbox
box = Outbox(Path({str(tmp_path)!r}))
for number in range(40): box.add("mail", {{"number": number}})
box.close()
"""
    running = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(2)]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert said == b""
    assert Outbox(tmp_path).channels() == {"mail": 80}


def test_one_process_after_another_delivers(
    tmp_path: Path, child: Callable[[str], subprocess.Popen[str]], wait_for: Callable[..., None]
) -> None:
    process = child(f"""
import time
from pathlib import Path
from kinema.streaming.sinks.courier import Courier
from kinema.streaming.sinks.outbox import Outbox
class Carrier:
    def greet(self): print("delivers", flush=True)
    def choose(self, outbox, closing): return outbox.due('mail')
    def deliver(self, item): time.sleep(1000)
    def rest(self): pass
box = Outbox(Path({str(tmp_path)!r}))
Courier(box, "mail", Carrier(), print).start()
time.sleep(1000)
""")
    box, carrier = Outbox(tmp_path), _Carrier()
    box.add("mail", {"label": "a"})
    courier = Courier(box, "mail", carrier, lambda text: None)
    courier.start()
    time.sleep(0.5)
    assert carrier.seen == []  # the other process has it in hand
    process.kill()
    process.wait()
    wait_for(lambda: carrier.seen == [("a", 0)])
    assert courier.close(2.0) == 0


def test_a_process_killed_at_any_moment_loses_nothing(
    tmp_path: Path, child: Callable[[str], subprocess.Popen[str]], wait_for: Callable[..., None]
) -> None:
    said = tmp_path / "said"
    program = f"""
import os
from pathlib import Path
from kinema.streaming.sinks.outbox import Outbox
box = Outbox(Path({str(tmp_path)!r}))
said = os.open({str(said)!r}, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
print("begins", flush=True)
number = 0
while True:
    item = box.add("mail", {{"number": f"{{os.getpid()}}-{{number}}"}})
    os.write(said, (item.key + "\\n").encode())
    number += 1
"""
    for pause in (0.05, 0.17):
        before = len(said.read_text().split()) if said.exists() else 0
        process = child(program)
        wait_for(lambda before=before: said.exists() and len(said.read_text().split()) > before + 2)
        time.sleep(pause)
        process.kill()
        process.wait()
    told = set(said.read_text().split())
    kept = {item.key for item in Outbox(tmp_path).waiting("mail")}
    assert told <= kept
    assert len(told) >= 6
    assert len(kept - told) <= 2  # those that were written in the moment of the kill


def test_a_courier_tries_until_it_arrives_and_says_so_once(
    tmp_path: Path, fast: None, wait_for: Callable[..., None]
) -> None:
    carrier = _Carrier(Later("is away", everything=True), Later("is away", everything=True), None, None)
    box, said = Outbox(tmp_path), list[str]()
    box.add("mail", {"label": "a"})
    box.add("mail", {"label": "b"})
    courier = Courier(box, "mail", carrier, said.append)
    courier.start()
    wait_for(lambda: courier.delivered == 2)
    assert carrier.seen == [("a", 0), ("a", 1), ("a", 2), ("b", 0)]
    assert len(set(carrier.keys)) == 2
    assert courier.close(2.0) == 0
    assert said == ["mail: is away; what waits is tried again until it arrives", "mail: arrives again"]


def test_what_is_refused_is_kept_and_not_tried_again(
    tmp_path: Path, fast: None, wait_for: Callable[..., None]
) -> None:
    carrier = _Carrier(Refused("550 unknown user"), Refused("550 unknown user"), None)
    box, said = Outbox(tmp_path), list[str]()
    for label in "abc":
        box.add("mail", {"label": label})
    courier = Courier(box, "mail", carrier, said.append)
    courier.start()
    wait_for(lambda: courier.delivered == 1)
    assert courier.refused == 2
    assert carrier.seen == [("a", 0), ("b", 0), ("c", 0)]
    assert said == [f"mail: 550 unknown user; kept as failed in {tmp_path / OUTBOX_FILE}"]
    assert [item.payload["label"] for item in box.failed("mail")] == ["a", "b"]
    courier.close(2.0)


def test_one_that_fails_in_a_strange_way_does_not_stop_the_others(
    tmp_path: Path, fast: None, wait_for: Callable[..., None]
) -> None:
    class Strange(_Carrier):
        def deliver(self, item: Delivery) -> None:
            super().deliver(item)
            if item.payload["label"] == "bad":
                raise ZeroDivisionError("strange")

    carrier, box, said = Strange(), Outbox(tmp_path), list[str]()
    box.add("mail", {"label": "bad"})
    box.add("mail", {"label": "good"})
    courier = Courier(box, "mail", carrier, said.append)
    courier.start()
    wait_for(lambda: box.failed("mail"))
    assert ("good", 0) in carrier.seen
    assert carrier.seen.count(("bad", 0)) == 1
    assert box.failed("mail")[0].attempts == 10
    assert said == ["mail: ZeroDivisionError: strange"]
    courier.close(2.0)


def test_a_courier_that_hangs_is_left_behind(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    hanging, free = threading.Event(), threading.Event()

    class Hangs(_Carrier):
        def deliver(self, item: Delivery) -> None:
            hanging.set()
            free.wait()

    box = Outbox(tmp_path)
    box.add("mail", {"label": "a"})
    courier = Courier(box, "mail", Hangs(), lambda text: None)
    courier.start()
    wait_for(hanging.is_set)
    began = time.monotonic()
    assert courier.close(0.2) == 1
    assert time.monotonic() - began < 10.0
    free.set()


def test_a_full_disk_is_told_once_and_deliveries_go_on(
    tmp_path: Path,
    small_files: Callable[[], AbstractContextManager[None]],
    fast: None,
    wait_for: Callable[..., None],
) -> None:
    box, carrier, said = Outbox(tmp_path), _Carrier(), list[str]()
    on_disk = box.add("mail", {"label": "before"})
    big = "x" * 40_000
    with small_files():  # a megabyte a file: the log fills up
        for number in range(60):
            box.add("later", {"label": str(number), "big": big})
        assert box.trouble is not None
        courier = Courier(box, "mail", carrier, said.append)
        courier.start()
        box.add("mail", {"label": "meanwhile"})
        courier.wake()
        wait_for(lambda: courier.delivered == 2)
        time.sleep(0.2)
        assert sorted(carrier.seen) == [
            ("before", 0),
            ("meanwhile", 0),
        ]  # each once, though no disk remembers it
        assert len(said) == 1 and said[0].startswith(f"{tmp_path / OUTBOX_FILE}: ")
        assert said[0].endswith("what is to be delivered is kept in memory until it can be written")
    courier.wake()
    wait_for(lambda: len(said) == 2)
    assert said[1] == f"{tmp_path / OUTBOX_FILE}: can be written again"
    assert courier.close(2.0) == 0
    box.close()
    again = Outbox(tmp_path)
    assert again.channels() == {"later": 60}
    assert on_disk.key not in {item.key for item in again.waiting("mail")}


def test_without_a_folder_it_works_in_memory() -> None:
    box: Any = Outbox(None)
    box.add("mail", {"label": "a"})
    assert box.channels() == {"mail": 1}
    assert box.path is None
    box.close()
