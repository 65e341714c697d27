"""The queue of jobs: claimed once, cancelled, given back, taken over, and closed by whoever holds it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("database")


def _job(**values: Any) -> Any:
    from kinema.web.jobs.models import Job

    return Job.objects.create(**{"kind": "test", "title": "a test", **values})


def test_jobs_are_taken_in_their_order_and_once() -> None:
    from kinema.web.jobs import queue

    first, second = _job(), _job()
    assert [queue.claim().pk, queue.claim().pk] == [first.pk, second.pk]
    assert queue.claim() is None


def test_short_jobs_and_long_ones_are_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.web.jobs import queue

    monkeypatch.setattr(queue, "short_kinds", lambda: ["look"])
    long, look = _job(), _job(kind="look")
    later, last = _job(), _job(kind="look")
    assert [queue.before(one) for one in (long, look, later, last)] == [0, 0, 1, 1]
    assert queue.claim(short=True).pk == look.pk
    look.refresh_from_db()
    assert [queue.before(one, running=True) for one in (look, later, last)] == [0, 1, 1]
    assert [queue.before(one) for one in (look, later, last)] == [0, 1, 0]
    assert queue.claim(short=True).pk == last.pk
    assert queue.claim(short=True) is None
    assert [queue.claim(short=False).pk, queue.claim().pk] == [long.pk, later.pk]


def test_many_workers_get_each_job_once() -> None:
    from django.db import connection

    from kinema.web.jobs import queue

    wanted = sorted(_job().pk for _ in range(12))
    taken: list[int] = []

    def work() -> None:
        while (job := queue.claim()) is not None or len(taken) < 12:
            if job is not None:
                taken.append(job.pk)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == wanted


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked() -> None:
    from kinema.web.jobs import queue

    waiting, other = _job(), _job()
    queue.cancel(other)
    running = queue.claim()
    assert running.pk == waiting.pk
    queue.cancel(running)
    running.refresh_from_db()
    other.refresh_from_db()
    assert (other.state, running.state, running.cancelling) == ("cancelled", "running", True)
    assert queue.tell(running, 0.5, "half") is True


def test_a_job_whose_worker_died_is_taken_over_ten_times_and_then_fails() -> None:
    from django.utils import timezone

    from kinema.web.jobs import queue
    from kinema.web.jobs.models import Job

    pk = _job().pk
    for losses in range(11):
        job = queue.claim()
        assert (job.pk, job.attempts, job.losses) == (pk, 1, losses)
        assert queue.claim() is None  # its worker lives
        Job.objects.filter(pk=pk).update(beat=timezone.now() - timedelta(seconds=60))
    assert queue.claim() is None
    failed = Job.objects.get(pk=pk)
    assert (failed.state, failed.error) == (
        "failed",
        "its worker died 10 times; the server's log says more",
    )


def test_who_lost_a_job_can_neither_beat_nor_close_it() -> None:
    from django.utils import timezone

    from kinema.web.jobs import queue
    from kinema.web.jobs.models import Job

    _job()
    lost = queue.claim()
    Job.objects.update(beat=timezone.now() - timedelta(seconds=60))
    mine = queue.claim()
    assert (queue.beat(lost), queue.finish(lost, "done")) == (False, False)
    assert queue.tell(lost, 0.1, "") is True  # told to stop
    assert (queue.beat(mine), queue.finish(mine, "done", result={"n": 1})) == (True, True)
    assert Job.objects.get().result == {"n": 1}


def test_a_job_given_back_waits_again_and_the_try_does_not_count() -> None:
    from kinema.web.jobs import queue

    _job()
    job = queue.claim()
    queue.give_back(job)
    again = queue.claim()
    assert (again.pk, again.attempts) == (job.pk, 1)


def test_an_unknown_kind_is_refused_by_name() -> None:
    from kinema.errors import UsageError
    from kinema.web.jobs import queue

    with pytest.raises(UsageError, match="no job of kind 'cook'"):
        queue.add("cook", "dinner", {})
