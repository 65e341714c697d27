"""The live page in a real browser: with and without JavaScript, several viewers, and what goes wrong."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

_PHONE = {"width": 360, "height": 740}


def _watch(page: Any, address: str) -> None:
    """Choose the address of a stream, as a user does."""
    page.goto("/live/")
    page.get_by_role("radio", name="The address of a stream").check()
    page.get_by_label("Address", exact=True).fill(address)
    page.get_by_role("button", name="Watch").click()


def _rows_come(page: Any) -> None:
    page.locator("[data-bars] .best").wait_for()


def _colours(png: bytes) -> int:
    """How many brightnesses a screenshot has, of 16 x 9 parts: few before the first picture."""
    from PIL import Image

    return len(set(Image.open(io.BytesIO(png)).convert("L").resize((16, 9)).getdata()))


def test_without_javascript_the_pictures_change(
    browser: Any, live: Any, camera: Any, view: str, screenshot: Any
) -> None:
    context = browser.new_context(base_url=live.site.address, java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(1000 * live.patience)
    _watch(page, camera.address)
    assert page.url.endswith(view)
    image = page.locator(".live-stage img")
    image.wait_for()
    live.until(lambda: _colours(image.screenshot()) > 20)
    before = image.screenshot()
    live.until(lambda: image.screenshot() != before)
    screenshot(page, "live-no-javascript")
    # Playwright finds no text inside of noscript.
    assert page.locator(".live-main > noscript p").last.is_visible()
    assert not page.get_by_text("The last minute").is_visible()
    context.close()


_LINES = """() => {
    const c = document.querySelector("canvas[data-timeline]");
    const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    let n = 0;
    for (let i = 0; i < d.length; i += 4) {
        const rgb = [d[i], d[i + 1], d[i + 2]];
        if (d[i + 3] > 200 && Math.max(...rgb) - Math.min(...rgb) > 60) n++;
    }
    return n;
}"""
_BARS = """() => [...document.querySelectorAll("[data-bars] meter")].map((meter) => meter.value)"""


def test_the_overlay_shows_picture_bars_timeline_and_numbers(
    live_page: Any, live: Any, camera: Any, view: str, screenshot: Any
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with live_page(bypass_csp=True, viewport={"width": 1280, "height": 900}) as page:
        page.goto("/live/")
        screenshot(page, "live-choose-light")
        _watch(page, camera.address)
        _rows_come(page)
        assert page.get_by_role("heading", name=camera.address).is_visible()
        live.until(lambda: "ms" in page.locator("[data-p95]").text_content())
        picture = page.locator("canvas[data-picture]")
        live.until(lambda: picture.get_attribute("data-time"))
        first = float(picture.get_attribute("data-time"))
        live.until(lambda: float(picture.get_attribute("data-time")) > first)
        assert page.evaluate("document.querySelector('canvas[data-picture]').width") > 100
        assert page.locator("[data-bars] .name").all_text_contents() == ["jump", "sit", "wave"]
        assert sum(page.evaluate(_BARS)) == pytest.approx(1, abs=0.01)
        live.until(lambda: page.evaluate(_LINES) > 100)
        serious = [
            found["id"]
            for found in Axe().run(page).response["violations"]
            if found["impact"] in ("serious", "critical")
        ]
        assert serious == []
        page.keyboard.press(" ")
        assert page.locator("[data-pause]").get_attribute("aria-pressed") == "true"
        page.keyboard.press(" ")
        live.until(lambda: int(page.locator("[data-used]").text_content().partition(" ")[0]) > 30)
        screenshot(page, "live-light")
        page.emulate_media(color_scheme="dark")
        live.until(lambda: page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"))
        screenshot(page, "live-dark")
        page.set_viewport_size(_PHONE)
        live.until(lambda: page.evaluate("document.documentElement.clientWidth <= 360"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        screenshot(page, "live-phone")
        page.goto("/live/")
        screenshot(page, "live-choose-phone-dark")


def test_a_typed_address_that_may_not_be_opened_is_refused_on_the_form(
    live_page: Any, screenshot: Any
) -> None:
    with live_page() as page:
        page.expected = ["400"]
        _watch(page, "file:///etc/passwd")
        assert page.get_by_role("alert").text_content().startswith("file: addresses are not opened")
        assert page.get_by_label("Address", exact=True).input_value() == "file:///etc/passwd"
        screenshot(page, "live-choose-refused")


def test_a_camera_that_is_refused_is_told_in_words(live_page: Any, screenshot: Any) -> None:
    with live_page() as page:
        page.goto("/live/")
        page.get_by_role("radio", name="This browser's camera").check()
        page.get_by_role("button", name="Watch").click()
        page.get_by_text(re.compile("The camera was refused|This device has no camera")).first.wait_for()
        assert page.get_by_role("button", name="Start again").is_visible()
        screenshot(page, "live-camera-refused")


@pytest.mark.slow
def test_two_viewers_share_one_engine_that_ends_when_both_have_gone(
    live_page: Any, live: Any, camera: Any
) -> None:
    before = live.engines()
    with live_page() as one:
        _watch(one, f"{camera.address}/shared")
        _rows_come(one)
        with live_page() as two:
            two.goto(one.url)
            _rows_come(two)
            [engine] = live.engines() - before
            assert live.running(one.url)["viewers"] == 2
        live.until(lambda: live.running(one.url)["viewers"] == 1)
        assert engine in live.engines()
    live.until(lambda: engine not in live.engines())


@pytest.mark.slow
def test_an_engine_that_is_killed_is_told_and_started_again_by_a_button(
    live_page: Any, live: Any, camera: Any
) -> None:
    before = live.engines()
    with live_page() as page:
        _watch(page, f"{camera.address}/killed")
        _rows_come(page)
        [engine] = live.engines() - before
        os.kill(engine, signal.SIGKILL)
        page.get_by_text("The engine's process was killed by signal 9").first.wait_for()
        page.get_by_role("button", name="Start again").click()
        live.until(lambda: live.engines() - before - {engine})
        page.locator("[data-veil]").wait_for(state="hidden")
        _rows_come(page)


@pytest.mark.slow
def test_a_stream_that_cannot_be_opened_is_told_on_the_page(live_page: Any, screenshot: Any) -> None:
    with live_page() as page:
        _watch(page, "rtsp://127.0.0.1:9/live")
        page.get_by_text("refuses connections on port 9").first.wait_for()
        assert page.get_by_role("button", name="Start again").is_visible()
        screenshot(page, "live-refused")


_RTSP = Path(__file__).parents[2] / "video" / "live" / "rtsp_server.py"


@pytest.mark.slow
def test_a_real_rtsp_stream_is_watched_and_a_wrong_password_is_told(
    live_page: Any, live: Any, screenshot: Any
) -> None:
    import socket

    python = "/usr/bin/python3"
    check = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        there = subprocess.run([python, "-c", check], capture_output=True, timeout=60).returncode == 0
    except OSError:
        there = False
    if not there:
        pytest.skip("needs gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-rtsp for the system's Python")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [python, str(_RTSP), "--port", str(port), "--user", "me", "--password", "geheim"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline().strip() == "ready"
        with live_page() as page:
            _watch(page, f"rtsp://me:falsch@127.0.0.1:{port}/h264")
            page.get_by_text("refuses this user and password (401)").first.wait_for()
            assert "falsch" not in page.content()
            _watch(page, f"rtsp://me:geheim@127.0.0.1:{port}/h264")
            _rows_come(page)
            live.until(lambda: page.evaluate("document.querySelector('canvas[data-picture]').width") == 320)
            assert "geheim" not in page.content() + page.url
            screenshot(page, "live-rtsp")
            server.kill()
            server.wait()
            page.get_by_text(re.compile("127.0.0.1.*(lost|refuses|nothing)", re.I)).first.wait_for()
    finally:
        server.kill()
        server.wait()


_NO_SOCKETS = """
window.tried = 0;
window.WebSocket = class extends EventTarget {
    constructor() {
        super();
        this.readyState = 3;
        window.tried += 1;
        setTimeout(() => this.dispatchEvent(new CloseEvent("close", { code: 1006 })), 0);
    }
    close() {}
};
"""


def test_where_no_websocket_gets_through_the_pictures_come_and_stay_to_be_seen(
    live_page: Any, live: Any, view: str
) -> None:
    with live_page() as page:
        page.add_init_script(_NO_SOCKETS)
        page.clock.install()
        page.goto(view)
        until = live.until
        until(lambda: page.clock.fast_forward(2000) or page.locator(".live-stage > img").count())
        until(lambda: page.evaluate("document.querySelector('.live-stage > img').naturalWidth > 100"))
        tried = page.evaluate("tried")
        until(lambda: page.clock.fast_forward(9000) or page.evaluate("tried") > tried + 2)
        assert page.locator("[data-veil]").is_hidden()


def test_a_camera_exchanged_twice_in_a_moment_is_one_camera(
    live_page: Any, live: Any, two_cameras: str
) -> None:
    path = live.start(source="browser")
    with live_page() as page:
        page.add_init_script(two_cameras)
        page.route_web_socket(re.compile("/socket"), lambda socket: None)  # no engine is needed
        page.goto(path)
        other = page.get_by_role("button", name="Other camera", include_hidden=True)
        other.wait_for()
        other.evaluate("button => { button.click(); button.click(); }")
        live.until(lambda: page.evaluate("films.length") == 3)
        alive = "films.filter((film) => film.getVideoTracks()[0].readyState === 'live').length"
        live.until(lambda: page.evaluate(alive) == 1)
        assert page.evaluate("document.querySelector('[data-camera]').srcObject === films[2]")
