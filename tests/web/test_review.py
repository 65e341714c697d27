"""The pages of the review without a browser: forms, files, manifests, imports, the API, and who may do what."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

WHEN = datetime(2026, 5, 21, 9, 30, tzinfo=UTC)


def clip(uid: str, label: str = "wave", file: bytes | None = b"not really a video", **fields: Any) -> Any:
    from kinema.web.folder import site
    from kinema.web.review.clips import add_clip

    if file is not None:
        path = site().place("events", "test") / f"{uid}.mp4"
        path.write_bytes(file)
        fields["clip"] = path
    return add_clip(uid, label, **{"recorded": WHEN, **fields})


def text(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def form(client: Any, address: str, **values: Any) -> str:
    """Send a form and return the words of the page that it leads to."""
    answer = client.post(address, values, follow=True)
    assert answer.status_code == 200
    return text(answer)


@pytest.fixture
def reviewer(client: Any) -> Any:
    """A client of somebody who is no admin, of a site that asks for a login."""
    from django.contrib.auth import get_user_model
    from django.test import Client, override_settings

    with override_settings(KINEMA_LOGIN=True):
        someone = Client()
        someone.force_login(get_user_model().objects.create_user("bob"))
        yield someone


def test_an_empty_wall_says_where_events_come_from(client: Any) -> None:
    assert "Nothing has happened yet" in text(client.get("/review/"))
    assert "Nothing left for you" in text(client.get("/review/go/"))
    assert "Nothing is accepted yet" in text(client.get("/review/manifests/"))


def test_review_by_plain_forms(client: Any) -> None:
    first, second, third = (clip(f"e{n}", recorded=WHEN.replace(minute=n)) for n in (3, 2, 1))
    assert f'name="clip" value="{first.pk}"' in client.get("/review/go/").content.decode()
    said = form(client, "/review/go/", clip=first.pk, verdict="accept")
    assert "Accepted: wave" in said
    assert f'name="clip" value="{second.pk}"' in client.get("/review/go/").content.decode()
    assert "Relabelled" not in form(client, "/review/go/", clip=second.pk, verdict="wrong")
    assert "relabel needs the label" in form(
        client, "/review/go/", clip=third.pk, verdict="relabel", label=" "
    )
    form(client, "/review/go/", clip=third.pk, verdict="relabel", label="clap")
    assert "Nothing left for you" in text(client.get("/review/go/"))
    answer = client.post("/review/undo/?label=wave")
    assert answer.headers["Location"] == f"/review/go/?label=wave&clip={third.pk}"
    assert "Taken back: relabelled 'clap'" in text(client.get(answer.headers["Location"]))
    assert client.get("/review/go/?clip=²").status_code == 200
    assert "unknown verdict 'maybe'" in form(client, "/review/go/", clip=third.pk, verdict="maybe")
    assert "undo takes back the last decision" in form(client, "/review/go/", clip=third.pk, verdict="undo")
    history = text(client.get(f"/review/{third.pk}/"))
    assert re.search(r"local relabel clap taken back .* local took back “relabel clap”", history)


def test_the_filter_stays_with_the_review(client: Any) -> None:
    clip("a", source="door")
    wanted = clip("b", source="yard")
    page = client.get("/review/go/?source=yard").content.decode()
    assert f'name="clip" value="{wanted.pk}"' in page
    assert 'action="/review/go/?source=yard"' in page
    answer = client.post("/review/go/?source=yard", {"clip": wanted.pk, "verdict": "accept"})
    assert answer.headers["Location"] == "/review/go/?source=yard"
    assert "every clip of this filter" in text(client.get("/review/go/?source=yard"))


def test_a_clip_s_file_comes_with_ranges_and_nothing_else_comes(client: Any) -> None:
    from kinema.web.folder import site
    from kinema.web.review.models import Clip

    made = clip("a", file=b"0123456789")
    answer = client.get(f"/review/{made.pk}/clip/", headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (206, "video/mp4")
    assert client.get(f"/review/{made.pk}/thumbnail/").status_code == 404
    assert client.get("/review/9999/clip/").status_code == 404
    site().secret_key()
    for name in ("secret-key", "site.sqlite3", "../outside.mp4", "/etc/passwd"):
        Clip.objects.filter(pk=made.pk).update(clip=name)  # as if a row had been tampered with
        assert client.get(f"/review/{made.pk}/clip/").status_code == 404


def test_deleting_asks_and_takes_the_file_away_unless_another_clip_has_it(client: Any) -> None:
    from kinema.web.folder import site
    from kinema.web.review.models import Clip

    made = clip("a")
    client.post(f"/review/{made.pk}/decide/", {"verdict": "accept"})
    path = site().root / made.clip
    twin = clip("b", file=None, clip=path)
    assert "1 record of its review" in text(client.get(f"/review/{made.pk}/delete/"))
    assert Clip.objects.count() == 2
    assert "Deleted: wave" in form(client, f"/review/{made.pk}/delete/")
    assert path.exists()
    form(client, f"/review/{twin.pk}/delete/")
    assert (Clip.objects.count(), path.exists()) == (0, False)


def test_accepted_clips_become_a_manifest_that_the_library_reads(client: Any) -> None:
    from kinema.data import read_data
    from kinema.web.folder import site

    for uid, source, verdict in (("a", "door", "accept"), ("b", "yard", "wrong"), ("c", "yard", "accept")):
        made = clip(uid, source=source)
        client.post(f"/review/{made.pk}/decide/", {"verdict": verdict})
    assert "Make a manifest of 2 clips" in text(client.get("/review/manifests/"))
    assert "my-first-one.csv: 2 clips" in form(client, "/review/manifests/", name="../My first?one".lower())
    assert "my-first-one-2.csv: 1 clip; all are of one source" in form(
        client, "/review/manifests/?source=yard", name="my first one.csv"
    )
    manifests = site().root / "manifests"
    names = sorted(path.name for path in manifests.iterdir() if path.name.startswith((".", "my-first")))
    assert names == ["my-first-one-2.csv", "my-first-one.csv"]
    read = read_data(manifests / "my-first-one.csv")
    assert sorted((s.video, s.label, s.group) for s in read.segments()) == [
        (site().root / "events" / "test" / "a.mp4", "wave", "door"),
        (site().root / "events" / "test" / "c.mp4", "wave", "yard"),
    ]
    down = client.get("/review/manifests/my-first-one-2.csv")
    assert down.headers["Content-Disposition"] == 'attachment; filename="my-first-one-2.csv"'
    lines = down.content.decode().splitlines()
    assert len(lines) == 2
    assert lines[1].split(",")[0] == str(site().root / "events" / "test" / "c.mp4")
    for name in ("nothing.csv", "..%2Fsecret-key", "secret-key"):
        assert client.get(f"/review/manifests/{name}").status_code == 404


def test_a_manifest_of_nothing_is_refused_and_leaves_no_file(client: Any) -> None:
    from kinema.web.folder import site

    before = set(site().place("manifests").iterdir())
    assert "No accepted clip to make a manifest of" in form(client, "/review/manifests/", name="nothing")
    gone = clip("a")
    client.post(f"/review/{gone.pk}/decide/", {"verdict": "accept"})
    (site().root / gone.clip).unlink()
    assert "1 accepted clip whose file is gone" in form(client, "/review/manifests/", name="nothing")
    assert set(site().place("manifests").iterdir()) == before


def test_an_event_s_stretch_of_its_clip_goes_into_the_manifest(client: Any) -> None:
    from kinema.data import Manifest
    from kinema.web.folder import site

    made = clip("late", start=13.0, end=16.0)
    assert made.clip_start is None
    # The recorder writes this after the clip, and the live page may be faster.
    (site().root / made.clip).with_suffix(".json").write_text('{"clip": {"start": 10.0, "end": 19.0}}')
    client.post(f"/review/{made.pk}/decide/", {"verdict": "accept"})
    form(client, "/review/manifests/", name="stretch")
    [row] = Manifest.read(site().root / "manifests" / "stretch.csv").segments()
    assert (row.start, row.end) == (3.0, 6.0)


def test_settings_of_the_review(client: Any) -> None:
    from kinema.web.review.models import ReviewSettings

    assert "Kept." in form(client, "/review/settings/", need="3", of="5", pots_every="0")
    rules = ReviewSettings.rules()
    assert (rules.need, rules.of, rules.pots_every) == (3, 5, 0)
    assert "as many reviewers as votes" in form(client, "/review/settings/", need="3", of="2", pots_every="0")
    assert "give a whole number" in form(client, "/review/settings/", need="many", of="2", pots_every="0")
    assert "give a whole number" in form(client, "/review/settings/", need="²", of="2", pots_every="0")
    assert ReviewSettings.rules() == rules
    assert "3 votes of at most 5 people" in text(client.get(f"/review/go/?clip={clip('a').pk}"))


def test_a_clip_of_known_answer_stays_out_of_manifests_and_shows_in_the_report(client: Any) -> None:
    from kinema.web.review.models import Clip

    made = clip("a")
    form(client, f"/review/{made.pk}/pot/", answer="nothing")
    assert Clip.objects.get().known == ""
    client.post(f"/review/{made.pk}/decide/", {"verdict": "accept"})
    assert "No accepted clip" in form(client, "/review/manifests/")
    assert "local 1 0 0 alone so far 0 of 1" in text(client.get("/review/report/"))
    form(client, f"/review/{made.pk}/pot/", answer="other", label="clap")
    assert Clip.objects.get().known == "clap"
    for label in ("", "x" * 201):
        assert "Write the label" in form(client, f"/review/{made.pk}/pot/", answer="other", label=label)
    assert Clip.objects.get().known == "clap"
    form(client, f"/review/{made.pk}/pot/", answer="none")
    assert Clip.objects.get().known is None


def test_the_report_advises(client: Any) -> None:
    for number in range(12):
        made = clip(f"e{number}", file=None)
        values = {"verdict": "relabel", "label": "clap"} if number < 5 else {"verdict": "wrong"}
        client.post(f"/review/{made.pk}/decide/", values)
    said = text(client.get("/review/report/"))
    assert "Drop 'wave', or find its clips in another way: 0 of 12 reviewed clips show it." in said
    assert "clap wave 5 5" in said


def test_a_reviewer_decides_and_leaves_settings_and_files_alone(reviewer: Any) -> None:
    from kinema.web.review.models import Clip

    made = clip("a")
    assert "Accepted" in form(reviewer, f"/review/{made.pk}/decide/", verdict="accept")
    assert Clip.objects.get().decisions.get().name == "bob"
    for address, values in (
        ("/review/settings/", {"need": "1", "of": "1", "pots_every": "0"}),
        (f"/review/{made.pk}/delete/", {}),
        (f"/review/{made.pk}/pot/", {"answer": "shows"}),
    ):
        assert reviewer.post(address, values).status_code == 403
    page = reviewer.get(f"/review/{made.pk}/").content.decode()
    assert "Delete" not in page
    assert "Use it to check reviewers" not in page
    assert "An administrator changes these" in text(reviewer.get("/review/settings/"))


def watched(root: Path, *events: dict[str, Any]) -> Path:
    """A run with a folder of `kinema watch`, as the command writes it."""
    run = root / "my run"
    (run / "recognizer").mkdir(parents=True)
    (run / "recognizer" / "recognizer.json").write_text(json.dumps({"classes": ["wave"], "model": "m"}))
    for folder in ("clips", "thumbnails"):
        (run / "watch" / folder).mkdir(parents=True)
    base = {"label": "wave", "start": 13.0, "end": 16.0, "peak": 0.9, "peak_time": 14.0, "mean": 0.8}
    lines = [json.dumps({**base, **event}) for event in events]
    (run / "watch" / "events.jsonl").write_text("\n".join([*lines, "half a li"]))
    return run


def test_events_of_kinema_watch_come_in_once(client: Any, tmp_path: Path, settings: Any) -> None:
    from kinema.web.folder import site
    from kinema.web.review.importing import import_events, watch_folders
    from kinema.web.review.models import Clip

    run = watched(
        tmp_path / "runs",
        {"id": "e1", "source": "door", "began_at": WHEN.isoformat(), "clip": "clips/e1.mp4", "thumbnail": "thumbnails/e1.jpg"},
        {"id": "e2", "source": "film.mp4", "clip": "../recognizer/recognizer.json"},
        {"id": "e3", "ended": False},
    )  # fmt: skip
    (run / "watch" / "clips" / "e1.mp4").write_bytes(b"video")
    (run / "watch" / "clips" / "e1.json").write_text('{"clip": {"start": 10.0, "end": 19.0}}')
    (run / "watch" / "thumbnails" / "e1.jpg").write_bytes(b"picture")
    settings.KINEMA_RUNS = [tmp_path / "runs"]
    [folder] = [found for found in watch_folders() if found.title == "my run"]
    assert import_events(folder) == {"added": 2, "known": 0, "without_clip": 1, "broken": 1}
    first, second = Clip.objects.order_by("uid")
    assert (first.label, first.score, first.source, first.recognizer) == ("wave", 0.9, "door", "my run")
    assert first.recorded == WHEN
    assert (first.clip_start, first.clip_end, first.start) == (10.0, 19.0, 13.0)
    assert (site().root / first.clip).read_bytes() == b"video"
    assert (site().root / first.thumbnail).read_bytes() == b"picture"
    assert (second.clip, second.thumbnail) == ("", "")  # nothing from outside the watch folder
    client.post(f"/review/{first.pk}/decide/", {"verdict": "wrong"})
    assert import_events(folder)["known"] == 2
    assert Clip.objects.get(pk=first.pk).state == "wrong"
    (run / "watch" / "clips" / "e1.mp4").unlink()  # kinema watch makes room
    assert client.get(f"/review/{first.pk}/clip/").status_code == 200


def test_the_import_page_offers_the_folders_of_runs_alone(client: Any, tmp_path: Path, settings: Any) -> None:
    from kinema.web.jobs.models import Job
    from kinema.web.review.tasks import import_watch_folder

    settings.KINEMA_RUNS = [tmp_path / "runs"]
    assert "Nothing to import" in text(client.get("/review/import/"))
    watched(tmp_path / "runs", {"id": "e1"})
    page = client.get("/review/import/").content.decode()
    key = re.search(r'name="folder" value="([^"]+)"', page)[1]  # type: ignore[index]
    assert "my run 2 events of kinema watch" in text(client.get("/review/import/"))
    assert client.post("/review/import/", {"folder": "/etc"}).status_code == 404
    assert client.post("/review/import/", {"folder": key}).status_code == 302
    job = Job.objects.get()
    assert (job.kind, job.arguments) == ("review-import", {"folder": key})
    told: list[str] = []

    class Progress:
        def __call__(self, done: float, total: float, message: str = "") -> None:
            told.append(message)

        def check(self) -> None: ...

    result = import_watch_folder(job.arguments, Progress())
    assert (result["added"], result["url"], told[0]) == (1, "/review/", "0 of 2 events")


def test_the_api_lists_decides_and_takes_back(client: Any) -> None:
    first, second = (
        clip("a", source="door", score=0.9, start=1.0, end=3.0),
        clip("b", recorded=WHEN.replace(hour=1)),
    )
    listed = client.get("/api/review/clips").json()
    assert (listed["count"], listed["pages"], [one["id"] for one in listed["clips"]]) == (2, 1, ["a", "b"])
    shown = listed["clips"][0]
    assert {name: shown[name] for name in ("label", "start", "end", "peak", "source", "state", "agreed")} == {
        "label": "wave", "start": 1.0, "end": 3.0, "peak": 0.9, "source": "door", "state": "new", "agreed": None,
    }  # fmt: skip
    assert client.get("/api/review/clips?source=door").json()["count"] == 1
    assert [one["id"] for one in client.get("/api/review/next").json()["clips"]] == ["a", "b"]
    rest = client.get(f"/api/review/next?without={first.pk},x,²").json()["clips"]
    assert [one["id"] for one in rest] == ["b"]

    def post(address: str, **values: str) -> Any:
        return client.post(f"/api/review/{address}", json.dumps(values), content_type="application/json")

    made = post(f"clips/{first.pk}/decisions", verdict="relabel", label="clap").json()
    assert (made["decision"]["verdict"], made["decision"]["reviewer"]) == ("relabel", "local")
    assert (made["clip"]["state"], made["clip"]["agreed"], made["counts"]["settled"]) == (
        "accepted",
        "clap",
        1,
    )
    bad = post(f"clips/{first.pk}/decisions", verdict="acept")
    assert (bad.status_code, "did you mean 'accept'" in bad.json()["detail"]) == (400, True)
    assert post("clips/9999/decisions", verdict="accept").status_code == 404
    undone = post("undo").json()
    assert (undone["clip"]["id"], undone["said"], undone["clip"]["state"]) == (
        "a",
        "relabelled 'clap'",
        "new",
    )
    assert post("undo").json()["clip"] is None
    history = client.get(f"/api/review/clips/{first.pk}").json()["decisions"]
    assert [one["verdict"] for one in history] == ["relabel", "undo"]
    assert client.get(f"/api/review/new?after={first.pk}").json() == {"count": 1}
    assert client.get(f"/api/review/new?after={second.pk}").json() == {"count": 0}


def test_the_api_needs_the_token_of_a_page(database: None) -> None:
    from django.test import Client

    made = clip("a")
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(
        f"/api/review/clips/{made.pk}/decisions", '{"verdict": "accept"}', content_type="application/json"
    )
    assert answer.status_code == 403
    assert strict.post(f"/review/{made.pk}/decide/", {"verdict": "accept"}).status_code == 403
    assert made.decisions.count() == 0


def test_pages_never_show_an_event_s_text_as_html(client: Any) -> None:
    made = clip("a", "<script>alert(1)</script>", source='"><img src=x>')
    for address in ("/review/", f"/review/{made.pk}/", "/review/go/", "/review/report/"):
        page = client.get(address).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x>" not in page


@pytest.fixture
def settings(database: None) -> Any:
    """Django's settings, set back after the test."""
    from django.test import override_settings

    class Settings:
        def __setattr__(self, name: str, value: Any) -> None:
            change = override_settings(**{name: value})
            change.enable()
            changes.append(change)

    changes: list[Any] = []
    yield Settings()
    for change in reversed(changes):
        change.disable()
