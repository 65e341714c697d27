"""The process of one job: `python -m kinema.web.jobs.child ID CLAIM WORKER`. Exits with 0 when the job is closed.

What it leaves open, its worker closes: that one knows why it asked it to end.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

_TOLD_EVERY = 0.4  # seconds
_EXIT_ASKED = 76
_NICER = 5
log = logging.getLogger("kinema.web.jobs")


def main() -> int:
    """Do the job that the worker claimed."""
    from kinema.web.jobs.parent import EXIT_LOST, die_with

    pk, claim, worker = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    die_with(worker)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
    _be_modest()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kinema.web.settings")
    import django

    django.setup()
    from kinema.errors import KinemaError
    from kinema.web.jobs import queue
    from kinema.web.jobs.kinds import Cancelled, kind
    from kinema.web.jobs.models import Job

    job = Job.objects.filter(pk=pk, claim=claim, state=Job.State.RUNNING).first()
    if job is None:
        return EXIT_LOST
    failed, failure = Job.State.FAILED, ""
    try:
        sort = kind(job.kind)
        _limit(sort.memory)
        result = sort.work(dict(job.arguments), _Teller(job))
        queue.finish(job, Job.State.DONE, result=result)
        return 0
    except KeyboardInterrupt:
        return _EXIT_ASKED
    except Cancelled:
        if Job.objects.filter(pk=pk, claim=claim, cancelling=True).exists():
            queue.finish(job, Job.State.CANCELLED)
            return 0
        return EXIT_LOST
    except KinemaError as error:
        failure = str(error)
    except Exception as error:
        if _short_of_memory(error):
            failure = "it needed more memory than a job may have"
        else:
            failure = f"{type(error).__name__}: {error}".strip().splitlines()[0][:500]
        log.error("%s", traceback.format_exc())
    queue.finish(job, failed, error=failure)
    return 0


class _Teller:
    """Writes progress to the database, not too often; raises `Cancelled` when somebody wants that."""

    def __init__(self, job: Any) -> None:
        self._job = job
        self._told = 0.0
        self._progress: float | None = None
        self._message = ""

    def __call__(self, done: float, total: float, message: str = "") -> None:
        self._progress = max(0.0, min(1.0, done / total)) if total > 0 else None
        self._message = message or self._message
        self.check()

    def check(self) -> None:
        from django.db import DatabaseError, close_old_connections

        from kinema.web.jobs import queue
        from kinema.web.jobs.kinds import Cancelled

        now = time.monotonic()
        if now - self._told < _TOLD_EVERY:
            return
        self._told = now
        try:
            unwanted = queue.tell(self._job, self._progress, self._message)
        except DatabaseError as error:  # one that is away for a moment is no reason to lose hours of work
            log.warning("progress is not told: %s", str(error).strip())
            close_old_connections()
            return
        if unwanted:
            raise Cancelled("cancelled")


def _short_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    said = str(error).lower()  # torch and OpenCV raise errors of their own
    return "allocate memory" in said or "out of memory" in said or "insufficient memory" in said


def _be_modest() -> None:
    """Let the pages go first; where memory runs out, this process is the one to end."""
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(_NICER)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _limit(memory: int | None) -> None:
    if memory is None:
        return
    try:
        import resource
    except ImportError:
        return  # not on Windows
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


if __name__ == "__main__":
    sys.exit(main())
