"""How fast a site may be asked: a ceiling on parallel requests, and one pause for all when it has had enough."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from kinema.errors import KinemaError

_EASE_AFTER = 10  # answers in a row after which one more request at a time is tried again


class StoppedError(Exception):
    """The work has been stopped: the user interrupted it, or the site keeps refusing."""


class Pacing:
    """What all workers share: `turn()` bounds how many work at a time, `wait()` stands before each request.

    `refused(...)` closes the gate for everyone, for the Retry-After of the answer, or else for a back-off
    that doubles with each refusal in a row, from `first_wait` to `longest_wait` seconds, with jitter. A
    refusal also halves the number of parallel turns; every ten answers win one back. After `most_refusals`
    in a row, or when the site asks for more than `patience` seconds, everything stops and `gave_up` says why.
    """

    def __init__(
        self,
        parallel: int,
        *,
        first_wait: float = 30.0,
        longest_wait: float = 900.0,
        most_refusals: int = 6,
        patience: float = 3600.0,
        seed: int | None = None,
    ) -> None:
        self.parallel = parallel
        self.refusals = 0
        self.gave_up: KinemaError | None = None
        self._first_wait, self._longest_wait = first_wait, longest_wait
        self._most_refusals, self._patience = most_refusals, patience
        self._random = random.Random(seed)
        self._changed = threading.Condition()
        self._stopped = False
        self._opens = 0.0
        self._in_row = 0
        self._answers = 0
        self._allowed = parallel
        self._working = 0

    @property
    def waiting(self) -> float:
        """Seconds until the gate opens; 0 when it is open."""
        return max(0.0, self._opens - monotonic())

    @property
    def allowed(self) -> int:
        """How many may work at a time now."""
        return self._allowed

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Work while no more than the allowed number do. Raises `StoppedError`."""
        with self._changed:
            while self._working >= self._allowed and not self._stopped:
                self._changed.wait()
            self._check()
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def wait(self) -> float:
        """Wait until the gate is open and return the time (monotonic, seconds). Raises `StoppedError`."""
        with self._changed:
            self._check()
            while (left := self._opens - monotonic()) > 0:
                # Not all at once when it opens: that is what closed it.
                self._changed.wait(left + self._random.uniform(0, min(1.0, 0.1 * left)))
                self._check()
        return monotonic()

    def pause(self, seconds: float) -> None:
        """Let one worker rest without closing the gate. Raises `StoppedError`."""
        until = monotonic() + seconds
        with self._changed:
            while (left := until - monotonic()) > 0 and not self._stopped:
                self._changed.wait(left)
            self._check()

    def refused(self, asked_at: float, retry_after: float | None, what: str) -> None:
        """Close the gate after a request, sent at `asked_at` (monotonic), was answered with "too many".

        `retry_after` is in seconds, None when the site did not say; `what` names the answer in errors.
        """
        with self._changed:
            if asked_at < self._opens:  # sent before the gate closed: the same refusal, met by another worker
                if retry_after is not None:
                    self._close(retry_after, what)
                return
            self.refusals += 1
            self._in_row += 1
            self._answers = 0
            self._allowed = max(1, self._allowed // 2)
            if self._in_row > self._most_refusals:
                self._give_up(f"{what}, {self._in_row} times in a row")
                return
            backoff = min(self._longest_wait, self._first_wait * 2 ** (self._in_row - 1))
            self._close(
                self._random.uniform(0.75, 1.25) * backoff if retry_after is None else retry_after, what
            )

    def answered(self) -> None:
        """Note that the site has answered a whole job properly."""
        with self._changed:
            self._in_row = 0
            self._answers += 1
            if self._answers >= _EASE_AFTER and self._allowed < self.parallel:
                self._answers = 0
                self._allowed += 1
                self._changed.notify_all()

    def check(self) -> None:
        """Raise `StoppedError` when the work has been stopped."""
        self._check()

    def stop(self) -> None:
        """Make every `turn`, `wait` and `pause` raise `StoppedError` from now on."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def stopped(self) -> bool:
        return self._stopped

    def _close(self, seconds: float, what: str) -> None:
        if seconds > self._patience:
            self._give_up(f"{what} and asks to come back in {seconds / 60:.0f} minutes")
            return
        self._opens = max(self._opens, monotonic() + seconds)

    def _give_up(self, what: str) -> None:
        self.gave_up = self.gave_up or KinemaError(
            f"{what}; what was fetched is kept: give the same command again later and it goes on from there"
        )
        self._stopped = True
        self._changed.notify_all()

    def _check(self) -> None:
        if self._stopped:
            raise StoppedError
