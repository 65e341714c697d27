"""Teaching without a browser: clips in, hostile ones refused, jobs that decode, train and may be begun again."""

from __future__ import annotations

import html
import re
import subprocess
import threading
import types
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.errors import DataError, KinemaError
from kinema.video import VideoWriter, open_source

pytestmark = pytest.mark.usefixtures("database")


def synthetic(path: Path, moving: bool, seed: int, seconds: float = 1.2, fps: int = 20) -> Path:
    """A synthetic square that moves down, or stands."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 120, (96, 128, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, fps) as out:
        count = round(seconds * fps)
        for index in range(count):
            picture = ground.copy()
            top = 4 + index * 56 // count if moving else 30
            picture[top : top + 32, 40:72] = 230
            out.write(picture)
    return path


def say(*_: object) -> None:
    """Progress that nobody listens to."""


say.check = say  # type: ignore[attr-defined]


def create(client: Any, *labels: str, nothing: bool = False) -> Any:
    from kinema.web.teach.models import Project

    answer = client.post("/teach/", {"label": list(labels), **({"nothing": "1"} if nothing else {})})
    assert answer.status_code == 302, answer.content.decode()
    return Project.objects.get(pk=int(answer["Location"].rstrip("/").rsplit("/", 1)[1]))


def send(client: Any, project: Any, label: str, *paths: Path, **more: str) -> Any:
    opened = [path.open("rb") for path in paths]
    try:
        return client.post(
            f"/teach/{project.pk}/takes/",
            {"action": project.actions.get(label=label).pk, "clip": opened, **more},
            headers={"Accept": "application/json"},
        )
    finally:
        for file in opened:
            file.close()


def test_a_project_begins_with_names_and_nothing(client: Any) -> None:
    project = create(client, "wave", " clap ", "", nothing=True)
    assert project.title == "wave, clap"
    assert [action.label for action in project.actions.all()] == ["wave", "clap", "nothing"]
    page = client.get(f"/teach/{project.pk}/").content.decode()
    assert (
        html.unescape(re.search(r"data-standing>([^<]*)<", page)[1])
        == "Record takes of 'wave', 'clap' and 'nothing'."
    )


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["wave"], "name two actions at least"),
        (["wave", "WAVE"], "there is an action of this name already"),
        (["wave", "frame"], "taken by kinema"),
    ],
)
def test_names_that_cannot_be_are_refused_and_what_was_typed_stays(
    client: Any, labels: list[str], said: str
) -> None:
    from kinema.web.teach.models import Project

    answer = client.post("/teach/", {"label": labels})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert said in page
    assert f'value="{labels[-1]}"' in page
    assert Project.objects.count() == 0


def test_clips_become_takes_of_kinemas_own_making(client: Any, tmp_path: Path) -> None:
    from kinema.web.teach.tasks import _decoded

    project = create(client, "move", "stand")
    large = tmp_path / "large.mp4"
    with VideoWriter(large, 60) as out:
        for index in range(90):
            out.write(np.full((720, 1280, 3), 2 * index, np.uint8))
    answer = send(client, project, "move", large).json()
    take = project.waiting().get()
    assert answer["takes"][0]["state"] == "waiting"
    assert _decoded(take)
    take.refresh_from_db()
    assert take.seconds == pytest.approx(1.5, abs=0.04)
    with open_source(take.clip) as video:
        assert video.size == (640, 360)
        assert sum(1 for _ in video) == 45  # every second picture of 60 a second
    assert take.thumbnail.read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no video at all", "not a readable video"),
        (b"\x1aE\xdf\xa3" + bytes(2000), "not a readable video"),
        (b"#EXTM3U\n#EXTINF:2,\nfile:///etc/passwd\n", "not a readable video"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not a readable video"),
    ],
    ids=["text", "cut webm", "playlist", "concat"],
)
def test_what_is_no_video_is_refused_in_words(content: bytes, said: str, tmp_path: Path) -> None:
    from kinema.web.teach.rewriting import rewrite

    source = tmp_path / "take.upload"
    source.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        rewrite(source, tmp_path / "out.mp4", tmp_path / "out.jpg")
    assert str(tmp_path) not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["take.upload"]


def test_a_clip_that_names_an_address_makes_nobody_ask_for_it(tmp_path: Path) -> None:
    from kinema.web.teach.rewriting import rewrite

    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source = tmp_path / "take.upload"
    address = f"http://127.0.0.1:{server.server_port}/x.ts"
    source.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{address}\n#EXT-X-ENDLIST\n")
    with pytest.raises(DataError):
        rewrite(source, tmp_path / "out.mp4", tmp_path / "out.jpg")
    server.shutdown()
    assert asked == []


def test_takes_too_short_and_too_long_say_so(tmp_path: Path) -> None:
    from kinema.web.teach.rewriting import rewrite

    short, long = synthetic(tmp_path / "s.mp4", True, 1, 0.3), synthetic(tmp_path / "l.mp4", True, 1, 13.0, 5)
    with pytest.raises(DataError, match=r"too short \(0.3 s, 6 pictures\)"):
        rewrite(short, tmp_path / "out.mp4", tmp_path / "out.jpg")
    with pytest.raises(DataError, match="longer than 12 s: a take shows one action; cut it first"):
        rewrite(long, tmp_path / "out.mp4", tmp_path / "out.jpg")
    assert not (tmp_path / "out.mp4").exists()


def test_a_decoder_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.web.teach import rewriting

    monkeypatch.setattr(rewriting, "_PATIENCE", 0.01)  # less than any process takes to begin
    clip = synthetic(tmp_path / "a.mp4", True, 1)
    with pytest.raises(DataError, match="takes too long to decode"):
        rewriting.rewrite(clip, tmp_path / "b.mp4", tmp_path / "c.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_the_decoder_knows_none_of_the_sites_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.web.teach import rewriting

    seen: dict[str, str] = {}

    def noting(command: list[str], env: dict[str, str], **_: Any) -> Any:
        seen.update(env)
        return subprocess.CompletedProcess(command, 0, b'{"seconds": 1.0}', b"")

    monkeypatch.setenv("KINEMA_SECRET_KEY", "secret")
    monkeypatch.setenv("DATABASE_URL", "postgres://user:password@host/db")
    monkeypatch.setattr(rewriting.subprocess, "run", noting)
    assert rewriting.rewrite(tmp_path / "a", tmp_path / "b.mp4", tmp_path / "c.jpg") == 1.0
    assert not {"KINEMA_SECRET_KEY", "DATABASE_URL", "KINEMA_SITE"} & set(seen)


def test_the_same_clip_dropped_twice_is_told_to_the_script(client: Any, tmp_path: Path) -> None:
    project = create(client, "move", "stand")
    path = synthetic(tmp_path / "a.mp4", True, 1)
    assert send(client, project, "move", path).status_code == 200
    answer = send(client, project, "stand", path)
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "a.mp4: the same clip is a take of 'move' already",
    )


def test_an_action_of_another_project_takes_no_clips(client: Any, tmp_path: Path) -> None:
    one, other = create(client, "a", "b"), create(client, "c", "d")
    path = synthetic(tmp_path / "a.mp4", True, 1)
    with path.open("rb") as file:
        number = other.actions.first().pk
        assert client.post(f"/teach/{one.pk}/takes/", {"action": number, "clip": file}).status_code == 404
    for word in ("", "x", "-1", "²"):
        assert client.post(f"/teach/{one.pk}/takes/", {"action": word}).status_code == 404


def test_plain_forms_do_everything_without_a_script(client: Any, tmp_path: Path) -> None:
    project = create(client, "move", "stand")
    with synthetic(tmp_path / "a.mp4", True, 1).open("rb") as file:
        answer = client.post(
            f"/teach/{project.pk}/takes/", {"action": project.actions.first().pk, "clip": file}, follow=True
        )
    page = answer.content.decode()
    assert "1 of &#x27;move&#x27; received" in page
    client.post(f"/teach/{project.pk}/actions/", {"label": "sit"})
    assert project.actions.count() == 3
    client.post(f"/teach/actions/{project.actions.last().pk}/delete/")
    assert project.actions.count() == 2
    client.post(f"/teach/{project.pk}/settings/", {"title": "Squares", "mirror": "no"})
    project.refresh_from_db()
    assert (project.title, project.mirror, project.pauses) == ("Squares", False, False)
    refused = client.post(f"/teach/{project.pk}/train/", follow=True).content.decode()
    assert "Record takes of &#x27;stand&#x27;." in refused


@pytest.mark.slow
def test_a_training_of_two_actions_and_what_the_page_says_of_it(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The jobs in this process, with the default backbone: takes in, a recognizer that other pages offer out."""
    from kinema.web.jobs.models import Job
    from kinema.web.recognizers import recognizers
    from kinema.web.teach import tasks

    monkeypatch.setattr(tasks, "LINGER", 0.0)
    project = create(client, "move", "stand")
    for label in ("move", "stand"):
        paths = [synthetic(tmp_path / label / f"{i}.mp4", label == "move", i) for i in range(3)]
        assert len(send(client, project, label, *paths).json()["takes"]) == 3
    Job.objects.all().delete()  # they would be a reason not to linger
    assert tasks.look({"project": project.pk}, say)["takes"] == 6  # type: ignore[arg-type]
    state = client.get(f"/teach/{project.pk}/state/").json()
    assert {take["state"] for take in state["takes"]} == {"ready"}
    assert state["standing"]["can_train"]
    clip = client.get(state["takes"][0]["clip"])
    assert (clip.status_code, clip["Content-Type"]) == (200, "video/mp4")
    assert client.get(state["takes"][0]["thumbnail"])["Content-Type"] == "image/jpeg"
    assert client.get(f"/teach/{project.pk}/recognizer.zip").status_code == 404

    told: list[float] = []

    def progress(done: float, total: float, message: str = "") -> None:
        told.append(done / total)

    result = tasks.train({"project": project.pk}, progress)  # type: ignore[arg-type]
    assert result["url"] == f"/teach/{project.pk}/"
    assert told == sorted(told)
    project.refresh_from_db()
    assert project.result["estimate"]["takes"] == 6
    taught = next(choice for choice in recognizers() if choice.taught)
    assert (taught.title, taught.classes, taught.key) == ("move, stand", ["move", "stand"], project.key)
    page = client.get(f"/teach/{project.pk}/").content.decode()
    assert project.result["verdict"]["headline"].replace("'", "&#x27;") in page
    assert "95 % interval" in page
    zipped = client.get(f"/teach/{project.pk}/recognizer.zip")
    assert zipped["Content-Disposition"] == f'attachment; filename="move-stand-{project.pk}.zip"'
    # A take less: the page says that the recognizer is older than the takes.
    client.post(f"/teach/takes/{state['takes'][0]['id']}/delete/")
    assert "Takes were added or deleted since" in client.get(f"/teach/{project.pk}/").content.decode()


