"""The thread that receives: connects, reads, notices that a connection is lost, and connects again."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from threading import Thread

import av.error

from kinema.errors import DataError
from kinema.video.decoder import reason_of
from kinema.video.live.backlog import Arrived, Backlog, Closed, Ended, Opened
from kinema.video.live.connection import Connection, Opener

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 0.5
"""Seconds from the beginning of one attempt to connect to that of the next: doubled from the first to the longest."""

_STEADY = 10.0  # seconds; one that was back less than this ago is not told as back again until it has lasted a while
_SETTLED = 2.0  # seconds
_POLL = 0.005  # seconds, for cameras that do not wait
_FAREWELL = 2.0  # seconds that `close` waits for the thread


class Reader:
    """Receives in a thread of its own, from construction to `close`, into `backlog`.

    It reconnects for ever, or until nothing has come for `give_up` seconds. `tell(kind, text)` is called once for each
    loss and once for each return.
    """

    def __init__(
        self, opener: Opener, backlog: Backlog, tell: Callable[[str, str], None], give_up: float | None
    ) -> None:
        self._opener, self._backlog, self._tell, self._give_up = opener, backlog, tell, give_up
        self._lost_at: float | None = None
        self._untold: str | None = None
        self._back_at = -_STEADY
        self._thread = Thread(target=self._run, name=f"receive {opener.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop and wait for the thread's end, at most two seconds: what it waits for may end later, by itself."""
        self._backlog.stop()
        self._thread.join(_FAREWELL)
        self._backlog.clear()

    def _run(self) -> None:
        try:
            fault = self._receive()
        except Exception as error:  # whatever happens, the one who waits is told
            fault = f"{self._opener.name}: {reason_of(error)}"
        self._backlog.mark(Ended(fault))

    def _receive(self) -> str | None:
        """Return at the regular end, or with the fault that ends it."""
        first, pause = True, FIRST_PAUSE
        while not self._backlog.stopped:
            began = time.monotonic()
            try:
                connection = self._opener.open(first)
            except DataError as error:
                if first:
                    return str(error)
                self._tell_loss()
                if self._given_up():
                    return (
                        f"{self._opener.name}: not back after {self._give_up:g} s; given up ({_tail(error)})"
                    )
                self._backlog.rest(max(_POLL, began + pause - time.monotonic()))
                pause = min(LONGEST_PAUSE, pause * 2)
                continue
            if self._untold is not None:
                if connection.recording:  # the playlist has been completed: that was its end
                    connection.close()
                    return None
                self._untold = self._lost_at = None
            first = False
            with closing(connection):
                opened = time.monotonic()
                self._backlog.mark(Opened(connection))
                fault = self._read(connection)
                lasted = time.monotonic() - opened
                self._backlog.mark(Closed())
            if self._backlog.stopped or fault is None:
                return None
            if connection.recording:
                return f"{self._opener.name}: broken off before its end ({fault})"
            pause = FIRST_PAUSE if lasted > _SETTLED else min(LONGEST_PAUSE, pause * 2)
            if self._lost_at is None:
                self._lost_at, self._untold = time.monotonic(), fault
                # A live playlist ends in the same way when it is complete as when its server goes.
                if not connection.paced:
                    self._tell_loss()
            elif self._given_up():
                return f"{self._opener.name}: not back after {self._give_up:g} s; given up ({fault})"
            self._backlog.rest(pause)
        return None

    def _read(self, connection: Connection) -> str | None:
        """Receive until the connection ends; return None for its regular end, else why it ended."""
        silence = self._opener.silence
        opened = last = time.monotonic()
        while not self._backlog.stopped:
            try:
                for packet in connection.packets():
                    now = time.monotonic()
                    if self._backlog.stopped:
                        return None
                    if packet.size and packet.stream.index == connection.index:
                        last = now
                        self._back(now, opened)
                        self._backlog.put(
                            Arrived(packet, now), patient=connection.recording or connection.paced
                        )
                    elif now - last > silence:
                        return f"no picture has come for {silence:g} s"
                return None if connection.recording else "the other side has ended the connection"
            except BlockingIOError:
                if time.monotonic() - last > silence:
                    return f"no picture has come for {silence:g} s"
                self._backlog.rest(_POLL)
            except av.error.ExitError:
                return f"nothing has come for {silence:g} s"
            except (av.error.FFmpegError, OSError) as error:
                return reason_of(error)
        return None

    def _back(self, now: float, opened: float) -> None:
        # A connection that comes and goes every second is told as lost once, and as back when it stays.
        if self._lost_at is not None and (now - self._back_at >= _STEADY or now - opened >= _SETTLED):
            away, self._lost_at, self._back_at = now - self._lost_at, None, now
            self._tell("back", f"{self._opener.name}: back after {away:.1f} s")

    def _tell_loss(self) -> None:
        if self._untold is not None:
            fault, self._untold = self._untold, None
            self._tell("lost", f"{self._opener.name}: lost, {fault}; trying to connect again")

    def _given_up(self) -> bool:
        if self._give_up is None or self._lost_at is None:
            return False
        return time.monotonic() - self._lost_at > self._give_up


def _tail(error: DataError) -> str:
    return str(error).partition(": ")[2]
