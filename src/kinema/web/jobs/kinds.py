"""The kinds of jobs: functions that apps register in their `tasks.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from kinema.errors import KinemaError, UsageError
from kinema.web.routes import modules


class Cancelled(KinemaError):  # noqa: N818 - it is no error
    """The job was cancelled; raised by `Progress.check` and `Progress.__call__`, and left to go through."""


class Progress(Protocol):
    """What a job tells while it works."""

    def __call__(self, done: float, total: float, message: str = "") -> None:
        """Say how far it is; raises `Cancelled`. Cheap: call it as often as you like."""

    def check(self) -> None:
        """Raise `Cancelled` once somebody pressed the button."""


Work = Callable[[dict[str, Any], Progress], dict[str, Any] | None]


@dataclass(frozen=True)
class Kind:
    """How one kind of job is done. Limits hold for its process: None for none.

    `memory`: bytes of address space; `seconds`: wall clock; `after(job)` is called in the worker when the job is over, however
    it ended, and once more where that worker is killed meanwhile: it must bear that. `short`: somebody waits for it and it is
    done in a moment, so that it does not stand in line behind what takes hours.
    """

    name: str
    work: Work
    memory: int | None = None
    seconds: float | None = None
    after: Callable[[Any], None] | None = None
    short: bool = False


_KINDS: dict[str, Kind] = {}


def job(
    name: str,
    *,
    memory: int | None = None,
    seconds: float | None = None,
    after: Callable[[Any], None] | None = None,
    short: bool = False,
) -> Callable[[Work], Work]:
    """Register a function as the work of a kind of job.

    It runs in a process of its own, `work(arguments, progress) -> result`, both JSON. It may be killed at any moment and
    begun again: what it writes must be atomic, and what is done already may be left out. A `KinemaError` is shown to the
    user as it is.
    """

    def register(work: Work) -> Work:
        _KINDS[name] = Kind(name, work, memory, seconds, after, short)
        return work

    return register


def kind(name: str) -> Kind:
    """Return a kind of job. Raises `UsageError` for one that nobody registered."""
    known = _registered()
    if name not in known:
        raise UsageError(f"no job of kind {name!r}; there are {', '.join(sorted(known)) or 'none'}")
    return known[name]


def short_kinds() -> list[str]:
    """Return the names of the kinds that are done in a moment."""
    return [one.name for one in _registered().values() if one.short]


@cache
def _registered() -> dict[str, Kind]:
    modules("tasks")
    return _KINDS
