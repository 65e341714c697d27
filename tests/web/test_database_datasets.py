"""Data in the site: the jobs that its pages queue. Only the database is tested: SQLite, or what `DATABASE_URL` names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django", reason="the web extra is not installed")


@pytest.fixture
def one(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A manifest whose videos are absent: nothing here opens them."""
    from kinema.web.datasets import catalogue

    (tmp_path / "manifest.csv").write_text(
        "video,label,group\n" + "".join(f"{i}.mp4,{'ab'[i % 2]},g{i // 2}\n" for i in range(8))
    )
    monkeypatch.setenv("KINEMA_DATA", str(tmp_path))
    return catalogue.in_folders()[0]


def _jobs(kind: str) -> list[Any]:
    from kinema.web.jobs.models import Job

    return list(Job.objects.filter(kind=kind).order_by("id"))


def test_the_same_check_is_queued_once(client: Any, one: Any) -> None:
    asked = {"min_seconds": "0.2", "min_frames": "4"}
    first = client.post(f"/datasets/{one.key}/check/", asked)
    again = client.post(f"/datasets/{one.key}/check/", asked)
    (job,) = _jobs("check-data")
    assert first["Location"] == again["Location"] == f"/datasets/work/{job.pk}/"
    assert job.owner.get_username() == "local"
    assert job.arguments == {
        "key": one.key, "min_seconds": 0.2, "min_frames": 4, "leaks": False, "by": "local"
    }  # fmt: skip
    client.post(f"/datasets/{one.key}/check/", {**asked, "leaks": "on"})
    assert len(_jobs("check-data")) == 2


def test_a_split_is_queued_as_the_form_says(client: Any, one: Any) -> None:
    form = {
        "title": "Mine",
        "way": "group",
        "train": 50,
        "valid": 25,
        "test": 25,
        "seed": 7,
        "content": "footage",
    }
    client.post(f"/datasets/{one.key}/split/", form)
    (job,) = _jobs("split-data")
    assert job.arguments["settings"] == {
        "seed": 7, "check_content": True, "merge": "footage", "replace": False,
        "fractions": {"train": 0.5, "valid": 0.25, "test": 0.25},
    }  # fmt: skip
    assert job.arguments["title"] == "Mine"


def test_the_page_of_a_job_follows_its_state(client: Any, one: Any) -> None:
    from kinema.web.jobs.models import Job

    client.post(f"/datasets/{one.key}/check/", {"min_seconds": "0.2", "min_frames": "4"})
    (job,) = _jobs("check-data")
    page = f"/datasets/work/{job.pk}/"
    assert "Cancel" in client.get(page).content.decode()
    Job.objects.filter(pk=job.pk).update(state=Job.State.FAILED, error="clips.csv: gone <b>")
    text = client.get(page).content.decode()
    assert "clips.csv: gone &lt;b&gt;" in text
    assert f'href="/datasets/{one.key}/"' in text
    Job.objects.filter(pk=job.pk).update(
        state=Job.State.DONE, error="", result={"url": f"/datasets/{one.key}/check/"}
    )
    assert client.get(page)["Location"] == f"/datasets/{one.key}/check/"


def test_only_jobs_of_data_have_a_page_here(client: Any, one: Any) -> None:
    from kinema.web.jobs.models import Job

    job = Job.objects.create(kind="train", title="x")
    assert client.get(f"/datasets/work/{job.pk}/").status_code == 404


def test_pages_ask_the_database_little(client: Any, one: Any, django_queries: Any) -> None:
    for page in ("", "clips/", "sheet/", "check/", "split/"):
        with django_queries() as asked:
            assert client.get(f"/datasets/{one.key}/{page}").status_code == 200
        assert len(asked) <= 10


@pytest.fixture
def django_queries(client: Any) -> Any:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    return lambda: CaptureQueriesContext(connection)
