"""/runs/ in a real browser: from the table to a clip, dark, on a phone, without scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
# Resolves once a video's property is at least so much; the event says that it may have changed.
_UNTIL = """(video, [event, name, least]) => new Promise((done) => {
  const look = () => video[name] >= least && done();
  video.addEventListener(event, look);
  look();
})"""


def test_from_the_table_to_a_clip_in_a_browser(
    runs_site: Any, open_page: Callable[..., Any], screenshot: Callable[[Any, str], Path]
) -> None:
    with open_page(runs_site.address) as page:
        page.set_default_timeout(120_000)
        page.goto("/runs/")
        screenshot(page, "runs-light")
        page.follow(page.get_by_role("link", name="Accuracy"))
        page.wait_for_url("**sort=accuracy**")
        page.get_by_label("Compare moves", exact=True).check()
        page.get_by_label("Compare moves-long").check()
        page.follow(page.get_by_role("button", name="Compare the ticked"))
        assert page.get_by_role("heading", name="2 runs side by side").is_visible()
        screenshot(page, "runs-compare-light")
        page.follow(page.get_by_role("link", name="moves", exact=True).first)
        frame = page.frame_locator("iframe.report")
        page.locator("iframe.report").scroll_into_view_if_needed()
        frame.get_by_text("video-level top-1 accuracy").wait_for()
        screenshot(page, "runs-one-light")
        page.follow(page.locator(".confusion td a").first)
        page.get_by_role("heading", level=1).wait_for()
        page.locator(".clips img").first.evaluate("image => image.decode()")
        screenshot(page, "runs-clips-light")
        page.follow(page.locator(".clips a").first)
        video = page.locator("video")
        video.evaluate(_UNTIL, ["loadeddata", "readyState", 2])
        assert video.evaluate("video => video.currentSrc").endswith("/video/")
        page.locator("[data-timeline]").click(position={"x": 500, "y": 60})
        video.evaluate(_UNTIL, ["timeupdate", "currentTime", 0.2])
        screenshot(page, "runs-clip-light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_a_screen_reader(
    runs_site: Any, open_page: Callable[..., Any], screenshot: Callable[[Any, str], Path], scheme: str
) -> None:
    axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")
    axe = axe_module.Axe()
    with open_page(runs_site.address, bypass_csp=True, color_scheme=scheme) as page:
        page.set_default_timeout(120_000)
        page.goto("/runs/")
        key = page.locator("input[name=run]").first.get_attribute("value")
        other = page.locator("input[name=run]").nth(1).get_attribute("value")
        for name, address in {
            "runs": "/runs/", "run": f"/runs/{key}/", "compare": f"/runs/compare/?run={key}&run={other}",
            "clips": f"/runs/{key}/clips/", "clip": f"/runs/{key}/clips/0/", "start": "/runs/start/",
        }.items():  # fmt: skip
            page.goto(address)
            found = axe.run(page, options={"iframes": False}).response["violations"]
            serious = [
                (v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")
            ]
            assert (name, serious) == (name, [])
            if scheme == "dark":
                screenshot(page, f"runs-{name}-dark")


def test_on_a_phone_nothing_is_wider_than_the_screen(
    runs_site: Any, open_page: Callable[..., Any], screenshot: Callable[[Any, str], Path]
) -> None:
    with open_page(runs_site.address, viewport={"width": 360, "height": 740}) as page:
        page.set_default_timeout(120_000)
        page.goto("/runs/")
        key = page.locator("input[name=run]").first.get_attribute("value")
        other = page.locator("input[name=run]").nth(1).get_attribute("value")
        for name, address in {
            "runs": "/runs/", "run": f"/runs/{key}/", "compare": f"/runs/compare/?run={key}&run={other}",
            "clips": f"/runs/{key}/clips/", "clip": f"/runs/{key}/clips/0/", "start": "/runs/start/",
        }.items():  # fmt: skip
            page.goto(address)
            screenshot(page, f"runs-{name}-phone")
            assert (name, page.evaluate("document.documentElement.scrollWidth")) == (name, 360)


def test_the_table_works_without_scripts(runs_site: Any, open_page: Callable[..., Any]) -> None:
    with open_page(runs_site.address, java_script_enabled=False) as page:
        page.set_default_timeout(120_000)
        page.goto("/runs/")
        page.get_by_label("Search").fill("long")
        page.follow(page.get_by_role("button", name="Filter"))
        assert page.locator(".runs tbody tr").count() == 1
