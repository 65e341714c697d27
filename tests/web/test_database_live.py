"""The list of allowed sources, and what a site with and without login offers."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("database")


def _allow(**values: Any) -> Any:
    from kinema.web.live.models import AllowedSource

    return AllowedSource.objects.create(**{"name": "front door", "address": "rtsp://camera/live", **values})


def test_allowed_sources_are_offered_as_long_as_they_are_switched_on() -> None:
    from kinema.web.live.sources import Gone, find, offered

    one = _allow()
    _allow(name="yard", address="/dev/video3", enabled=False)
    found = {source.slug: source.title for _, sources in offered() for source in sources}
    assert found[f"source-{one.pk}"] == "front door"
    assert "yard" not in found.values()
    assert (find(f"source-{one.pk}").address, find(f"source-{one.pk}").kind) == (
        "rtsp://camera/live",
        "stream",
    )
    one.enabled = False
    one.save()
    with pytest.raises(Gone, match="not on the list any more"):
        find(f"source-{one.pk}")


def test_with_login_only_the_list_may_be_watched() -> None:
    from django.test import override_settings

    from kinema.web.live.sources import Gone, find, offered, typed

    one = _allow(address="0")
    slug = typed("http://127.0.0.1:1/mjpeg").slug
    with override_settings(KINEMA_LOGIN=True):
        assert [title for title, _ in offered()] == ["Sources"]
        with pytest.raises(Gone, match="only sources that an administrator allowed"):
            typed("rtsp://10.0.0.1/live")
        for name in (slug, "camera-0"):
            with pytest.raises(Gone):
                find(name)
        assert find(f"source-{one.pk}").kind == "camera"


def test_a_typed_address_is_named_by_what_tells_nothing_of_it_and_shared() -> None:
    from kinema.web.live.sources import typed

    one = typed("rtsp://me:geheim@camera/live")
    assert one.slug.startswith("address-")
    assert "geheim" not in repr(one)
    assert one.title == "rtsp://me:***@camera/live"
    assert typed(" rtsp://me:geheim@camera/live ") == one
    assert typed("rtsp://me:other@camera/live").slug != one.slug


def test_names_that_mean_nothing_are_refused_in_words(client: Any) -> None:
    from kinema.web.recognizers import recognizers

    key = recognizers()[0].key
    for session in (
        f"{key}.camera-/etc",
        f"{key}.source-x",
        f"{key}.browser-1",
        "nothing",
        f"{key}.video-999999",
        "x.source-1",
    ):
        answer = client.get(f"/live/{session}/")
        assert answer.status_code == 404, session
    assert "There is no such source any more" in client.get(f"/live/{key}.address-1/").content.decode()


def test_the_form_says_why_an_address_is_refused(client: Any) -> None:
    from kinema.web.recognizers import recognizers

    form = {"recognizer": recognizers()[0].key, "source": "address", "address": "file:///etc/passwd"}
    answer = client.post("/live/start", form)
    assert answer.status_code == 400
    assert "file: addresses are not opened" in answer.content.decode()


def test_an_administrator_keeps_the_list_with_a_form(client: Any) -> None:
    from kinema.web.live.models import AllowedSource

    answer = client.post(
        "/live/sources/", {"name": "yard", "address": "rtsp://me:geheim@camera/1", "enabled": "on"}
    )
    assert (answer.status_code, AllowedSource.objects.count()) == (400, 0)
    assert "A password does not belong into the database" in answer.content.decode()
    client.post("/live/sources/", {"name": "yard", "address": "rtsp://camera/1", "enabled": "on"})
    one = AllowedSource.objects.get()
    assert "rtsp://camera/1" in client.get("/live/sources/").content.decode()
    client.post(f"/live/sources/{one.pk}/", {"name": "yard", "address": "rtsp://camera/2"})
    one.refresh_from_db()
    assert (one.address, one.enabled) == ("rtsp://camera/2", False)
    client.post(f"/live/sources/{one.pk}/", {"delete": "1"})
    assert AllowedSource.objects.count() == 0


def test_who_is_no_administrator_may_not_see_the_list(client: Any) -> None:
    from django.contrib.auth import get_user_model
    from django.test import override_settings

    user = get_user_model().objects.create_user("eve", password="a long secret of hers")
    with override_settings(KINEMA_LOGIN=True):
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        assert client.get("/live/sources/").status_code == 403
        assert client.post("/live/sources/", {"name": "a", "address": "http://10.0.0.1/"}).status_code == 403
        page = client.get("/live/").content.decode()
    assert "The address of a stream" not in page
    assert "Allowed sources" not in page


def test_the_live_view_of_a_video_says_that_its_events_are_not_kept(client: Any) -> None:
    from kinema.web.recognizers import recognizers
    from kinema.web.videos.models import Video

    video = Video.objects.create(name="a.mp4", size=4, state="ready", file="videos/1/original.mp4")
    page = client.get(f"/live/{recognizers()[0].key}.video-{video.pk}/").content.decode()
    assert "Events of this view are shown here and not kept; <a href=" in page
    assert f'href="/videos/{video.pk}/"' in page


def test_whoever_watches_a_source_is_told_to_go_when_it_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    from kinema.web.live import hub

    told: list[str] = []
    monkeypatch.setattr(hub, "withdraw", told.append)
    one = _allow()
    slug = f"source-{one.pk}"
    one.enabled = False
    one.save()
    one.delete()
    assert told == [slug, slug, slug]
