"""The review in a browser: the wall, a dozen clips by keyboard, a manifest of what was accepted."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import expect

expect.set_options(timeout=60_000)  # milliseconds, of what a quiet machine does at once
WHEN = datetime(2026, 5, 21, 9, 30, tzinfo=UTC)
_ADD = """
import json, sys, django
django.setup()
from datetime import datetime
from kinema.web.review.clips import add_clip
for fields in json.load(sys.stdin):
    add_clip(**{**fields, "recorded": datetime.fromisoformat(fields["recorded"])})
"""


def add_clips(site: Any, clips: list[dict[str, Any]]) -> None:
    """Put clips into the database of a site that runs."""
    env = {**os.environ, "KINEMA_SITE": str(site.folder), "DJANGO_SETTINGS_MODULE": "kinema.web.settings"}
    env.pop("DATABASE_URL", None)
    subprocess.run(
        [sys.executable, "-c", _ADD], input=json.dumps(clips), text=True, env=env, check=True, timeout=60
    )


@pytest.fixture(scope="module")
def real_clips(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seconds of real videos as small clips with thumbnails: 14.mp4 and 14.jpg, and so on."""
    import cv2

    from kinema.video import VideoWriter, open_source

    folder = tmp_path_factory.mktemp("clips")
    videos = sorted((test_data / "ut-interaction").glob("*/*.avi"))[::9][:14]
    for number, video in enumerate(videos, 1):
        with open_source(video) as source, VideoWriter(folder / f"{number}.mp4", 10) as out:
            for index, frame in enumerate(source.frames(end=1.5, fps=10, size=(200, 150))):
                out.write(frame.image)
                if index == 7:
                    cv2.imwrite(str(folder / f"{number}.jpg"), frame.image[:, :, ::-1])
    return folder


@pytest.fixture(scope="module")
def filled(start_site: Callable[..., Any], real_clips: Path) -> Any:
    """A site of its own with fourteen clips of three sources, none of them reviewed."""
    site = start_site(env={"TZ": "UTC"})
    folder = site.folder / "events" / "test"
    folder.mkdir(parents=True)
    for path in real_clips.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    add_clips(site, [_fields(number) for number in range(1, 15)])
    return site


def _fields(number: int) -> dict[str, Any]:
    return {
        "uid": f"clip-{number:02d}",
        "label": ("hug", "kick", "push")[number % 3],
        "source": ("front door", "yard", "rtsp://10.0.0.7:554/a-long-name/stream1")[number % 3],
        "recognizer": "demo",
        "score": 0.5 + number / 40,
        "mean": 0.5,
        "start": 12.0,
        "end": 13.5,
        "recorded": (WHEN - timedelta(hours=3 * number)).isoformat(),
        "clip": f"events/test/{number}.mp4",
        "thumbnail": f"events/test/{number}.jpg",
    }


