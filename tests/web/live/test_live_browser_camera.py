"""The camera of a browser, watched: Chromium's made-up one, which shows a real clip."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def film_browser(browser: Any, film: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium whose camera shows a real clip."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("needs ffmpeg")
    path = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    command = [ffmpeg, "-v", "error", "-i", str(film), "-vf", "scale=640:480,fps=15", "-q:v", "4"]
    subprocess.run([*command, "-f", "mjpeg", str(path)], check=True)
    options = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={path}",
    ]
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    started = browser.browser_type.launch(executable_path=chromium, args=options)
    yield started
    started.close()


@pytest.mark.slow
def test_this_browsers_camera_is_watched(film_browser: Any, live: Any, screenshot: Any) -> None:
    before = live.engines()
    context = film_browser.new_context(
        base_url=live.site.address, permissions=["camera"], viewport={"width": 1280, "height": 900}
    )
    page = context.new_page()
    page.set_default_timeout(1000 * live.patience)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto("/live/")
    key = page.locator("#recognizer").input_value()
    page.goto(f"/live/?recognizer={key}&source=browser")  # as the page of teaching links to it
    page.locator("[data-bars] .best").wait_for()
    assert page.evaluate("document.querySelector('[data-camera]').videoWidth") > 100

    def number(name: str) -> float:
        return float(re.match(r"[\d.]+", page.locator(f"[data-{name}]").text_content() or "0").group())  # type: ignore[union-attr]

    live.until(lambda: "(" in page.locator("[data-used]").text_content() and number("used") > 5)
    # It sends as many pictures as the recognizer takes (5 a second), not as many as the camera makes (15).
    told = live.running(page.url)
    assert told is not None
    assert 0 < told["statistics"]["sources"][0]["fps_in"] < 8
    assert page.get_by_text("Events of this view are shown here and not kept.").is_visible()
    screenshot(page, "live-browser-camera")
    # A copy is held, and what is sent goes on: a still would be taken for what happens.
    page.keyboard.press(" ")
    assert page.locator("canvas[data-picture].mirrored").is_visible()
    assert page.evaluate("document.querySelector('[data-camera]').paused") is False
    used = number("used")
    live.until(lambda: number("used") > used + 2)
    page.keyboard.press(" ")
    assert page.locator("canvas[data-picture]").is_hidden()
    page.keyboard.press("m")
    assert page.locator("[data-mirror]").get_attribute("aria-pressed") == "false"
    assert errors == []
    context.close()
    live.until(lambda: live.engines() <= before)
