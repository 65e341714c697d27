"""A process that decodes for the pages of runs, with limits: the server itself opens no video.

Anybody who may sign in may have sent a run's videos. One that breaks a decoder ends this process, and the page is told that
there is no picture.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any

from kinema.errors import KinemaError

_MEMORY = 4 * 2**30  # bytes of address space
_SECONDS = 60.0
_IDLE = 120.0


class Decoder:
    """One such process: begun when it is needed, ended after `seconds` at one piece of work, when idle, and with the server."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._process: Any = None
        self._pipe: Any = None

    def __call__(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Return what `work(*arguments)` returns there, as JSON; None where it fails, takes too long, or ends the process."""
        with self._lock:
            for _ in range(2):  # one that was idle may end at the moment that it is asked
                try:
                    self._begin()
                    self._pipe.send((work, arguments))
                    if self._pipe.poll(self._seconds):
                        # JSON, and not what pickle would make of it: who broke the decoder shall not reach the server.
                        return json.loads(self._pipe.recv_bytes())
                    self.end()
                    return None
                except (EOFError, OSError, ValueError):
                    self.end()
            return None

    def _begin(self) -> None:
        if self._process is not None and self._process.is_alive():
            return
        self.end()
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), name="decoder", daemon=True)
        self._process.start()
        there.close()  # so that each side sees the end of the other

    def end(self) -> None:
        """End the process; the next piece of work begins another."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


decoded = Decoder()
"""The process that all pages of this server share."""


def _serve(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, with which the pipe ends
    _limit()
    while pipe.poll(_IDLE):
        try:
            work, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = work(*arguments)
        except (KinemaError, OSError, MemoryError):
            answer = None
        pipe.send_bytes(json.dumps(answer).encode())


def _limit() -> None:
    try:
        import resource
    except ImportError:
        return  # not on Windows
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