def rows(site: Any, query: str) -> list[tuple[Any, ...]]:
    import sqlite3

    connection = sqlite3.connect(f"file:{site.folder / 'site.sqlite3'}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def check_axe(page: Any) -> None:
    """Nothing serious for screen readers and keyboards."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = [
        (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
        for one in axe.run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert found == []


def tiles(page: Any, count: int) -> None:
    """Wait until the wall has so many clips."""
    expect(page.locator(".tile")).to_have_count(count)


def label_of(page: Any) -> str:
    return str(page.locator("[data-label]").inner_text())


def wait_for_clip(page: Any, pk: int) -> None:
    """Wait until a clip is the one that is shown."""
    expect(page.locator("[data-decide] input[name=clip]")).to_have_value(str(pk))


def test_the_wall(filled: Any, open_page: Callable[..., Any], screenshot: Callable[[Any, str], Path]) -> None:
    with open_page(filled.address, bypass_csp=True) as page:
        page.goto("/review/")
        tiles(page, 14)
        # Clips that are seen play; the picture is there before.
        page.wait_for_function(
            "[...document.querySelectorAll('.tile video')].filter(v => !v.paused && v.currentTime > 0).length >= 4"
        )
        assert page.locator(".tile video[poster]").count() == 14
        check_axe(page)
        screenshot(page, "review-wall-light")
        page.get_by_label("Label").select_option("kick")
        page.get_by_label("Score at least").fill("0.7")
        page.get_by_role("button", name="Show").click()
        tiles(page, 2)
        assert page.locator(".tile strong").all_inner_texts() == ["kick", "kick"]
        page.get_by_label("Day").fill("2026-05-19")
        page.get_by_role("button", name="Show").click()
        tiles(page, 1)
        page.get_by_label("Source").select_option("front door")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("heading", name="No such clips").wait_for()
        page.get_by_role("link", name="Clear").click()
        tiles(page, 14)
    with open_page(
        filled.address, color_scheme="dark", viewport={"width": 360, "height": 740}, bypass_csp=True
    ) as page:
        page.goto("/review/")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        check_axe(page)
        screenshot(page, "review-wall-phone-dark")


def test_nothing_moves_for_who_wants_less_motion(filled: Any, open_page: Callable[..., Any]) -> None:
    with open_page(filled.address, reduced_motion="reduce") as page:
        page.goto("/review/")
        page.locator(".tile").first.hover()
        page.wait_for_load_state("networkidle")
        assert page.evaluate(
            "[...document.querySelectorAll('video')].every(v => v.paused && v.currentTime === 0)"
        )
        page.goto("/review/go/")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.querySelector('.go-stage video').paused")


def test_new_clips_are_told_and_nothing_moves(filled: Any, open_page: Callable[..., Any]) -> None:
    with open_page(filled.address) as page:
        page.clock.install()  # the page looks every few seconds
        page.goto("/review/?label=hug")
        first = page.locator(".tile a").first.get_attribute("href")
        now = {"recorded": (WHEN + timedelta(days=1)).isoformat()}
        fresh = [
            {**_fields(3), **now, "uid": f"new-{n}", "label": label}
            for n, label in enumerate(("hug", "hug", "kick"))
        ]
        add_clips(filled, fresh)
        page.clock.fast_forward(10_000)
        button = page.get_by_role("link", name="2 new")  # the kick is filtered out
        button.wait_for(timeout=60_000)
        assert page.locator(".tile a").first.get_attribute("href") == first
        button.click()
        expect(page.locator(".tile a").first).not_to_have_attribute("href", str(first))
        assert page.get_by_role("link", name="new", exact=False).filter(has_text="2 new").count() == 0
    with open_page(filled.address) as page:  # the other tests count fourteen
        for n in range(3):
            pk = rows(filled, f"SELECT id FROM review_clip WHERE uid = 'new-{n}'")[0][0]
            rows_left = rows(filled, "SELECT count(*) FROM review_clip WHERE clip = 'events/test/3.mp4'")[0][
                0
            ]
            assert rows_left > 1
            page.goto(f"/review/{pk}/delete/")
            page.get_by_role("button", name="Delete it").click()
            page.get_by_text("Deleted:").wait_for()


@pytest.mark.slow
def test_a_dozen_clips_by_keyboard(
    filled: Any, open_page: Callable[..., Any], screenshot: Callable[[Any, str], Path]
) -> None:
    from kinema.data import read_data

    pks = [pk for (pk,) in rows(filled, "SELECT id FROM review_clip ORDER BY recorded DESC, id DESC")]
    with open_page(filled.address, bypass_csp=True) as page:
        page.goto("/review/go/")
        page.wait_for_function("document.querySelector('.go-stage video').currentTime > 0")
        assert label_of(page) == "kick"
        check_axe(page)
        screenshot(page, "review-go-light")
        page.keyboard.press("?")
        page.get_by_role("heading", name="Keys").wait_for()
        check_axe(page)
        page.keyboard.press("Escape")
        page.keyboard.press("w")
        wait_for_clip(page, pks[1])
        page.keyboard.press("a")
        wait_for_clip(page, pks[2])
        page.keyboard.press("u")  # the second was no good after all
        wait_for_clip(page, pks[1])
        page.keyboard.press("w")
        wait_for_clip(page, pks[2])
        page.keyboard.press("r")  # by number: hug and kick are left, push is the third
        page.get_by_role("heading", name="What does it show?").wait_for()
        check_axe(page)
        screenshot(page, "review-picker")
        assert page.get_by_role("option").all_inner_texts() == ["1\nkick", "2\npush"]
        page.keyboard.press("2")
        wait_for_clip(page, pks[3])
        page.keyboard.press("r")  # by typing, a label that nobody has used yet
        page.keyboard.type("handshake")
        page.get_by_text("is a new label").wait_for()
        page.keyboard.press("Enter")
        wait_for_clip(page, pks[4])
        page.keyboard.press("r")  # and by a few letters of it
        page.keyboard.type("shake")
        page.keyboard.press("Enter")
        wait_for_clip(page, pks[5])
        page.keyboard.press("s")
        wait_for_clip(page, pks[6])
        page.keyboard.press("ArrowRight")  # passed by, decided later
        wait_for_clip(page, pks[7])
        page.keyboard.press("ArrowLeft")
        wait_for_clip(page, pks[6])
        for number in range(6, 13):
            page.keyboard.press("a")
            wait_for_clip(page, pks[number + 1])
        expect(page.locator("[data-count=mine]")).to_have_text("13")
        assert page.locator("[data-count=settled]").inner_text() == "12"  # who skips has not voted
        page.keyboard.press("a")
        page.get_by_role("heading", name="Nothing left for you").wait_for()
        screenshot(page, "review-done")
        expect(page.locator("[data-count=mine]")).to_have_text("14")

        page.goto(f"/review/{pks[1]}/")
        assert page.locator("tbody tr").count() == 3
        assert "took back" in page.locator("tbody").inner_text()
        check_axe(page)
        screenshot(page, "review-clip-light")

        page.goto("/review/")
        page.get_by_role("link", name="Make a manifest").first.click()
        page.get_by_label("Name").fill("by keyboard")
        page.get_by_role("button", name="Make a manifest of 11 clips").click()
        page.get_by_text("by-keyboard.csv: 11 clips").wait_for()
        check_axe(page)
        screenshot(page, "review-manifests")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        with Path(download.value.path()).open() as file:
            assert len(list(csv.DictReader(file))) == 11
    verdicts = [row[0] for row in rows(filled, "SELECT verdict FROM review_decision ORDER BY id")]
    assert verdicts == [
        "wrong",
        "accept",
        "undo",
        "wrong",
        "relabel",
        "relabel",
        "relabel",
        "skip",
        *["accept"] * 8,
    ]
    manifest = read_data(filled.folder / "manifests" / "by-keyboard.csv")
    labels = {segment.extra["uid"]: segment.label for segment in manifest.segments()}
    assert [labels[f"clip-{n:02d}"] for n in (3, 4, 5)] == ["push", "handshake", "handshake"]
    assert sorted(manifest.groups) == ["front door", "rtsp://10.0.0.7:554/a-long-name/stream1", "yard"]
    assert all(segment.video.is_file() for segment in manifest.segments())


@pytest.mark.slow
def test_review_without_scripts_and_on_a_phone(
    filled: Any, open_page: Callable[..., Any], screenshot: Callable[[Any, str], Path]
) -> None:
    add_clips(filled, [{**_fields(n), "uid": f"later-{n}", "source": "phone"} for n in (1, 2, 3)])
    with open_page(filled.address, java_script_enabled=False) as page:
        page.goto("/review/go/?source=phone")
        page.get_by_role("button", name="Accept").click()
        page.get_by_text("Accepted: kick").wait_for()
        page.get_by_label("It shows something else").fill("dance")
        page.get_by_role("button", name="Relabel").click()
        page.get_by_text("Relabelled 'dance'").wait_for()
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("Taken back: relabelled 'dance'").wait_for()
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "bypass_csp": True}
    with open_page(filled.address, **phone, has_touch=True) as page:
        page.goto("/review/go/?source=phone")
        page.wait_for_function("document.querySelector('.go-stage video').readyState >= 2")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        # What one presses is seen without scrolling.
        box = page.get_by_role("button", name="Skip").bounding_box()
        assert box["y"] + box["height"] <= 740
        check_axe(page)
        screenshot(page, "review-go-phone-dark")
        before = page.locator("[data-decide] input[name=clip]").input_value()
        page.get_by_role("button", name="Relabel").tap()
        page.get_by_role("option", name="kick").or_(page.get_by_role("option", name="push")).first.tap()
        expect(page.locator("[data-decide] input[name=clip]")).not_to_have_value(before)
        for address, name in (
            ("/review/report/", "report"),
            ("/review/settings/", "settings"),
            ("/review/import/", "import"),
        ):
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            check_axe(page)
            screenshot(page, f"review-{name}-phone-dark")


def test_a_key_right_after_choosing_a_label_is_for_the_next_clip(
    filled: Any, open_page: Callable[..., Any]
) -> None:
    add_clips(filled, [{**_fields(n), "uid": f"quick-{n}", "source": "quick"} for n in (1, 2, 3)])
    with open_page(filled.address) as page:
        page.goto("/review/go/?source=quick")
        page.keyboard.press("r")
        page.get_by_role("heading", name="What does it show?").wait_for()
        # Both in one task of the page, so that no frame is drawn in between.
        page.evaluate(
            """() => {
                const press = (key) => document.activeElement.dispatchEvent(
                    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
                press("1");
                press("?");
            }"""
        )
        page.get_by_role("heading", name="Keys").wait_for()


def test_a_decision_that_the_server_refuses_comes_back(filled: Any, open_page: Callable[..., Any]) -> None:
    add_clips(filled, [{**_fields(n), "uid": f"refused-{n}", "source": "broken"} for n in (1, 2)])
    with open_page(filled.address) as page:
        page.expected.append("500")
        # Before the page is there: requests of a page that is already there may begin before they are looked at.
        page.route("**/decisions?*", lambda route: route.fulfill(status=500, body="{}"))
        page.goto("/review/go/?source=broken")
        first = page.locator("[data-decide] input[name=clip]").input_value()
        page.keyboard.press("a")
        page.get_by_text("Not kept:").wait_for()
        wait_for_clip(page, int(first))
        page.unroute("**/decisions?*")
        page.keyboard.press("a")
        expect(page.locator("[data-count=settled]")).to_have_text("1")


def test_a_refused_decision_stays_on_the_screen_while_the_next_clip_is_still_on_its_way(
    filled: Any, open_page: Callable[..., Any], until: Callable[..., None]
) -> None:
    add_clips(filled, [{**_fields(n), "uid": f"slow-{n}", "source": "slow"} for n in (1, 2)])
    held: list[Any] = []
    with open_page(filled.address) as page:
        page.expected.append("500")
        page.route("**/decisions?*", lambda route: route.fulfill(status=500, body="{}"))
        page.route("**/api/review/next?*", lambda route: held.append(route))
        page.goto("/review/go/?source=slow")
        first = page.locator("[data-decide] input[name=clip]").input_value()
        until(page, lambda: held)
        page.keyboard.press("a")
        page.get_by_text("Not kept:").wait_for()
        page.unroute("**/decisions?*")
        with page.expect_response(
            "**/decisions?*"
        ) as answer:  # the key counts at once, for the clip that came back
            page.keyboard.press("w")
        assert (answer.value.status, answer.value.url.split("/clips/")[1].split("/")[0]) == (200, first)
        held.pop().continue_()
        expect(page.locator("[data-decide] input[name=clip]")).not_to_have_value(first)


def _first_decision_held(page: Any, source: str) -> tuple[Any, str, str, list[Any]]:
    """Accept the first clip of a source; return where a clip's number stands, the first, the one shown now, and requests held."""
    held: list[Any] = []
    page.route("**/decisions?*", lambda route: held.append(route))
    page.goto(f"/review/go/?source={source}")
    page.wait_for_load_state("networkidle")  # what comes next is here
    clips = page.locator("[data-decide] input[name=clip]")
    first = clips.input_value()
    with page.expect_request("**/decisions?*"):
        page.keyboard.press("a")
    expect(clips).not_to_have_value(first)
    return clips, first, clips.input_value(), held


def test_a_decision_on_its_way_is_waited_for_when_the_page_is_left(
    filled: Any, open_page: Callable[..., Any], until: Callable[..., None]
) -> None:
    add_clips(filled, [{**_fields(n), "uid": f"left-{n}", "source": "left"} for n in (1, 2, 3)])
    with open_page(filled.address) as page:
        clips, first, second, held = _first_decision_held(page, "left")
        page.keyboard.press("w")  # waits for the first, so that an undo finds the right one
        expect(clips).not_to_have_value(second)
        page.get_by_role("link", name="Back to the wall").first.click()
        asked: list[str] = []
        page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        page.evaluate("location.reload()")  # as a tab that is closed
        until(page, lambda: asked)
        assert asked == ["beforeunload"]
        assert "/review/go/" in page.url
        for _ in range(2):  # one after the other
            until(page, lambda: held)
            held.pop().continue_()
        page.wait_for_url("**/review/?source=left")
    said = rows(
        filled,
        "SELECT clip_id, verdict FROM review_decision WHERE clip_id IN"
        " (SELECT id FROM review_clip WHERE source = 'left') ORDER BY id",
    )
    assert said == [(int(first), "accept"), (int(second), "wrong")]


def test_a_label_is_for_the_clip_that_was_shown_when_it_was_asked_for(
    filled: Any, open_page: Callable[..., Any], until: Callable[..., None]
) -> None:
    add_clips(filled, [{**_fields(n), "uid": f"meant-{n}", "source": "meant"} for n in (1, 2, 3)])
    with open_page(filled.address) as page:
        page.expected.append("500")
        _, _, second, held = _first_decision_held(page, "meant")
        page.keyboard.press("r")
        page.get_by_role("heading", name="What does it show?").wait_for()
        until(page, lambda: held)
        held.pop().fulfill(status=500, body="{}")
        page.get_by_text("Not kept:").wait_for()
        page.keyboard.type("dance")
        with page.expect_request("**/decisions?*") as asked:
            page.keyboard.press("Enter")
        assert (asked.value.url.split("/clips/")[1].split("/")[0], asked.value.post_data_json) == (
            second,
            {"verdict": "relabel", "label": "dance"},
        )
        page.unroute_all(behavior="ignoreErrors")
