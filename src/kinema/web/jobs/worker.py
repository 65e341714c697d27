"""The worker process: `python -m kinema.web.jobs.worker [COUNT [PARENT]]`; takes jobs from the queue, `COUNT` at a time.

Those of kinds that are done in a moment have as many places of their own: an upload is checked while a training goes on.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

_LOOK = 0.25  # seconds
_BEAT = 2.0
_PATIENCE = 10.0  # seconds between asking a child to end and ending it
log = logging.getLogger("kinema.web.jobs")


@dataclass
class _Running:
    job: Any
    process: subprocess.Popen[bytes]
    limit: float | None
    short: bool
    began: float = field(default_factory=time.monotonic)
    beat: float = field(default_factory=time.monotonic)
    asked: float | None = None
    why: str = ""


class Worker:
    """Runs up to `count` long jobs and as many short ones at a time, each in a process of its own, until `stop`."""

    def __init__(self, count: int = 1) -> None:
        self._count = count
        self._running: list[_Running] = []
        self._stopping = False

    def stop(self, *_: object) -> None:
        """End soon: children are asked to end, their jobs go back to the queue."""
        self._stopping = True

    def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping:
            self._safely(self.turn)
            time.sleep(_LOOK)
        for running in self._running:
            self._ask(running, "")
        until = time.monotonic() + _PATIENCE
        while self._running and time.monotonic() < until:
            self._safely(self._look)
            time.sleep(0.05)
        for running in self._running:
            running.process.kill()
            running.process.wait()
        self._safely(self._look)

    def turn(self) -> None:
        """Look after what runs and what has ended, and begin what may begin."""
        from kinema.web.jobs import queue

        self._look()
        self._settle()
        while not self._stopping and (free := self._free()):
            own = [running.job.pk for running in self._running]
            job = queue.claim(own, short=None if len(free) == 2 else free[0])
            if job is None:
                return
            self._begin(job)

    def _free(self) -> list[bool]:
        """Return for which jobs there is a place: True for short ones, False for long ones."""
        return [
            short for short in (True, False) if sum(one.short == short for one in self._running) < self._count
        ]

    def _safely(self, step: Any) -> None:
        from django.db import DatabaseError, close_old_connections

        try:
            step()
        except DatabaseError as error:  # a database that is away for a moment
            log.error("the queue: %s", str(error).strip())
            close_old_connections()
            time.sleep(1)
        except Exception:  # a worker that dies of one job would leave all others
            log.exception("the queue")
            time.sleep(1)

    def _begin(self, job: Any) -> None:
        from kinema.errors import KinemaError
        from kinema.web.jobs import queue
        from kinema.web.jobs.kinds import kind
        from kinema.web.jobs.models import Job
        from kinema.web.jobs.output import keep_output, prune

        try:
            sort = kind(job.kind)
        except KinemaError as error:  # of an app that is gone
            queue.finish(job, Job.State.FAILED, error=str(error))
            return
        command = [
            sys.executable, "-m", "kinema.web.jobs.child", str(job.pk), job.claim, str(os.getpid()),
        ]  # fmt: skip
        # Its own group: Ctrl-C in the terminal goes to the server, which tells the worker, which tells the child.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._running.append(_Running(job, process, sort.seconds, sort.short))
        with suppress(OSError):  # a full disk
            prune()
        assert process.stdout is not None
        keep_output(job.pk, process.stdout, again=job.attempts + job.losses > 1)

    def _look(self) -> None:
        from kinema.web.jobs import queue
        from kinema.web.jobs.models import Job

        for running in list(self._running):
            now = time.monotonic()
            code = running.process.poll()
            if code is not None:
                self._closed(running, code)
                self._running.remove(running)
                continue
            if now - running.beat >= _BEAT:
                running.beat = now
                if not queue.beat(running.job):
                    running.process.kill()
                    continue
            if running.asked is None:
                if running.limit is not None and now - running.began > running.limit:
                    self._ask(running, f"it took longer than the {running.limit:g} s that it may take")
                elif Job.objects.filter(pk=running.job.pk, cancelling=True).exists():
                    self._ask(running, "")
            elif now - running.asked > _PATIENCE:
                running.process.kill()

    def _ask(self, running: _Running, why: str) -> None:
        if running.asked is None:
            running.asked, running.why = time.monotonic(), why
            with suppress(OSError):
                running.process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)

    def _closed(self, running: _Running, code: int) -> None:
        """Close a job whose process has ended without closing it."""
        from kinema.web.jobs import queue
        from kinema.web.jobs.models import Job

        claim = running.job.claim
        job = Job.objects.filter(pk=running.job.pk).first()
        if job is None or job.over or job.claim != claim or job.state != Job.State.RUNNING:
            return
        if running.why:
            queue.finish(job, Job.State.FAILED, error=running.why)
        elif job.cancelling:
            queue.finish(job, Job.State.CANCELLED)
        elif self._stopping:
            queue.give_back(job)
        elif job.attempts >= queue.ATTEMPTS:
            queue.finish(job, Job.State.FAILED, error=_died(code))
        else:
            log.warning("job %s (%s): %s; it is begun again", job.pk, job.kind, _died(code))
            queue.again(job)

    def _settle(self) -> None:
        """Do what kinds want done after their jobs, those included that ended without a process."""
        from kinema.errors import KinemaError
        from kinema.web.jobs import queue
        from kinema.web.jobs.kinds import kind

        for job in queue.unsettled():
            if job.error:
                log.warning("job %s (%s) %s: %s", job.pk, job.kind, job.state, job.error)
            with suppress(KinemaError):
                after = kind(job.kind).after
                if after is not None:
                    try:
                        after(job)
                    except Exception:
                        log.exception("after job %s (%s)", job.pk, job.kind)
            queue.settle(job)


def _died(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        hint = "; the machine may be short of memory" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with {code}"


def main() -> None:
    """Work until SIGTERM or Ctrl-C."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kinema.web.settings")
    import django

    from kinema.web.jobs.parent import die_with

    if len(sys.argv) > 2:
        die_with(int(sys.argv[2]))
    worker = Worker(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    django.setup()
    worker.run()


if __name__ == "__main__":
    main()
