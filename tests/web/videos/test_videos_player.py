"""The page of a result in a real browser: keys, clicks, bars, dark, phone, and formats that browsers do not play."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # the one video that all look at is predicted first
_PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def shown(videos: Any, dance: Any, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A video with its result."""
    pk: int = videos.upload(dance(tmp_path_factory.mktemp("shown") / "round and round.mp4", 12))
    return pk


def _player(videos: Any, page: Any, pk: int) -> None:
    page.goto(f"/videos/{pk}/")
    videos.wait(page, "document.documentElement.dataset.player === 'ready'")
    videos.wait(page, "document.querySelector('video').readyState >= 2")


def _axe(page: Any) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def test_keys_seek_play_and_step(videos: Any, page: Any, shown: int) -> None:
    _player(videos, page, shown)

    def now() -> float:
        videos.wait(page, "!document.querySelector('video').seeking")
        return float(page.evaluate("document.querySelector('video').currentTime"))

    moments = []
    for key in ("ArrowRight", "Shift+ArrowRight", "l", "j", "ArrowLeft", "End", "Home"):
        page.keyboard.press(key)
        moments.append(round(now(), 1))
    assert moments == [5.0, 6.0, 12.0, 2.0, 0.0, 12.0, 0.0]
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press(".")
    assert now() == pytest.approx(1.06, abs=0.005)  # the middle of frame 26
    page.keyboard.press(",")
    assert now() == pytest.approx(1.02, abs=0.005)
    page.keyboard.press("k")
    videos.wait(page, "!document.querySelector('video').paused")
    page.keyboard.press("Space")
    videos.wait(page, "document.querySelector('video').paused")
    page.locator("video").focus()  # its own keys must not act a second time
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert round(now(), 1) == 5.0


def test_the_annotated_copy_goes_on_where_the_original_was_however_often_it_is_asked_for(
    videos: Any, page: Any, shown: int
) -> None:
    _player(videos, page, shown)
    page.keyboard.press("ArrowRight")
    videos.wait(page, "!document.querySelector('video').seeking")
    button = page.get_by_role("button", name="Annotated")
    button.evaluate("button => { button.click(); button.click(); button.click(); }")
    videos.wait(page, "document.querySelector('video').currentSrc.endsWith('annotated.mp4')")
    videos.wait(page, "document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.querySelector('video').currentTime") == 5.0


def test_bars_and_label_follow_the_moment(videos: Any, page: Any, shown: int) -> None:
    number = videos.get(f"/{shown}")["predictions"][0]["id"]
    result = videos.get(f"/{shown}/predictions/{number}/result")
    row = next(row for row in reversed(result["timeline"]) if row["time"] <= 6.0)
    _player(videos, page, shown)
    for _ in range(6):
        page.keyboard.press("Shift+ArrowRight")
    videos.wait(page, "!document.querySelector('video').seeking")
    found = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('#bars li')]"
        ".map(li => [li.dataset.label, li.querySelector('meter').value]))"
    )
    assert found == pytest.approx(dict(zip(result["classes"], row["probabilities"], strict=True)), abs=1e-3)
    best = result["classes"][int(np.argmax(row["probabilities"]))]
    assert page.locator("[data-moment]").text_content() == f"0:06.0 {best}"
    slider = page.get_by_role("slider", name="Moment of the video")
    assert slider.get_attribute("aria-valuetext") == f"0:06.0 {best}"


def test_the_pages_in_dark_on_a_phone_and_before_axe(
    videos: Any, open_page: Callable[..., Any], shown: int, screenshot: Callable[[Any, str], Path]
) -> None:
    address = videos.site.address
    with open_page(address, bypass_csp=True) as page:
        for path in ("/videos/", f"/videos/{shown}/", f"/videos/{shown}/delete/", "/videos/?q=nothing"):
            page.goto(path)
            assert _axe(page) == [], path
    with open_page(address, color_scheme="dark", bypass_csp=True) as page:
        page.goto("/videos/")
        assert _axe(page) == []
        screenshot(page, "videos-list-dark")
        _player(videos, page, shown)
        assert _axe(page) == []
        screenshot(page, "videos-result-dark")
    with open_page(address, viewport=_PHONE, has_touch=True) as page:
        page.goto("/videos/")
        screenshot(page, "videos-list-phone")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        _player(videos, page, shown)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        screenshot(page, "videos-result-phone")


def test_a_format_that_the_browser_cannot_play_is_shown_as_the_annotated_copy(
    videos: Any, page: Any, test_data: Path
) -> None:
    clip = sorted((test_data / "ut-interaction").rglob("*.avi"))[0]  # MPEG-4 part 2 in AVI
    pk = videos.upload(clip)
    _player(videos, page, pk)
    assert page.evaluate("document.querySelector('video').currentSrc").endswith("/annotated.mp4")
    assert page.locator("[data-do=annotated]").get_attribute("aria-pressed") == "true"
    page.locator("[data-over]").click(position={"x": 5, "y": 20})
    assert page.evaluate("document.querySelector('video').currentTime") < 1
