"""Transfers side by side, in threads that an interrupted run does not wait for."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Ended(Generic[Item, Result]):
    """What came of one item: `result`, or the `error` that its work raised."""

    item: Item
    result: Result | None = None
    error: BaseException | None = None

    def get(self) -> Result:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # None only where Result allows it


def side_by_side(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    connections: int,
    stop: Callable[[], None],
    patience: float = 1.0,
) -> Generator[Ended[Item, Result]]:
    """Run `work(item)` for all items, `connections` at a time; yield each as it ends.

    When the caller closes the generator early, or Ctrl-C arrives while it waits, no further item is begun, `stop()`
    is called to end those under way, and they get `patience` seconds for it. The threads are daemons: a server that
    says nothing cannot keep the process.
    """
    waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
    ended: queue.SimpleQueue[Ended[Item, Result]] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)
    count, stopped = waiting.qsize(), threading.Event()

    def run() -> None:
        while not stopped.is_set():
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                ended.put(Ended(item, work(item)))
            except BaseException as error:  # handed to the thread that waits
                ended.put(Ended(item, error=error))

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(connections, count))]
    try:
        for thread in threads:
            thread.start()
        for _ in range(count):
            yield ended.get()
    except BaseException:
        stopped.set()
        stop()
        raise
    finally:
        until = time.monotonic() + patience
        for thread in threads:
            if thread.is_alive():
                thread.join(timeout=max(0.0, until - time.monotonic()))
