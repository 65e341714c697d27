"""Uploads by tus 1.0.0: offsets, and what is refused."""

from __future__ import annotations

import base64
import shutil
from datetime import timedelta
from typing import Any

import pytest

_PATCH = "application/offset+octet-stream"
pytestmark = pytest.mark.usefixtures("files_of_its_own")


def _metadata(**values: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def _begin(client: Any, size: int, **about: str) -> Any:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size), "Upload-Metadata": _metadata(**about)}
    return client.post("/videos/uploads/", headers=headers)


def _patch(client: Any, address: str, offset: int, data: bytes, **more: str) -> Any:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset), **more}
    return client.generic("PATCH", address, data, content_type=_PATCH, headers=headers)


def _offset(client: Any, address: str) -> str:
    return str(client.head(address, headers={"Tus-Resumable": "1.0.0"})["Upload-Offset"])


def test_pieces_follow_each_other_and_the_whole_is_checked(client: Any) -> None:
    from kinema.web.jobs.models import Job
    from kinema.web.videos.models import Video

    begun = _begin(client, 10, filename="kick.mp4")
    assert (begun.status_code, begun["Tus-Resumable"], "Upload-Expires" in begun) == (201, "1.0.0", True)
    address = begun["Location"]
    assert _offset(client, address) == "0"
    assert _patch(client, address, 0, b"0123")["Upload-Offset"] == "4"
    assert _offset(client, address) == "4"
    last = _patch(client, address, 4, b"456789")
    assert (last.status_code, last["Upload-Offset"]) == (204, "10")
    video = Video.objects.get()
    assert (video.name, video.state, video.path.read_bytes()) == ("kick.mp4", "checking", b"0123456789")
    assert [job.kind for job in Job.objects.all()] == ["video-check"]
    assert _offset(client, address) == "10"


def test_a_wrong_offset_is_a_conflict_and_changes_nothing(client: Any) -> None:
    address = _begin(client, 10, filename="a.mp4")["Location"]
    _patch(client, address, 0, b"0123")
    for offset in (0, 3, 5):
        answer = _patch(client, address, offset, b"xx")
        assert (answer.status_code, answer.json()) == (
            409,
            {"detail": f"a.mp4: byte 4 is next, not {offset}"},
        )
    assert _offset(client, address) == "4"


def test_more_than_was_announced_is_refused(client: Any) -> None:
    address = _begin(client, 4, filename="a.mp4")["Location"]
    answer = _patch(client, address, 0, b"01234")
    assert (answer.status_code, _offset(client, address)) == (413, "0")


