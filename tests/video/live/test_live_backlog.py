"""What arrived and nobody has decoded yet: bounded, and cut only where decoding can begin again."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

from kinema.video.live.backlog import Arrived, Backlog, Ended, Opened


def packet(name: str, at: float) -> Arrived:
    """A packet of 10 bytes; a name in capitals is a keyframe."""
    data: Any = SimpleNamespace(name=name, is_keyframe=name.isupper(), size=10)
    return Arrived(data, at)


def drained(backlog: Backlog) -> str:
    names = []
    while (item := backlog.take(until=0.0)) is not None:
        names.append(item.packet.name if isinstance(item, Arrived) else "|")
    return "".join(names)


def filled(text: str, step: float, backlog: Backlog) -> Backlog:
    for place, name in enumerate(text):
        backlog.put(packet(name, step * place), patient=False)
    return backlog


def test_what_is_taken_in_time_is_all_there() -> None:
    assert drained(filled("AbcDef", 0.1, Backlog(seconds=2.0))) == "AbcDef"


def test_what_waits_too_long_is_cut_before_the_newest_keyframe() -> None:
    backlog = filled(
        "AbcDefGhi", 0.4, Backlog(seconds=2.0)
    )  # at "G" (2.4 s) "A" has waited for more than two seconds
    assert drained(backlog) == "Ghi"
    assert backlog.dropped == 6


def test_without_a_newer_keyframe_nothing_can_be_left_out_until_it_is_full() -> None:
    assert drained(filled("Abcdefghi", 0.4, Backlog(seconds=2.0))) == "Abcdefghi"
    backlog = filled("AbcdefghIjk", 0.0, Backlog(seconds=2.0, most=5))
    # Full at "f": all goes, and what refers to it; it begins again with the next keyframe.
    assert drained(backlog) == "Ijk"
    assert backlog.dropped == 8


def test_bytes_are_bounded_too() -> None:
    backlog = filled("ABCDEF", 0.0, Backlog(seconds=60.0, most_bytes=30))
    assert drained(backlog) == "DEF"


def test_marks_stay_whatever_is_dropped() -> None:
    backlog = Backlog(seconds=1.0)
    backlog.mark(Opened(None))  # type: ignore[arg-type]
    filled("Abc", 0.0, backlog)
    backlog.mark(Opened(None))  # type: ignore[arg-type]
    for name in "DeF":
        backlog.put(packet(name, 9.0), patient=False)
    backlog.mark(Ended(None))
    assert drained(backlog).count("|") == 3


def test_a_patient_put_waits_for_room_and_a_stop_frees_it() -> None:
    backlog = filled("AB", 0.0, Backlog(most=2))
    done: list[str] = []

    def put() -> None:
        for name in "CD":
            backlog.put(packet(name, 0.0), patient=True)
            done.append(name)

    thread = threading.Thread(target=put)
    thread.start()
    time.sleep(0.1)
    assert done == []
    assert isinstance(backlog.take(), Arrived)
    time.sleep(0.1)
    assert done == ["C"]
    backlog.stop()
    thread.join(2.0)
    assert done == ["C", "D"] and backlog.dropped == 0
    assert backlog.take() is None
