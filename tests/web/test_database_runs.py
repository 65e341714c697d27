"""Trainings in the queue: what is refused before it waits, and one job for one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def data(two_actions: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The key of a manifest of the site, of videos in a folder that data may be read from."""
    from kinema.data import read_data
    from kinema.web.datasets.catalogue import manifests
    from kinema.web.folder import site

    monkeypatch.setenv("KINEMA_DATA", str(two_actions))
    path = site().place("manifests") / "two-actions.csv"
    read_data(two_actions).write(path)
    yield next(one.key for one in manifests() if one.path == path)
    path.unlink()


def test_a_training_waits_with_all_that_was_asked_for(data: str) -> None:
    from kinema.web.folder import site
    from kinema.web.runs.starting import Asked, start

    job = start(
        Asked(data, name="first", epochs=3, flip=False, folds="group", further=["frames=4", "freeze = True"])
    )
    assert (job.kind, job.state) == ("train", "queued")
    assert job.title == "Train first: motion_moments on two-actions"
    assert job.arguments == {
        "run": str(site().place("runs") / "first"),
        "data": str(site().place("manifests") / "two-actions.csv"),
        "model": "motion_moments",
        "settings": {"epochs": 3, "flip": False},
        "clip": {"frames": 4},
        "model_settings": {"freeze": True},
        "folds": "group",
        "device": "auto",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "../out"}, "name '../out': give letters"),
        ({"name": "/tmp/out"}, "name '/tmp/out': give letters"),
        ({"name": ".hidden"}, "name '.hidden': give letters"),
        ({"model": "lrcm"}, "unknown model 'lrcm': did you mean 'lrcn'"),
        ({"further": ["epoch=3"]}, "setting 'epoch': no such setting; did you mean 'epochs'"),
        ({"further": ["frames"]}, "setting 'frames': write NAME=VALUE"),
        ({"epochs": 0}, "setting epochs=0: give a whole number of at least 1"),
        ({"further": ["weights=/etc/passwd"]}, "setting weights='/etc/passwd': give bundled, pretrained"),
        ({"further": ["weights=model.pt"]}, "no file is read here"),
        ({"further": ["weights=[1]"]}, "setting weights=[1]: give bundled, pretrained"),
        ({"folds": "1"}, "folds '1': give a number of at least 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_line(data: str, changes: dict[str, Any], said: str) -> None:
    from kinema.errors import UsageError
    from kinema.web.jobs.models import Job
    from kinema.web.runs.starting import Asked, start

    with pytest.raises(UsageError) as refused:
        start(Asked(data, **changes))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert Job.objects.count() == 0


@pytest.mark.parametrize(
    ("rows", "folds", "said"),
    [
        ("a.mp4,walk,train\nb.mp4,run,test\n", "", "clips of 'walk' alone to learn from"),
        ("a.mp4,,\nb.mp4,,\n", "", "no clip with a label to learn from"),
        ("a.mp4,walk,train\nb.mp4,run,test\n", "5", None),
        ("a.mp4,walk,train\nb.mp4,run,train\n", "", None),
    ],
    ids=["one class to learn", "no label", "folds learn from all", "two classes"],
)
def test_data_without_two_classes_is_refused_before_its_videos_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: str, folds: str, said: str | None
) -> None:
    from kinema.errors import DataError
    from kinema.web.datasets.catalogue import in_folders
    from kinema.web.runs.starting import Asked, start

    (tmp_path / "manifest.csv").write_text("video,label,split\n" + rows)
    monkeypatch.setenv("KINEMA_DATA", str(tmp_path))
    asked = Asked(in_folders()[0].key, name="classes", folds=folds)
    if said is None:
        assert start(asked).state == "queued"
        return
    with pytest.raises(DataError, match=said):
        start(asked)


def test_only_who_began_a_training_or_an_admin_is_offered_to_cancel_it(
    data: str, asks: None, new_user: Any
) -> None:
    from django.test import Client

    from kinema.web.jobs import queue
    from kinema.web.runs.starting import Asked, start

    ada, bob, eve = new_user("ada"), new_user("bob", "reviewers"), new_user("eve", "reviewers")
    queue.add("pictures-data", "in another line", {}, ada)
    start(Asked(data, name="before"), ada)
    job = start(Asked(data, name="mine"), bob)
    address = f"/runs/training/{job.pk}/cancel/"
    for user, offered in ((ada, True), (bob, True), (eve, False)):
        client = Client()
        client.force_login(user)
        page = client.get(f"/runs/training/{job.pk}/").content.decode()
        assert (address in page) is offered, user
        assert "1 job before it" in page
    assert client.post(address).status_code == 403