def test_what_the_server_can_do_is_said(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINEMA_UPLOAD_LIMIT", "2G")
    answer = client.options("/videos/uploads/")
    told = {name: answer[name] for name in ("Tus-Version", "Tus-Extension", "Tus-Max-Size")}
    extensions = "creation,termination,expiration"
    assert (answer.status_code, told) == (
        204, {"Tus-Version": "1.0.0", "Tus-Extension": extensions, "Tus-Max-Size": "2147483648"},
    )  # fmt: skip


def test_another_version_another_content_and_no_length_are_refused(client: Any) -> None:
    assert client.post("/videos/uploads/", headers={"Upload-Length": "3"}).status_code == 412
    assert client.post("/videos/uploads/", headers={"Tus-Resumable": "1.0.0"}).status_code == 400
    address = _begin(client, 4, filename="a.mp4")["Location"]
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
    assert (
        client.generic("PATCH", address, b"0123", content_type="video/mp4", headers=headers).status_code
        == 415
    )
    assert client.post("/videos/uploads/", headers={
        "Tus-Resumable": "1.0.0", "Upload-Length": "3", "Upload-Metadata": "filename ###",
    }).status_code == 400  # fmt: skip


def test_too_large_and_no_room_are_refused_in_words(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINEMA_UPLOAD_LIMIT", "1M")
    answer = _begin(client, 3 * 2**20, filename="long.mp4")
    said = "long.mp4: 3 MB, and a video may have 1 MB at most here"
    assert (answer.status_code, answer.json()["detail"]) == (413, said)
    monkeypatch.setenv("KINEMA_KEEP_FREE", "900T")
    answer = _begin(client, 1000, filename="a.mp4")
    assert answer.status_code == 507
    assert "no room for 1000 bytes more" in answer.json()["detail"]
    assert _begin(client, 0, filename="a.mp4").json()["detail"] == "a.mp4: the file is empty (0 bytes)"


def test_the_page_says_the_limit_and_the_plain_form_is_refused_beyond_it(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from kinema.web.videos.models import Video

    monkeypatch.setenv("KINEMA_UPLOAD_LIMIT", "1K")
    assert "Up to 1 KB each" in client.get("/videos/").content.decode()
    big = SimpleUploadedFile("big.mp4", b"x" * 2000, "video/mp4")
    answer = client.post("/videos/upload/", {"files": big})
    assert answer.status_code == 413
    assert "big.mp4: 2 KB, and a video may have 1 KB at most here" in answer.content.decode()
    assert client.post("/videos/upload/", {}).status_code == 400
    assert Video.objects.count() == 0


def test_several_files_come_by_the_plain_form(client: Any) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from kinema.web.videos.models import Video

    files = [SimpleUploadedFile(name, b"data of " + name.encode()) for name in ("a.mp4", "b.avi")]
    answer = client.post("/videos/upload/", {"files": files})
    assert (answer.status_code, answer["Location"]) == (302, "/videos/")
    found = {video.name: (video.path.name, video.path.read_bytes()) for video in Video.objects.all()}
    assert found == {"a.mp4": ("original.mp4", b"data of a.mp4"), "b.avi": ("original.avi", b"data of b.avi")}


def test_an_upload_begun_with_the_same_key_is_found_again(client: Any) -> None:
    first = _begin(client, 10, filename="a.mp4", key="k1")
    _patch(client, first["Location"], 0, b"012")
    again = _begin(client, 10, filename="a.mp4", key="k1")
    other = _begin(client, 10, filename="a.mp4", key="k2")
    assert again["Location"] == first["Location"] != other["Location"]
    assert _offset(client, again["Location"]) == "3"


def test_giving_up_leaves_nothing(client: Any) -> None:
    from kinema.web.videos.models import Video

    address = _begin(client, 10, filename="a.mp4")["Location"]
    _patch(client, address, 0, b"012")
    folder = Video.objects.get().folder
    assert client.delete(address, headers={"Tus-Resumable": "1.0.0"}).status_code == 204
    assert (Video.objects.count(), folder.exists()) == (0, False)
    assert client.head(address, headers={"Tus-Resumable": "1.0.0"}).status_code == 404


def test_an_upload_that_nobody_went_on_with_expires(client: Any) -> None:
    from django.utils import timezone

    from kinema.web.videos import uploads
    from kinema.web.videos.models import Video

    _begin(client, 10, filename="old.mp4")
    _begin(client, 10, filename="new.mp4")
    old = Video.objects.get(name="old.mp4")
    Video.objects.filter(pk=old.pk).update(expires=timezone.now() - timedelta(seconds=1))
    assert uploads.expire() == 1
    assert [video.name for video in Video.objects.all()] == ["new.mp4"]
    assert not old.folder.exists()


def test_somebody_elses_upload_is_not_gone_on_with(client: Any) -> None:
    from django.contrib.auth import get_user_model

    from kinema.web.base.local_user import local_user
    from kinema.web.videos.models import Video

    address = _begin(client, 10, filename="a.mp4")["Location"]
    owner = get_user_model().objects.create_user("ada")
    Video.objects.update(owner=owner)
    user = local_user()
    user.is_superuser = False
    user.save()
    assert _patch(client, address, 0, b"012").status_code == 403


def test_only_what_a_page_of_this_site_sends_is_taken(client: Any) -> None:
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    assert _begin(strict, 10, filename="a.mp4").status_code == 403
    address = _begin(client, 10, filename="a.mp4")["Location"]
    assert _patch(strict, address, 0, b"012").status_code == 403


@pytest.mark.parametrize(
    ("name", "shown", "stored"),
    [
        ("../../etc/passwd", "passwd", "original.video"),
        ("C:\\films\\a b.AVI", "a b.AVI", "original.avi"),
        ("x\n\0y.mp4", "x y.mp4", "original.mp4"),
        ("page.html", "page.html", "original.video"),
        ("", "video", "original.video"),
    ],
)
def test_a_name_is_shown_and_never_a_path(client: Any, name: str, shown: str, stored: str) -> None:
    from kinema.web.folder import site
    from kinema.web.videos.models import Video

    address = _begin(client, 3, filename=name)["Location"]
    _patch(client, address, 0, b"abc")
    video = Video.objects.get()
    assert (video.name, video.path.name) == (shown, stored)
    assert video.path.parent == site().root / "videos" / str(video.pk)


def test_a_kill_between_the_last_byte_and_the_database_is_made_good(client: Any) -> None:
    from kinema.web.jobs.models import Job
    from kinema.web.videos.models import Video

    address = _begin(client, 4, filename="a.mp4")["Location"]
    video = Video.objects.get()
    (video.folder / "original.mp4").write_bytes(b"0123")  # renamed, and nobody told
    assert _offset(client, address) == "4"
    assert _offset(client, address) == "4"
    assert (Video.objects.get().state, Job.objects.count()) == ("checking", 1)


def test_a_recognizer_that_is_not_there_is_refused_at_once(client: Any) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from kinema.web.videos.models import Video

    said = "a.mp4: no recognizer 'gone-1'; it may have been removed, choose another"
    answer = _begin(client, 10, filename="a.mp4", recognizer="gone-1")
    assert (answer.status_code, answer.json()["detail"]) == (400, said)
    file = SimpleUploadedFile("a.mp4", b"x" * 20, "video/mp4")
    answer = client.post("/api/videos/", {"file": file, "recognizer": "gone-1"})
    assert (answer.status_code, answer.json()["detail"]) == (400, said)
    assert Video.objects.count() == 0


def test_an_upload_whose_folder_was_taken_away_begins_anew_with_its_key(client: Any) -> None:
    from kinema.web.videos.models import Video

    first = _begin(client, 10, filename="a.mp4", key="k1")
    _patch(client, first["Location"], 0, b"012")
    shutil.rmtree(Video.objects.get().folder)
    assert _patch(client, first["Location"], 3, b"345").status_code == 410
    again = _begin(client, 10, filename="a.mp4", key="k1")
    assert again["Location"] == first["Location"]
    assert _patch(client, first["Location"], 0, b"0123456789")["Upload-Offset"] == "10"


def test_a_full_disk_is_told_and_what_is_here_stays(client: Any, small_files: Any) -> None:
    from kinema.web.videos.models import Video

    size = 2**21
    address = _begin(client, size, filename="a.mp4")["Location"]
    with small_files():  # no file grows above a megabyte
        answer = _patch(client, address, 0, b"x" * size)
    assert answer.status_code == 507
    assert answer.json()["detail"].startswith("a.mp4: cannot be written (")
    here = int(_offset(client, address))
    assert here <= 2**20
    assert _patch(client, address, here, b"x" * (size - here))["Upload-Offset"] == str(size)
    assert Video.objects.get().path.stat().st_size == size


def test_programs_ask_what_the_server_can_do_at_the_api_too(client: Any) -> None:
    answer = client.options("/api/videos/uploads/")
    assert (answer.status_code, answer["Tus-Version"], answer["Tus-Extension"]) == (
        204, "1.0.0", "creation,termination,expiration",
    )  # fmt: skip