def test_looking_ends_at_once_where_another_job_waits(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.web.jobs.models import Job
    from kinema.web.teach import tasks

    project = create(client, "move", "stand")
    Job.objects.create(kind="teach", title="another", arguments={})
    assert tasks.look({"project": project.pk}, say)["takes"] == 0  # type: ignore[arg-type]


def test_a_job_of_a_deleted_project_ends_in_words(client: Any) -> None:
    from kinema.web.teach import tasks

    for work in (tasks.look, tasks.train):
        with pytest.raises(KinemaError, match="this project was deleted"):
            work({"project": 12345}, say)  # type: ignore[arg-type]


def test_a_take_deleted_while_it_was_read_leaves_no_files(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.web.teach import tasks
    from kinema.web.teach.models import Take

    project = create(client, "move", "stand")
    send(client, project, "move", synthetic(tmp_path / "a.mp4", True, 1))
    take = project.waiting().select_related("action__project").get()
    rewrite = tasks.rewrite

    def deleting(*paths: Path) -> float:
        seconds: float = rewrite(*paths)
        Take.objects.all().delete()
        return seconds

    monkeypatch.setattr(tasks, "rewrite", deleting)
    assert tasks._decoded(take)
    tasks._close(take, "")
    assert not any(path.exists() for path in (take.upload, take.clip, take.thumbnail))


def test_a_project_deleted_while_it_is_trained_leaves_no_recognizer(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema.training import teaching
    from kinema.training.teaching import saving
    from kinema.web.teach import tasks

    project = create(client, "move", "stand")
    folder = project.recognizer

    def teach(takes: Any, place: Path, **_: Any) -> Any:
        # The button is pressed just before the recognizer is written.
        client.post(f"/teach/{project.pk}/delete/")
        place.mkdir(parents=True)
        return types.SimpleNamespace(
            verdict=types.SimpleNamespace(to_dict=dict),
            estimate=None,
            recognizer=types.SimpleNamespace(classes=["move", "stand"], provenance={"mirrored": True}),
            seconds={},
            problems=[],
        )

    monkeypatch.setattr(teaching, "teach", teach, raising=False)
    monkeypatch.setattr(saving, "pack", lambda *_: None)
    with pytest.raises(KinemaError, match="this project was deleted"):
        tasks.train({"project": project.pk}, say)  # type: ignore[arg-type]
    assert not folder.exists()


def test_other_peoples_takes_are_not_there(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.auth import get_user_model
    from django.test import Client, override_settings

    project = create(client, "move", "stand")
    take = send(client, project, "move", synthetic(tmp_path / "a.mp4", True, 1)).json()["takes"][0]
    get_user_model().objects.create_user("ben", password="a-long-one-77")
    ben = Client()
    with override_settings(KINEMA_LOGIN=True):
        ben.force_login(get_user_model().objects.get(username="ben"))
        places: list[tuple[str, Callable[..., Any]]] = [
            (f"/teach/{project.pk}/", ben.get),
            (f"/teach/{project.pk}/state/", ben.get),
            (f"/teach/{project.pk}/recognizer.zip", ben.get),
            (f"/teach/takes/{take['id']}/clip.mp4", ben.get),
            (f"/teach/takes/{take['id']}/thumbnail.jpg", ben.get),
            (take["delete"], ben.post),
            (f"/teach/{project.pk}/takes/", ben.post),
            (f"/teach/{project.pk}/train/", ben.post),
            (f"/teach/{project.pk}/delete/", ben.post),
            (f"/teach/{project.pk}/settings/", ben.post),
        ]
        assert {place: ask(place).status_code for place, ask in places} == {place: 404 for place, _ in places}