def test_a_run_is_of_the_data_by_its_title_not_by_the_name_of_a_file(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from kinema.web.folder import site
    from kinema.web.runs.catalogue import Listed

    def named(path: str) -> str:
        record: Any = SimpleNamespace(data=path)
        return Listed("key", record).data_name

    made = site().place("manifests") / "Falls-and-fights-0123456789.csv"
    made.with_suffix(".json").write_text(json.dumps({"title": "Falls & fights"}))
    try:
        assert named(str(made)) == "Falls & fights"
    finally:
        made.with_suffix(".json").unlink()
    assert named(str(tmp_path / "kth" / "manifest.csv")) == "kth"
    assert named(str(tmp_path / "kth")) == "kth"


def test_a_path_is_no_data(two_actions: Path) -> None:
    from django.http import Http404

    from kinema.web.runs.starting import Asked, start

    for path in (str(two_actions), "../../etc", ""):
        with pytest.raises(Http404):
            start(Asked(path))


def test_a_name_is_taken_while_its_training_waits(data: str) -> None:
    from kinema.errors import UsageError
    from kinema.web.runs.starting import Asked, start

    start(Asked(data, name="same"))
    with pytest.raises(UsageError, match="there is a run of that name already"):
        start(Asked(data, name="same"))


def test_an_unfinished_run_is_gone_on_with_once(client: Any) -> None:
    from kinema.web.folder import site
    from kinema.web.jobs.models import Job
    from kinema.web.runs.catalogue import unfinished

    folder = site().place("runs", "stopped", "checkpoint")
    (folder / "plan.json").write_text("{}")
    try:
        (begun,) = unfinished()
        assert (begun.name, begun.at_work) == ("stopped", False)
        assert "stopped on the way" in client.get("/runs/").content.decode()
        for _ in range(2):
            answer = client.post(f"/runs/unfinished/{begun.key}/resume/")
            assert answer.headers["Location"] == f"/runs/training/{Job.objects.get().pk}/"
        assert Job.objects.get().arguments == {"run": str(folder.parent), "device": "auto"}
        assert client.get(f"/runs/unfinished/{begun.key}/resume/").status_code == 405
        assert client.post("/runs/unfinished/..%2fstopped/resume/").status_code == 404
    finally:
        (folder / "plan.json").unlink()
        for path in (*folder.iterdir(),):
            path.unlink()
        folder.rmdir()
        folder.parent.rmdir()


def test_the_form_says_what_is_wrong_and_keeps_what_was_written(client: Any, data: str) -> None:
    values = {"data": data, "model": "motion_moments", "name": "a/b", "epochs": "7", "flip": "on"}
    answer = client.post("/runs/start/", values)
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "give letters, digits" in page
    assert 'value="7"' in page
    assert client.post("/runs/start/", {**values, "data": "/etc"}).status_code == 400
    done = client.post("/runs/start/", {**values, "name": "good"})
    assert (done.status_code, done.headers["Location"].startswith("/runs/training/")) == (302, True)


def test_the_api_begins_watches_and_lists(client: Any, data: str) -> None:
    asked = {"data": data, "name": "by-api", "epochs": 2}
    answer = client.post("/api/runs/trainings", json.dumps(asked), content_type="application/json")
    job = answer.json()
    assert (answer.status_code, job["state"], job["run"]) == (202, "queued", "by-api")
    assert client.get(f"/api/runs/trainings/{job['id']}").json()["history"] == []
    assert [one["id"] for one in client.get("/api/runs/trainings").json()] == [job["id"]]
    assert data in [one["key"] for one in client.get("/api/datasets/").json()]
    bad = client.post(
        "/api/runs/trainings", json.dumps({**asked, "model": "x"}), content_type="application/json"
    )
    assert (bad.status_code, bad.json()["detail"].startswith("unknown model 'x'")) == (400, True)
    bad = client.post("/api/runs/trainings", json.dumps({"data": "/etc"}), content_type="application/json")
    assert bad.status_code == 404


def test_a_manifest_that_names_other_files_is_refused(
    data: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from kinema.errors import DataError
    from kinema.web.runs.starting import Asked, start

    monkeypatch.setenv("KINEMA_DATA", str(tmp_path))
    with pytest.raises(DataError, match="16 videos outside of the folders that this site may read"):
        start(Asked(data))


def test_only_whose_training_it_is_cancels_it(client: Any, data: str) -> None:
    from django.contrib.auth import get_user_model
    from django.test import RequestFactory

    from kinema.web.runs.starting import Asked, start
    from kinema.web.runs.training_views import cancel

    people = get_user_model().objects
    mine, other = people.create(username="mine"), people.create(username="other")
    job = start(Asked(data), mine)
    request = RequestFactory().post(f"/runs/training/{job.pk}/cancel/")
    request.user = other
    from django.core.exceptions import PermissionDenied

    with pytest.raises(PermissionDenied):
        cancel(request, job.pk)
    job.refresh_from_db()
    assert job.state == "queued"
    request.user = mine
    assert cancel(request, job.pk).status_code == 302
    job.refresh_from_db()
    assert job.state == "cancelled"
