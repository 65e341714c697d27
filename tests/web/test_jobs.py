"""Jobs with a real worker: done, told, cancelled, limited, and whatever is killed: nothing lost, nothing twice at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

KINDS = Path(__file__).parent / "job_kinds"


@pytest.fixture
def queue(database: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The queue of this process's site, with the kinds of `job_kinds`."""
    monkeypatch.syspath_prepend(str(KINDS))
    monkeypatch.setenv("PYTHONPATH", str(KINDS))
    import importlib.util

    from kinema.web.jobs import kinds, queue

    spec = importlib.util.spec_from_file_location("kinema_test_job_kinds", KINDS / "sitecustomize.py")
    assert spec is not None and spec.loader is not None
    if "test-steps" not in kinds._KINDS:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    monkeypatch.setattr(queue, "STALE", 3.0)
    return queue


@pytest.fixture
def worker(queue: Any, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`worker(count)` starts one, which takes over after 3 s."""
    started: list[subprocess.Popen[bytes]] = []
    # The same worker as of a site, less patient with the dead.
    code = "import sys; from kinema.web.jobs import worker; import django; django.setup(); " \
           "from kinema.web.jobs import queue; queue.STALE = 3.0; sys.argv = ['w', sys.argv[1]]; worker.main()"  # fmt: skip

    def start(count: int = 1) -> subprocess.Popen[bytes]:
        with (tmp_path / "worker.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, "-c", code, str(count)], stdout=log, stderr=log)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


class _Diary:
    """What jobs noted: their begins and ends, with the process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def words(self) -> list[str]:
        return [line[0] for line in self.lines()]

    def pids(self) -> list[int]:
        return [int(line[1]) for line in self.lines() if line[0] == "begin"]


@pytest.fixture
def diary(tmp_path: Path) -> _Diary:
    return _Diary(tmp_path / "diary")


def _wait(condition: Callable[[], Any], seconds: float = 40.0) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def _state(job: Any) -> str:
    job.refresh_from_db()
    return str(job.state)


def _over(job: Any) -> Callable[[], bool]:
    return lambda: _state(job) in ("done", "failed", "cancelled")


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_job_is_done_and_tells_how_far_it_is(queue: Any, worker: Any, diary: _Diary) -> None:
    job = queue.add("test-steps", "steps", {"steps": 8, "pause": 0.2, "diary": str(diary.path)})
    worker()
    _wait(
        lambda: (
            _state(job) == "running"
            and job.progress
            and 0 < job.progress < 1
            and job.message.startswith("step")
        )
    )
    _wait(_over(job))
    assert (job.state, job.progress, job.result, job.attempts) == ("done", 1.0, {"steps": 8}, 1)
    _wait(lambda: "after-done" in diary.words())
    _wait(lambda: job.refresh_from_db() or job.settled)
    assert diary.words() == ["begin", "end", "after-done"]


@pytest.mark.slow
def test_a_running_job_is_cancelled_whether_it_listens_or_not(queue: Any, worker: Any, diary: _Diary) -> None:
    listens = queue.add("test-steps", "steps", {"steps": 600, "pause": 0.1, "diary": str(diary.path)})
    deaf = queue.add("test-deaf", "deaf", {"pause": 60, "diary": str(diary.path)})
    waiting = queue.add("test-steps", "steps", {"steps": 1, "pause": 0.1, "diary": str(diary.path)})
    queue.cancel(waiting)
    worker(2)
    _wait(lambda: diary.words().count("begin") == 2)
    queue.cancel(listens)
    queue.cancel(deaf)
    _wait(_over(listens), 10)
    _wait(_over(deaf), 25)  # it is given ten seconds
    assert (listens.state, deaf.state, _state(waiting)) == ("cancelled", "cancelled", "cancelled")
    assert all(_gone(pid) for pid in diary.pids())
    # What a kind wants done afterwards is done for one that never began, too.
    _wait(lambda: diary.words().count("after-cancelled") == 2)


@pytest.mark.parametrize(
    ("kind", "said", "attempts"),
    [
        ("test-refuse", "a.mp4: no frames can be read; give another file", 1),
        ("test-break", "ZeroDivisionError: division by", 1),
        ("test-eat", "it needed more memory than a job may have", 1),
        ("test-slow", "it took longer than the 1 s that it may take", 1),
        pytest.param("test-die", "its process ended with 3", 3, marks=pytest.mark.slow),
    ],
)
def test_a_failure_is_a_line(
    queue: Any, worker: Any, diary: _Diary, kind: str, said: str, attempts: int
) -> None:
    job = queue.add(kind, kind, {"diary": str(diary.path)})
    worker()
    _wait(_over(job))
    assert (job.state, job.error, job.attempts) == ("failed", said, attempts)


def test_what_a_job_prints_is_kept_in_its_beginning_and_end(queue: Any, worker: Any, client: Any) -> None:
    from kinema.web.jobs.output import output_path

    job = queue.add("test-talk", "talk", {})
    worker()
    _wait(_over(job))
    path = output_path(job.pk)
    text = _wait(lambda: "the end" in path.read_text() and path.read_text())
    assert text.startswith("the beginning\n")
    assert "bytes are left out here" in text
    assert path.stat().st_size < 160_000
    assert "the beginning" in client.get(f"/jobs/{job.pk}/").content.decode()


def test_what_is_done_in_a_moment_does_not_wait_for_a_long_job(
    queue: Any, worker: Any, diary: _Diary, tmp_path: Path
) -> None:
    long = queue.add("test-gate", "gate", {"gate": str(tmp_path / "gate")})
    other = queue.add("test-gate", "gate", {"gate": str(tmp_path / "gate")})
    short = queue.add("test-short", "short", {"diary": str(diary.path)})
    assert (queue.before(other), queue.before(short)) == (1, 0)
    worker()
    _wait(_over(short))
    assert (short.state, _state(long), _state(other)) == ("done", "running", "queued")
    (tmp_path / "gate").touch()
    _wait(_over(other))
    assert (_state(long), other.state) == ("done", "done")


def test_a_full_disk_does_not_stop_what_prints(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from kinema.web.jobs import output

    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is not there")
    monkeypatch.setattr(output, "output_path", lambda pk: Path("/dev/full"))
    printing = subprocess.Popen(
        [sys.executable, "-c", "for _ in range(3000): print('x' * 100, flush=True)"], stdout=subprocess.PIPE
    )
    assert printing.stdout is not None
    output.keep_output(1, printing.stdout).join(30)
    assert printing.wait(30) == 0


def test_only_the_output_of_the_newest_jobs_is_kept(queue: Any) -> None:
    from kinema.web.jobs.output import output_path, prune

    for pk in (7, 8, 9, 10):
        output_path(pk).write_text("x")
    prune(2)
    assert [output_path(pk).exists() for pk in (7, 8, 9, 10)] == [False, False, True, True]


def test_a_killed_child_is_begun_again(queue: Any, worker: Any, diary: _Diary) -> None:
    job = queue.add("test-steps", "steps", {"steps": 10, "pause": 0.2, "diary": str(diary.path)})
    worker()
    _wait(diary.pids)
    os.kill(diary.pids()[0], signal.SIGKILL)
    _wait(_over(job))
    assert (job.state, job.attempts, diary.words().count("begin"), diary.words().count("end")) == (
        "done",
        2,
        2,
        1,
    )


@pytest.mark.slow
def test_a_killed_worker_takes_its_child_along_and_another_goes_on(
    queue: Any, worker: Any, diary: _Diary
) -> None:
    from kinema.web.jobs.output import output_path, read_output

    job = queue.add("test-steps", "steps", {"steps": 12, "pause": 0.2, "diary": str(diary.path)})
    first = worker()
    _wait(diary.pids)
    first.kill()
    first.wait()
    _wait(lambda: _gone(diary.pids()[0]), 5)
    output_path(job.pk).write_text("what the first try printed\n")
    worker()
    _wait(_over(job))
    assert (job.state, job.attempts, job.losses) == ("done", 1, 1)
    assert read_output(job.pk).startswith("what the first try printed\n")
    assert diary.words()[:3] == ["begin", "begin", "end"]


@pytest.mark.slow
def test_a_worker_that_is_asked_to_end_gives_its_job_back(queue: Any, worker: Any, diary: _Diary) -> None:
    job = queue.add("test-steps", "steps", {"steps": 12, "pause": 0.2, "diary": str(diary.path)})
    first = worker()
    _wait(diary.pids)
    first.terminate()
    assert first.wait(15) == 0
    assert (_state(job), job.attempts, _gone(diary.pids()[0])) == ("queued", 0, True)
    worker()
    _wait(_over(job))
    assert (job.state, job.attempts) == ("done", 1)


@pytest.mark.slow
def test_a_job_that_is_deleted_ends_its_process(queue: Any, worker: Any, diary: _Diary) -> None:
    from kinema.web.jobs.models import Job

    job = queue.add("test-steps", "steps", {"steps": 600, "pause": 0.1, "diary": str(diary.path)})
    other = queue.add("test-steps", "steps", {"steps": 1, "pause": 0.1, "diary": str(diary.path)})
    running = worker()
    _wait(diary.pids)
    Job.objects.filter(pk=job.pk).delete()
    _wait(lambda: _gone(diary.pids()[0]), 10)
    _wait(_over(other))
    assert (other.state, running.poll()) == ("done", None)


def test_a_worker_that_slept_long_does_not_take_its_own_job_from_itself(queue: Any) -> None:
    from django.utils import timezone

    from kinema.web.jobs.models import Job

    queue.add("test-steps", "steps", {})
    mine = queue.claim()
    Job.objects.update(beat=timezone.now() - timedelta(hours=1))
    assert queue.claim([mine.pk]) is None
    assert queue.claim().pk == mine.pk  # another worker may


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_and_run_nothing_twice_at_once(
    queue: Any, worker: Any, diary: _Diary
) -> None:
    import random

    chance = random.Random(5)
    jobs = [
        queue.add("test-steps", "steps", {"steps": 3, "pause": 0.1, "diary": str(diary.path)})
        for _ in range(12)
    ]
    running = worker(2)
    for _ in range(6):
        time.sleep(chance.uniform(0.2, 3.0))
        if chance.random() < 0.5 and (alive := [pid for pid in diary.pids() if not _gone(pid)]):
            os.kill(alive[-1], signal.SIGKILL)
        else:
            running.kill()
            running.wait()
            running = worker(2)
    for job in jobs:
        _wait(_over(job), 120)
    # A job may use up its three tries when it is hit three times; none may be open or lost.
    assert {job.state for job in jobs} <= {"done", "failed"}
    assert sum(job.state == "done" for job in jobs) >= 10
    assert diary.words().count("end") >= sum(job.state == "done" for job in jobs)


@pytest.mark.slow
def test_kill_9_of_the_server_leaves_the_job_to_the_next_one(
    queue: Any, start_site: Callable[..., Any], diary: _Diary, recognizer_folder: Path
) -> None:
    from kinema.web.folder import site

    folder = site().root
    job = queue.add("test-steps", "steps", {"steps": 200, "pause": 0.1, "diary": str(diary.path)})
    first = start_site(folder=folder)
    _wait(diary.pids)
    begun = folder / "tmp" / "begun.upload"
    begun.write_text("half of a video")
    first.kill()
    _wait(lambda: _gone(diary.pids()[0]), 5)
    assert _state(job) == "running"  # nobody could say otherwise
    second = start_site(folder=folder)
    assert not begun.exists()
    _wait(_over(job), 150)
    assert (job.state, job.losses, diary.words().count("end")) == ("done", 1, 1)
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(30) in (0, -signal.SIGTERM)


@pytest.mark.slow
def test_sigterm_of_the_server_gives_its_job_back(
    queue: Any, start_site: Callable[..., Any], diary: _Diary
) -> None:
    from kinema.web.folder import site

    job = queue.add("test-steps", "steps", {"steps": 600, "pause": 0.1, "diary": str(diary.path)})
    started = start_site(folder=site().root)
    _wait(diary.pids)
    started.process.send_signal(signal.SIGTERM)
    assert started.process.wait(30) == 0
    assert (_state(job), job.attempts, _gone(diary.pids()[0])) == ("queued", 0, True)
