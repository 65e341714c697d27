"""When each picture of a live source is shown, from stamps that may lie and from the moment each arrived."""

from __future__ import annotations

LEAP = 1.0
"""Seconds by which a stamp may run ahead of its predecessor and of the arrival clock before it counts as wrong."""

_QUIET = 1.0  # seconds that a stream may be ahead or behind before its clock is drawn towards the arrivals
_DRAWN = 0.02  # of each second


class LiveClock:
    """Gives seconds since the first picture that never run backwards, over reconnects too.

    Stamps are believed while they agree with the arrivals, since they keep the camera's own spacing where a network
    bunches pictures together:

    - A stamp later than its predecessor moves the clock by their difference.
    - One that is absent, repeated, earlier than its predecessor, or more than `LEAP` (1 s) ahead of both its
      predecessor's successor and the arrivals, moves it by the time between the two arrivals instead; the next stamp is
      compared with this one.
    - A clock more than 1 s from the arrivals is drawn to them by at most 2 % of the time that passes, so that a
      camera whose seconds are a little long or short does not wander off.
    - One more than `tolerance` seconds behind jumps to the arrivals; one that far ahead or behind shows that the
      stamps do not count seconds, and none is believed any more until the next connection.

    After `reconnected()` the clock goes on with the time that passed between arrivals. `tolerance` None is for what
    arrives in pieces (HLS): its clock may be ahead or behind by any amount.

    >>> clock = LiveClock()
    >>> [round(clock.time(stamp, arrived), 2) for stamp, arrived in ((7.0, 100.0), (7.04, 100.05), (7.08, 100.07))]
    [0.0, 0.04, 0.08]
    """

    def __init__(self, tolerance: float | None = 10.0) -> None:
        """`tolerance`: seconds that stamps and arrivals may lie apart."""
        self._tolerance = tolerance
        self._origin: float | None = None
        self._time = 0.0
        self._arrived = 0.0
        self._stamp: float | None = None
        self._believed = True

    @property
    def last(self) -> float:
        """The time of the last picture, in seconds."""
        return self._time

    def reconnected(self) -> None:
        """Say that the next stamp belongs to a new connection."""
        self._stamp = None
        self._believed = True

    def time(self, stamp: float | None, arrived: float) -> float:
        """Return the time of the next picture; `stamp` and `arrived` (of a monotonic clock) are in seconds."""
        if self._origin is None:
            self._origin = self._arrived = arrived
        else:
            self._time += max(
                0.0, self._step(stamp, max(0.0, arrived - self._arrived), arrived - self._origin)
            )
            self._arrived = max(self._arrived, arrived)
        self._stamp = stamp
        return self._time

    def _step(self, stamp: float | None, passed: float, wall: float) -> float:
        if stamp is None or self._stamp is None or not self._believed:
            behind = wall - (self._time + passed)
            # Nothing says how old a picture without a stamp is; it is as old as it arrives.
            return passed + max(0.0, behind) if self._tolerance is not None else passed
        step = stamp - self._stamp
        ahead = self._time + step - wall
        if step <= 0 or (step > passed + LEAP and ahead > LEAP):
            return passed
        if self._tolerance is None:
            return step
        if abs(ahead) > self._tolerance:
            self._believed = False
            return wall - self._time if ahead < 0 else min(step, passed)
        if abs(ahead) > _QUIET:
            drawn = min(abs(ahead) - _QUIET, _DRAWN * min(step, passed))
            step -= drawn if ahead > 0 else -drawn
        return step
