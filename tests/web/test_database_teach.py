"""What the database knows of teaching: who sees what, what is ready, which job looks at the takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from kinema.errors import UsageError

pytestmark = pytest.mark.usefixtures("database")


def clip(content: bytes, name: str = "take.webm") -> Any:
    return SimpleUploadedFile(name, content, "video/webm")


@pytest.fixture
def new_project() -> Callable[..., Any]:
    """`new_project("wave", "clap", owner=…)` makes one."""

    def make(*labels: str, owner: Any = None) -> Any:
        from kinema.web.teach.models import Action, Project

        project = Project.objects.create(title=", ".join(labels), owner=owner)
        for label in labels:
            Action.objects.create(project=project, label=label)
        return project

    return make


@pytest.fixture
def people() -> dict[str, Any]:
    """Ann, Ben, and an administrator."""
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    return {
        "ann": users.create_user("ann", password="x"),
        "ben": users.create_user("ben", password="x"),
        "admin": users.create_superuser("admin", password="x"),
    }


def test_takes_show_people_so_a_project_is_its_owners(new_project: Callable[..., Any], people: Any) -> None:
    from django.http import Http404

    from kinema.web.teach import access
    from kinema.web.teach.receiving import receive

    project = new_project("wave", "clap", owner=people["ann"])
    action = project.actions.first()
    take = receive(action, clip(b"1"))
    for user, sees in (("ann", True), ("ben", False), ("admin", True)):
        assert list(access.projects(people[user])) == ([project] if sees else [])
        for look, pk in (
            (access.project_of, project.pk),
            (access.action_of, action.pk),
            (access.take_of, take.pk),
        ):
            if sees:
                assert look(people[user], pk).pk == pk
            else:
                with pytest.raises(Http404):
                    look(people[user], pk)


def test_a_take_is_kept_as_it_came_and_waits(new_project: Callable[..., Any]) -> None:
    from kinema.web.teach.receiving import receive

    project = new_project("wave", "clap")
    wave, clap = project.actions.all()
    first, second = receive(wave, clip(b"first")), receive(clap, clip(b"second"), pause=True)
    assert first.upload.read_bytes() == b"first"
    assert [take.pk for take in project.waiting()] == [first.pk, second.pk]
    assert project.takes_by_label() == {"wave": 1, "clap": 1}
    assert (first.original, second.original) == ("take.webm", "")


def test_the_same_clip_twice_would_be_its_own_witness_and_is_refused(new_project: Callable[..., Any]) -> None:
    from kinema.web.teach.receiving import receive

    project, other = new_project("wave", "clap"), new_project("wave", "clap")
    receive(project.actions.get(label="wave"), clip(b"same"))
    with pytest.raises(UsageError, match="the same clip is a take of 'wave' already"):
        receive(project.actions.get(label="clap"), clip(b"same", "again.webm"))
    receive(other.actions.first(), clip(b"same"))  # another project may have it


def test_a_take_sent_again_under_its_name_is_the_one_that_is_there(new_project: Callable[..., Any]) -> None:
    from kinema.web.teach.receiving import receive

    mine, theirs = new_project("wave", "clap"), new_project("wave", "clap")
    name = "00112233445566778899aabbccddeeff"
    first = receive(mine.actions.first(), clip(b"first"), uid=name)
    assert receive(mine.actions.first(), clip(b"first"), uid=name).pk == first.pk
    assert (first.uid.hex, mine.waiting().count()) == (name, 1)
    for project, uid in ((theirs, name), (mine, "no such name")):
        other = receive(project.actions.first(), clip(b"other"), uid=uid)
        assert (other.pk != first.pk, other.uid.hex != name) == (True, True)
    assert first.upload.read_bytes() == b"first"


@pytest.mark.parametrize(("size", "said"), [(0, "it is empty"), (65 * 2**20, "at most 64 MB")])
def test_clips_that_are_no_takes_are_refused_by_their_size(
    size: int, said: str, new_project: Callable[..., Any]
) -> None:
    from kinema.web.teach.receiving import receive

    uploaded = clip(b"")
    uploaded.size = size
    with pytest.raises(UsageError, match=said):
        receive(new_project("wave", "clap").actions.first(), uploaded)


def test_one_job_looks_at_the_takes_of_a_project(new_project: Callable[..., Any]) -> None:
    from kinema.web.jobs.models import Job
    from kinema.web.teach.receiving import look_soon

    first, second = new_project("a", "b"), new_project("a", "b")
    for project in (first, first, second):
        look_soon(project, None)
    assert sorted(job.arguments["project"] for job in Job.objects.all()) == [first.pk, second.pk]
    Job.objects.update(state=Job.State.DONE)
    look_soon(first, None)
    assert Job.objects.count() == 3


def test_takes_that_came_while_the_last_look_ended_get_another_and_failures_are_told(
    new_project: Callable[..., Any],
) -> None:
    from django.utils import timezone

    from kinema.web.jobs.kinds import kind
    from kinema.web.jobs.models import Job
    from kinema.web.teach.receiving import READING, look_soon, receive

    project = new_project("a", "b")
    look_soon(project, None)
    take = receive(project.actions.first(), clip(b"late"))
    job = Job.objects.get()
    after = kind(READING).after
    assert after is not None
    Job.objects.update(state=Job.State.DONE, ended=timezone.now())
    job.refresh_from_db()
    after(job)
    assert Job.objects.filter(state=Job.State.QUEUED).count() == 1
    failed = Job.objects.filter(state=Job.State.QUEUED).get()
    failed.state, failed.error, failed.ended = Job.State.FAILED, "its process died 3 times", timezone.now()
    failed.save()
    after(failed)
    take.refresh_from_db()
    assert (take.state, take.reason) == ("refused", "its process died 3 times")
    assert project.takes_by_label() == {"a": 0, "b": 0}


def test_a_training_that_waits_is_not_put_in_line_twice(new_project: Callable[..., Any]) -> None:
    from kinema.web.jobs.models import Job
    from kinema.web.teach.receiving import train_soon

    project = new_project("a", "b")
    first = train_soon(project, None)
    assert train_soon(project, None).pk == first.pk
    project.refresh_from_db()
    assert project.training_id == first.pk
    assert Job.objects.count() == 1


def test_the_recognizers_place_stays_when_the_title_changes(new_project: Callable[..., Any]) -> None:
    project = new_project("Thumbs up!", "clap")
    assert project.name == f"thumbs-up-clap-{project.pk}"
    project.result = {"name": project.name}
    before = project.recognizer
    project.title = "Other"
    assert project.recognizer == before
    assert before.parent.name == "taught"


def test_a_list_of_projects_asks_the_database_a_fixed_number_of_times(
    client: Any, new_project: Callable[..., Any], django_queries: Callable[[], Any]
) -> None:
    from kinema.web.base.local_user import local_user

    counts = []
    for number in (2, 20):
        for _ in range(number):
            new_project("a", "b", owner=local_user())
        with django_queries() as queries:
            assert client.get("/teach/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.fixture
def django_queries() -> Callable[[], Any]:
    """A block whose queries are counted."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    return lambda: CaptureQueriesContext(connection)


def test_files_of_a_take_go_with_it(client: Any, new_project: Callable[..., Any]) -> None:
    from kinema.web.base.local_user import local_user
    from kinema.web.teach.models import Take
    from kinema.web.teach.receiving import receive

    project = new_project("a", "b", owner=local_user())
    take = receive(project.actions.first(), clip(b"x"))
    path: Path = take.upload
    answer = client.post(f"/teach/takes/{take.pk}/delete/", headers={"Accept": "application/json"})
    assert answer.json() == {"deleted": take.pk}
    assert not path.exists()
    kept = receive(project.actions.first(), clip(b"y")).upload
    client.post(f"/teach/{project.pk}/delete/")
    assert not kept.parent.exists()
    assert Take.objects.count() == 0
