"""Data in the site: import of folders and lists."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_import_writes_a_manifest_and_says_what_was_found(client: Any, imported: Any) -> None:
    from kinema.data import Manifest

    found = Manifest.read(imported.path)
    assert found.classes == ["jump", "wave"]
    assert sorted(found.groups) == ["person01", "person02", "person03", "person04"]
    assert len(found) == 13
    page = client.get("/datasets/outcome/0123456789/").content.decode()
    assert "read as class folders" in page
    assert "13 videos in 2 class folders" in page
    assert f"/datasets/{imported.key}/check/" in page


def test_import_lists_what_a_list_names_and_is_missing(
    client: Any,
    test_data: Path,
    monkeypatch: Any,
    child: Callable[[Any, str], Any],
    quiet: Any,
    text_of: Callable[[Any], str],
) -> None:
    from kinema.web.datasets import catalogue, roots, tasks

    monkeypatch.setenv("KINEMA_DATA", str(test_data))
    keys = child(child(roots.root_places()[0], "falls"), "annotations").keys
    videos = child(roots.root_places()[0], "falls").keys
    arguments = {"keys": keys, "videos": videos, "title": "Falls", "token": "aaaaaaaaaa", "by": "local"}
    tasks.import_data(arguments, quiet)
    page = client.get("/datasets/outcome/aaaaaaaaaa/").content.decode()
    assert "Listed and missing" in page
    table = client.get("/datasets/outcome/aaaaaaaaaa/absent.csv")
    rows = list(csv.reader(io.StringIO(text_of(table))))
    assert rows[0] == ["place", "path", "label", "why"]
    assert len(rows) > 1
    made = catalogue.made_here()[0]
    assert catalogue.record(made.path)["title"] == "Falls"


def test_the_form_refuses_what_the_reader_does_not_take(
    client: Any, root: Path, child: Callable[[Any, str], Any]
) -> None:
    from kinema.web.datasets import roots

    keys = child(roots.root_places()[0], "actions").keys
    page = client.post(f"/datasets/import/{keys}/", {"title": "x", "fold": "2"})
    assert page.status_code == 400
    assert "class folders does not take this" in page.content.decode()
    page = client.post(f"/datasets/import/{keys}/", {"title": "x", "group_by": "block", "group_value": "-3"})
    assert "A number from 1 on." in page.content.decode()


def test_only_manifests_made_here_can_be_removed(client: Any, imported: Any, many: Any) -> None:
    from kinema.web.datasets import catalogue

    assert client.post(f"/datasets/{many.key}/remove/").status_code == 403
    assert many.path.exists()
    assert client.post(f"/datasets/{imported.key}/remove/").status_code == 302
    assert catalogue.made_here() == []


def test_what_was_found_of_a_manifest_goes_with_it(client: Any, imported: Any, quiet: Any) -> None:
    from kinema.web.datasets import reports, tasks

    tasks.check_data({"key": imported.key}, quiet)
    tasks.explore_data({"key": imported.key}, quiet)
    assert client.get(f"/datasets/{imported.key}/explore/page.html").status_code == 200
    client.post(f"/datasets/{imported.key}/remove/")
    assert reports.report(imported) is None
    assert not reports.explored_page(imported).exists()


def test_a_job_whose_manifest_was_removed_says_so(client: Any, imported: Any, quiet: Any) -> None:
    from kinema.errors import DataError
    from kinema.web.datasets import tasks

    client.post(f"/datasets/{imported.key}/remove/")
    for work, arguments in ((tasks.check_data, {}), (tasks.pictures_data, {"rows": [0]})):
        with pytest.raises(DataError, match=r"^no manifest 'Made-up-.*': it may have been removed$"):
            work({"key": imported.key, **arguments}, quiet)


def test_pages_name_fields_and_not_options_of_the_command_line(
    client: Any, root: Path, film: Callable[..., Path], child: Callable[[Any, str], Any], quiet: Any
) -> None:
    from kinema.errors import DataError
    from kinema.web.datasets import catalogue, roots, tasks
    from kinema.web.jobs.models import Job

    for number in range(1, 5):
        film(root / "numbered" / "ab"[number % 2] / f"v{number}.mp4", number)
    keys = child(roots.root_places()[0], "numbered").keys
    tasks.import_data({"keys": keys, "title": "Numbered", "token": "6666666666", "by": "local"}, quiet)
    page = client.get("/datasets/outcome/6666666666/").content.decode()
    assert "say so in “Clips of one recording or person” at the import" in page
    assert "--group-block" not in page
    (root / "manifest.csv").write_text("video,label,split,group\nv.mp4,a,train,g\nw.mp4,a,test,g\n")
    with pytest.raises(DataError) as refused:
        catalogue.load(catalogue.in_folders()[0]).manifest.validate()
    job = Job.objects.create(kind="check-data", title="x", state=Job.State.FAILED, error=str(refused.value))
    page = client.get(f"/datasets/work/{job.pk}/").content.decode()
    assert "split it, with “Forget the splits that it has”" in page
    assert "kinema data split" not in page
