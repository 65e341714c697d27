"""Data in the site: what may be read and shown."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_folders_are_found_by_keys_alone(
    client: Any, root: Path, tmp_path: Path, child: Callable[[Any, str], Any]
) -> None:
    from kinema.web.datasets import roots

    (tmp_path / "secret").mkdir()
    (root / "away").symlink_to(tmp_path / "secret")
    (root / ".hidden").mkdir()
    odd = os.fsdecode(b"caf\xe9 <script>")
    (root / odd).mkdir()
    top = roots.root_places()[0]
    assert [one.name for one in roots.inside(top).folders] == ["actions", "caf\ufffd <script>"]
    page = client.get(f"/datasets/folders/{top.keys}/")
    assert page.status_code == 200
    assert "&lt;script&gt;" in page.content.decode()
    assert "class folders" in client.get(f"/datasets/folders/{child(top, 'actions').keys}/").content.decode()
    for keys in (
        "..",
        "actions",
        f"{top.keys}/..",
        f"{top.keys}/%2e%2e",
        f"{top.keys}/away",
        "0" * 12,
        "/etc",
    ):
        assert client.get(f"/datasets/folders/{keys}/").status_code == 404


def test_without_folders_the_page_says_how_to_get_some(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KINEMA_DATA", raising=False)
    assert "kinema serve --data FOLDER" in client.get("/datasets/").content.decode()


@pytest.mark.parametrize(
    "named",
    ["/etc/passwd", "../outside.mp4", "link.mp4", "actions/notes.txt", "s3://bucket/a.mp4", "absent.mp4"],
)
def test_a_manifest_cannot_make_the_site_show_another_file(
    root: Path, client: Any, named: str, tmp_path: Path, film: Callable[..., Path]
) -> None:
    from kinema.web.datasets import catalogue

    film(tmp_path / "outside.mp4", 1)
    (root / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    (root / "actions" / "notes.txt").write_text("mine")
    (root / "manifest.csv").write_text(f"video,label\n{named},a\nactions/jump/person01_jump_1.mp4,b\n")
    one = catalogue.in_folders()[0]
    assert client.get(f"/datasets/{one.key}/").status_code == 200
    assert client.get(f"/datasets/{one.key}/clips/0/").status_code == 200
    for kind in ("video", "strip.jpg", "copy.mp4"):
        assert client.get(f"/datasets/{one.key}/clips/0/{kind}").status_code == 404
    assert client.get(f"/datasets/{one.key}/clips/1/video").status_code == 200
    assert client.get(f"/datasets/{one.key}/clips/2/video").status_code == 404


def test_the_sites_own_secrets_are_no_videos(root: Path, client: Any) -> None:
    from kinema.web.datasets import catalogue
    from kinema.web.folder import site

    site().secret_key()
    key = site().root / "secret-key"
    (site().root / "site.mp4").write_bytes(b"in the top folder")
    (root / "manifest.csv").write_text(f"video,label\n{key},a\n{site().root / 'site.mp4'},b\n")
    one = catalogue.in_folders()[0]
    assert [client.get(f"/datasets/{one.key}/clips/{row}/video").status_code for row in (0, 1)] == [404, 404]


def test_jobs_refuse_videos_outside(
    root: Path, tmp_path: Path, film: Callable[..., Path], quiet: Any
) -> None:
    from kinema.errors import DataError
    from kinema.web.datasets import catalogue, tasks

    film(tmp_path / "outside.mp4", 1)
    (root / "manifest.csv").write_text("video,label\n../outside.mp4,a\n")
    one = catalogue.in_folders()[0]
    with pytest.raises(DataError, match=r"1 video outside of the folders that this site may read"):
        tasks.check_data({"key": one.key}, quiet)


def test_what_a_given_run_was_trained_on_is_shown(
    client: Any, tmp_path: Path, film: Callable[..., Path], content_of: Callable[[Any], bytes]
) -> None:
    from django.conf import settings

    from kinema.web.datasets import catalogue

    run = settings.KINEMA_RUNS[0] / "walks"
    run.mkdir(parents=True)
    video = film(tmp_path / "elsewhere" / "a.mp4", 3)
    (run / "data.csv").write_text(f"video,start,end,label,split,group\n{video},,,a,test,g1\n")
    one = next(one for one in catalogue.of_runs() if one.path.parent == run.resolve())
    assert one.title == "data of the run walks"
    answer = client.get(f"/datasets/{one.key}/clips/0/video", headers={"Range": "bytes=0-99"})
    assert (answer.status_code, answer["Content-Range"]) == (206, f"bytes 0-99/{video.stat().st_size}")
    assert answer["Content-Type"] == "video/mp4"
    assert content_of(answer) == video.read_bytes()[:100]
    shutil.rmtree(run)


def test_a_manifest_that_cannot_be_read_says_why(client: Any, root: Path) -> None:
    from kinema.web.datasets import catalogue

    (root / "manifest.csv").write_text("video,label,split\na.mp4,x,trian\n")
    one = catalogue.in_folders()[0]
    assert "unknown split" in client.get(f"/datasets/{one.key}/").content.decode()
    assert "cannot be read" in client.get("/datasets/").content.decode()
    for page in ("clips", "sheet", "check", "split"):
        answer = client.get(f"/datasets/{one.key}/{page}/")
        assert (answer.status_code, "unknown split" in answer.content.decode()) == (400, True)
