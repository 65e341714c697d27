"""Videos in the database: begun once, checked once, settled after a kill, deleted with their jobs."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _no_files_of_others(_django: None) -> Iterator[None]:
    """Numbers of videos begin anew with each test, and so do their folders."""
    yield
    from kinema.web.folder import site

    shutil.rmtree(site().root / "videos", ignore_errors=True)


def _local() -> Any:
    from kinema.web.base.local_user import local_user

    return local_user()


def _together(count: int, work: Callable[[], None]) -> None:
    from django.db import connection

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def test_many_requests_that_begin_one_upload_get_the_same() -> None:
    from kinema.web.videos import uploads

    owner = _local()
    found: list[int] = []
    _together(4, lambda: found.append(uploads.begin("a.mp4", 5, owner, key="k").pk))
    assert len(found) == 4
    assert len(set(found)) == 1


def test_many_requests_that_finish_one_upload_queue_one_check() -> None:
    from kinema.web.jobs.models import Job
    from kinema.web.videos import uploads
    from kinema.web.videos.models import Video

    video = uploads.begin("a.mp4", 5, _local())
    (video.folder / "upload.part").write_bytes(b"01234")
    _together(4, lambda: uploads.complete(Video.objects.get(pk=video.pk)))
    video.refresh_from_db()
    assert (video.state, Job.objects.count(), video.job) == ("checking", 1, Job.objects.get())


def test_two_requests_that_write_at_once_leave_the_bytes_of_one() -> None:
    from kinema.web.videos import uploads
    from kinema.web.videos.limits import Refused
    from kinema.web.videos.models import Video

    video = uploads.begin("a.mp4", 8, _local())
    said: list[int] = []

    def write() -> None:
        try:
            said.append(uploads.append(Video.objects.get(pk=video.pk), 0, 4, io.BytesIO(b"0123")))
        except Refused as refused:
            said.append(refused.status)

    _together(4, write)
    assert said.count(4) == 1
    assert set(said) <= {4, 409, 423}
    assert (video.folder / "upload.part").read_bytes() == b"0123"


def test_the_check_is_queued_with_the_last_byte_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.web.jobs import queue
    from kinema.web.jobs.models import Job
    from kinema.web.videos import uploads
    from kinema.web.videos.models import Video

    video = uploads.begin("a.mp4", 4, _local())

    def broken(*arguments: Any, **more: Any) -> Any:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(queue, "add", broken)
        uploads.append(video, 0, 4, io.BytesIO(b"0123"))
    assert (Video.objects.get().state, Job.objects.count()) == ("uploading", 0)
    uploads.expire()  # what the next page or upload does
    assert (Video.objects.get().state, Job.objects.count()) == ("checking", 1)


def test_a_video_whose_check_failed_unheard_is_settled_when_somebody_looks() -> None:
    from kinema.web.jobs import queue
    from kinema.web.videos import predictions
    from kinema.web.videos.models import Video

    video = Video.objects.create(name="a.mp4", size=4, state="checking")
    job = queue.add("video-check", "Check", {"video": video.pk})
    job.state, job.error = "failed", "its process died 3 times; the server's log says more"
    job.save()
    video.job = job
    video.save()
    predictions.settle([video])
    found = Video.objects.get()
    assert (found.state, found.reason) == ("refused", "its process died 3 times; the server's log says more")


def test_deleting_a_video_cancels_its_jobs_and_takes_its_files() -> None:
    from kinema.web.jobs import queue
    from kinema.web.jobs.models import Job
    from kinema.web.recognizers import recognizers
    from kinema.web.videos import predictions
    from kinema.web.videos.models import Prediction, Video

    video = Video.objects.create(name="a.mp4", size=4, state="ready", file="videos/1/original.mp4")
    video.folder.mkdir(parents=True)
    (video.folder / "original.mp4").write_bytes(b"0123")
    first = predictions.ask(video, recognizers()[0], _local())
    running = queue.claim()
    second = predictions.ask(video, replace(recognizers()[0], key="another"), _local())
    assert running is not None
    assert running.pk == first.job.pk
    predictions.delete(video)
    assert (Video.objects.count(), Prediction.objects.count(), video.folder.exists()) == (0, 0, False)
    states = {job.pk: (job.state, job.cancelling) for job in Job.objects.all()}
    assert states == {first.job.pk: ("running", True), second.job.pk: ("cancelled", False)}


def test_somebody_elses_video_is_not_deleted(client: Any) -> None:
    from django.contrib.auth import get_user_model

    from kinema.web.videos.models import Video

    user = _local()
    user.is_superuser = False
    user.save()
    owner = get_user_model().objects.create_user("ada")
    theirs = Video.objects.create(name="a.mp4", size=4, state="ready", owner=owner, duration=1.0)
    own = Video.objects.create(name="b.mp4", size=4, state="ready", owner=user, duration=1.0)
    assert client.post(f"/videos/{theirs.pk}/delete/").status_code == 403
    answer = client.delete(f"/api/videos/{theirs.pk}")
    assert (answer.status_code, answer.json()["detail"]) == (
        403, "a.mp4 is somebody else's: only they or an admin may delete it.",
    )  # fmt: skip
    assert ">Delete</a>" not in client.get(f"/videos/{theirs.pk}/").content.decode()
    assert client.post(f"/videos/{own.pk}/delete/").status_code == 302
    assert [video.name for video in Video.objects.all()] == ["a.mp4"]


def test_what_a_cancelled_prediction_wrote_is_taken_away() -> None:
    from kinema.web.jobs import queue
    from kinema.web.jobs.kinds import kind
    from kinema.web.recognizers import recognizers
    from kinema.web.videos import predictions
    from kinema.web.videos.models import Video

    video = Video.objects.create(name="a.mp4", size=4, state="ready", file="videos/1/original.mp4")
    found = predictions.ask(video, recognizers()[0], _local())
    job = queue.claim()
    assert job is not None
    (found.folder / "parts").mkdir(parents=True)
    (found.folder / "parts" / "original.rows").write_bytes(b"half")
    queue.cancel(job)
    queue.finish(job, "cancelled")
    job.refresh_from_db()
    after = kind("video-predict").after
    assert after is not None
    after(job)
    found.refresh_from_db()
    assert (found.folder.exists(), found.state, found.running) == (False, "cancelled", False)


def test_a_job_that_wrote_after_its_video_was_deleted_leaves_nothing() -> None:
    from kinema.web.folder import site
    from kinema.web.jobs import queue
    from kinema.web.jobs.kinds import kind

    job = queue.add("video-predict", "x", {"prediction": 7, "video": 4711})
    late = site().place("videos", "4711", "predictions", "7")
    Path(late, "preview.jpg").write_bytes(b"x")
    after = kind("video-predict").after
    assert after is not None
    after(job)
    assert not (site().root / "videos" / "4711").exists()


def test_places_in_the_queue_count_all_jobs_that_wait_before() -> None:
    from kinema.web.jobs import queue
    from kinema.web.videos import predictions

    jobs = [queue.add("video-check", str(number), {"video": number}) for number in range(3)]
    assert [predictions.place(job) for job in jobs] == [1, 2, 3]
    first = queue.claim()
    assert first is not None
    first.refresh_from_db()
    assert [predictions.place(first), *(predictions.place(job) for job in jobs[1:])] == [None, 1, 2]


def test_names_are_searched_and_states_filtered(client: Any) -> None:
    from kinema.web.videos.models import Video

    for name, state in (("Kick.mp4", "ready"), ("walk.mp4", "ready"), ("kick two.avi", "refused")):
        Video.objects.create(name=name, size=4, state=state, duration=1.0)

    def names(query: str) -> list[str]:
        return [entry["name"] for entry in client.get(f"/api/videos/{query}").json()["videos"]]

    assert names("") == ["kick two.avi", "walk.mp4", "Kick.mp4"]
    assert names("?q=kick") == ["kick two.avi", "Kick.mp4"]
    assert names("?q=kick&state=ready") == ["Kick.mp4"]
    page = client.get("/videos/?q=kick").content.decode()
    assert ("Kick.mp4" in page, "walk.mp4" in page) == (True, False)
    assert "No such video" in client.get("/videos/?q=swim").content.decode()


def test_the_list_has_pages(client: Any) -> None:
    from kinema.web.videos.models import Video

    for number in range(13):
        Video.objects.create(name=f"clip {number:02d}", size=4, state="ready", duration=1.0)
    first, second = (client.get(f"/videos/?page={page}").content.decode() for page in (1, 2))
    assert [first.count("<article"), second.count("<article")] == [12, 1]
    assert "clip 00" in second
    assert "Page 1 of 2" in first


def test_a_recognizer_that_is_asked_twice_at_a_time_answers_once() -> None:
    from kinema.web.jobs.models import Job
    from kinema.web.recognizers import recognizers
    from kinema.web.videos import predictions
    from kinema.web.videos.models import Prediction, Video

    video = Video.objects.create(name="a.mp4", size=4, state="ready")
    chosen, owner = recognizers()[0], _local()
    found: list[int] = []
    _together(4, lambda: found.append(predictions.ask(Video.objects.get(pk=video.pk), chosen, owner).pk))
    assert len(found) == 4
    assert (len(set(found)), Prediction.objects.count(), Job.objects.count()) == (1, 1, 1)
    Job.objects.update(state=Job.State.FAILED)
    assert predictions.ask(video, chosen, owner).pk not in found  # one that failed is asked again


def test_an_upload_given_up_with_its_last_byte_on_the_way_is_gone_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kinema.web.videos import uploads
    from kinema.web.videos.limits import Refused
    from kinema.web.videos.models import Video

    video = uploads.begin("a.mp4", 4, _local())
    written = uploads._write

    def given_up(*arguments: Any) -> int:
        here = written(*arguments)
        Video.objects.filter(pk=video.pk).delete()  # by another request, whose next step is the folder
        return here

    monkeypatch.setattr(uploads, "_write", given_up)
    folder = video.folder
    with pytest.raises(Refused, match="this upload was given up") as refused:
        uploads.append(Video.objects.get(pk=video.pk), 0, 4, io.BytesIO(b"0123"))
    assert (refused.value.status, folder.exists()) == (410, False)


def test_the_recognizer_chosen_last_looks_at_an_upload_that_goes_on() -> None:
    from kinema.web.recognizers import recognizers
    from kinema.web.videos import uploads
    from kinema.web.videos.limits import Refused
    from kinema.web.videos.models import Video

    key = recognizers()[0].key
    uploads.begin("a.mp4", 5, _local(), key="k")
    uploads.begin("a.mp4", 5, _local(), key="k", wanted=key)
    assert Video.objects.get().wanted == key
    with pytest.raises(Refused, match="no recognizer 'gone-1'"):
        uploads.begin("a.mp4", 5, _local(), key="k", wanted="gone-1")
    uploads.begin("a.mp4", 5, _local(), key="k")
    assert Video.objects.get().wanted == ""
