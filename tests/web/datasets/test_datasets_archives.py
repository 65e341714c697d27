"""Data in the site: archives that are sent, hostile ones too."""

from __future__ import annotations

import json
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return path


def _upload(path: Path, name: str | None = None) -> Any:
    from kinema.web.datasets import uploads

    begun = uploads.begin(name or path.name, path.stat().st_size, "local")
    uploads.append(begun, 0, [path.read_bytes()])
    return begun


def _unpack(path: Path, quiet: Any, token: str = "1111111111") -> dict[str, Any]:
    from kinema.web.datasets import tasks

    begun = _upload(path)
    return tasks.unpack_data(
        {"upload": begun.id, "name": begun.name, "title": "Sent", "token": token, "by": "local"}, quiet
    )


def test_a_zip_of_class_folders_becomes_a_manifest(
    client: Any,
    made_up: Path,
    tmp_path: Path,
    quiet: Any,
    split_it: Callable[..., str],
    content_of: Callable[[Any], bytes],
) -> None:
    from kinema.web.datasets import catalogue, uploads

    names = ["jump/person01_jump_1.mp4", "wave/person02_wave_1.mp4"]
    archive = _zip(tmp_path / "mine.zip", {f"top/{name}": (made_up / name).read_bytes() for name in names})
    _unpack(archive, quiet)
    made = catalogue.made_here()[0]
    assert made.title == "Sent"
    assert catalogue.load(made).manifest.classes == ["jump", "wave"]
    video = client.get(f"/datasets/{made.key}/clips/0/video")
    assert content_of(video) == (made_up / names[0]).read_bytes()
    assert not list(uploads._home().iterdir())
    # Killed after the last step and begun again: the same again, nothing twice.
    from kinema.web.datasets import tasks

    tasks.unpack_data({"upload": "0" * 32, "title": "Sent", "token": "1111111111", "by": "local"}, quiet)
    assert [one.key for one in catalogue.made_here()] == [made.key]
    # Its videos go with the last manifest that names them.
    from kinema.web.folder import site

    split_it(made, "9999999999", fractions={"train": 0.5, "test": 0.5})
    split = next(one for one in catalogue.made_here() if one.key != made.key)
    client.post(f"/datasets/{made.key}/remove/")
    assert len(list(site().place("uploaded").iterdir())) == 1
    client.post(f"/datasets/{split.key}/remove/")
    assert list(site().place("uploaded").iterdir()) == []


def _escaping(path: Path) -> Path:
    return _zip(path, {"../../evil.mp4": b"x", "a/1.mp4": b"x"})


def _link(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        info = zipfile.ZipInfo("a/1.mp4")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        out.writestr(info, "/etc/passwd")
    return path


def _bomb(path: Path) -> Path:
    return _zip(path, {"a/1.mp4": b"\0" * 150_000_000})


def _tar_link(path: Path) -> Path:
    with tarfile.open(path, "w:gz") as out:
        info = tarfile.TarInfo("a/1.mp4")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        out.addfile(info)
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_escaping, "would be written outside of the folder"),
        (_link, "is a link"),
        (_bomb, "decompression bomb"),
        (_tar_link, "is a link or a device"),
        (lambda path: _zip(path, {"manifest.csv": b"video,label\n/etc/passwd,a\n"}), "outside of the archive"),
        (lambda path: _zip(path, {"manifest.csv": b"video,label\n../../../x.mp4,a\n"}), "outside of the archive"),
        (lambda path: _zip(path, {"manifest.csv": b"video,label\ns3://b/x.mp4,a\n"}), "outside of the archive"),
        (lambda path: _zip(path, {"readme.md": b"nothing"}), "no videos in this folder"),
        (lambda path: path.write_bytes(b"PK\3\4 no zip") and path, "damaged"),
        (lambda path: path.write_bytes(b"plain text") and path, "no ZIP, RAR or tar archive"),
    ],
    ids=["escape", "link", "bomb", "tar link", "absolute", "climbing", "address", "no videos", "damaged", "text"],
)  # fmt: skip
def test_hostile_archives_are_refused_and_leave_nothing(
    client: Any, tmp_path: Path, make: Callable[[Path], Path], said: str, quiet: Any
) -> None:
    from kinema.errors import DataError
    from kinema.web.datasets import catalogue
    from kinema.web.folder import site

    archive = make(tmp_path / ("x.tar.gz" if make is _tar_link else "x.zip"))
    with pytest.raises(DataError, match=said) as raised:
        _unpack(archive, quiet, "2222222222")
    assert str(site().root) not in str(raised.value)
    assert list(site().place("uploaded").iterdir()) == []
    assert list(site().place("uploads", "data").iterdir()) == []
    assert catalogue.made_here() == []
    assert not (site().root / "evil.mp4").exists()


def test_an_upload_goes_on_where_it_stopped(client: Any, tmp_path: Path) -> None:
    from kinema.web.jobs.models import Job

    data = _zip(tmp_path / "x.zip", {"a/1.mp4": os.urandom(3000)}).read_bytes()

    def announce(name: str, size: int) -> Any:
        return client.post(
            "/datasets/upload/", json.dumps({"name": name, "size": size}), content_type="application/json"
        )

    url = announce("x.zip", len(data)).json()["url"]
    piece = {"content_type": "application/offset+octet-stream", "headers": {"Upload-Offset": "0"}}
    assert client.patch(url, data[:1000], **piece).json()["offset"] == 1000
    wrong = client.patch(url, data[:1000], **piece)
    assert (wrong.status_code, wrong.json()["offset"]) == (409, 1000)
    assert client.get(url).json() == {"offset": 1000, "size": len(data)}
    assert client.post(f"{url}done/").status_code == 400
    piece["headers"] = {"Upload-Offset": "1000"}
    assert client.patch(url, data[1000:] + b"more", **piece).status_code == 413
    assert client.get(url).json()["offset"] == 1000
    client.patch(url, data[1000:], **piece)
    done = client.post(
        f"{url}done/", "{}", content_type="application/json", headers={"Accept": "application/json"}
    )
    assert done.status_code == 202
    job = Job.objects.get(kind="unpack-data")
    assert job.arguments["title"] == "x"
    assert done.json()["url"] == f"/datasets/work/{job.pk}/"


def test_what_is_too_large_or_no_archive_is_refused_in_words(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    monkeypatch.setenv("KINEMA_DATASET_UPLOAD_MB", "1")
    words = {"Accept": "application/json"}
    big = json.dumps({"name": "x.zip", "size": 2_000_000})
    answer = client.post("/datasets/upload/", big, content_type="application/json", headers=words)
    assert (answer.status_code, "at most 1 MB" in answer.json()["detail"]) == (413, True)
    file = SimpleUploadedFile("x.zip", b"0" * 2_000_000)
    assert client.post("/datasets/upload/", {"archive": file}).status_code == 413
    other = SimpleUploadedFile("x.exe", b"0")
    answer = client.post("/datasets/upload/", {"archive": other}, headers=words)
    assert (answer.status_code, "send a .zip" in answer.json()["detail"]) == (400, True)
    assert client.get(f"/datasets/upload/{'0' * 32}/").status_code == 404
    assert client.get("/datasets/upload/..%2f..%2fsecret-key/").status_code == 404


def test_an_upload_that_is_whole_is_unpacked_once(client: Any, tmp_path: Path) -> None:
    from kinema.web.jobs.models import Job

    begun = _upload(_zip(tmp_path / "x.zip", {"a/1.mp4": b"x"}))
    for _ in range(2):  # a button that is pressed twice
        done = client.post(f"/datasets/upload/{begun.id}/done/", "{}", content_type="application/json")
        assert done.headers["Location"] == f"/datasets/work/{Job.objects.get(kind='unpack-data').pk}/"


def test_a_full_disk_is_said_in_words_and_what_arrived_is_kept(
    client: Any, small_files: Callable[[], AbstractContextManager[None]]
) -> None:
    data = os.urandom(2_500_000)
    announced = {"name": "x.zip", "size": len(data)}
    url = client.post("/datasets/upload/", announced, content_type="application/json").json()["url"]
    kind = "application/offset+octet-stream"
    with small_files():  # no file grows above 2 ** 20 bytes
        refused = client.patch(url, data, content_type=kind, headers={"Upload-Offset": "0"})
    assert refused.status_code == 507
    assert refused.json()["detail"] == "x.zip: cannot be written (File too large)"
    offset = client.get(url).json()["offset"]
    assert 0 < offset <= 2**20
    rest = {"content_type": kind, "headers": {"Upload-Offset": str(offset)}}
    assert client.patch(url, data[offset:], **rest).json()["offset"] == len(data)
    from kinema.web.datasets import uploads

    assert uploads.find(url.rstrip("/").rpartition("/")[2]).path.read_bytes() == data


def test_killed_before_its_manifest_was_written_it_forgets_the_archive_all_the_same(
    client: Any, made_up: Path, tmp_path: Path, quiet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.web.datasets import catalogue, tasks, uploads
    from kinema.web.folder import site

    class KilledError(Exception):
        """In place of kill -9."""

    def killed(*_: Any, **__: Any) -> None:
        raise KilledError

    name = "jump/person01_jump_1.mp4"
    begun = _upload(_zip(tmp_path / "x.zip", {name: (made_up / name).read_bytes()}))
    arguments = {"upload": begun.id, "name": "x.zip", "title": "Sent", "token": "3333333333", "by": "local"}
    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(tasks, "keep", killed)
        tasks.unpack_data(arguments, quiet)
    assert uploads.find(begun.id).offset == begun.size
    tasks.unpack_data(arguments, quiet)
    assert [one.title for one in catalogue.made_here()] == ["Sent"]
    assert list((site().root / "uploads" / "data").iterdir()) == []
