"""Uploads in a real browser: with progress, paused, gone on with, without a script; and what is seen meanwhile."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest


def _number(page: Any) -> int:
    """The number of the video that a page shows."""
    page.wait_for_url(re.compile(r"/videos/\d+/"), timeout=180_000)
    return int(re.search(r"/videos/(\d+)/", page.url).group(1))  # type: ignore[union-attr]


def test_uploads_are_paused_gone_on_with_and_given_up_and_several_come_by_drop(
    videos: Any, page: Any
) -> None:
    page.goto("/videos/")
    assert page.get_by_text("Up to 4 GB each").is_visible()
    page.select_option("#recognizer", "")
    page.route(
        re.compile("/videos/uploads/"),
        lambda route: None if route.request.method == "PATCH" else route.continue_(),
    )
    names = "['one.mp4', 'two.mp4']"
    drop = page.evaluate_handle(
        f"() => {{ const d = new DataTransfer(); for (const n of {names})"
        " d.items.add(new File([new Uint8Array(5000)], n)); return d; }"
    )
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": drop})
    rows = page.locator("[data-list] li")
    videos.wait(page, "document.querySelectorAll('[data-list] li').length === 2")
    assert [rows.nth(n).get_attribute("data-state") for n in (0, 1)] == ["sending", "waiting"]
    rows.nth(0).get_by_role("button", name="Pause").click()
    rows.nth(0).get_by_text("paused at 0 bytes of 4.9 KB").wait_for()
    videos.wait(page, "document.querySelectorAll('[data-list] li')[1].dataset.state === 'sending'")
    rows.nth(1).get_by_role("button", name="Give up").click()
    videos.wait(page, "document.querySelectorAll('[data-list] li').length === 1")
    page.unroute_all(behavior="ignoreErrors")
    rows.nth(0).get_by_role("button", name="Go on").click()
    videos.wait(page, "document.querySelector('[data-list] li').dataset.state === 'done'")
    assert videos.get("/?q=one.mp4")["videos"][0]["offset"] == 5000
    assert videos.get("/?q=two.mp4")["videos"] == []


def test_an_upload_given_up_while_the_server_is_told_of_it_leaves_nothing(videos: Any, page: Any) -> None:
    page.goto("/videos/")
    page.select_option("#recognizer", "")
    asked: list[Any] = []
    page.route(re.compile("/videos/uploads/$"), lambda route: asked.append(route))
    with page.expect_request(re.compile("/videos/uploads/$")):
        page.set_input_files("#files", {"name": "three.mp4", "mimeType": "video/mp4", "buffer": bytes(5000)})
    later: list[str] = []
    page.on(
        "request", lambda request: later.append(request.method) if "/videos/uploads/" in request.url else None
    )
    rows = page.locator("[data-list] li")
    rows.nth(0).get_by_role("button", name="Give up").click()
    assert [route.request.method for route in asked] == ["POST"]
    answer = asked[0].fetch()
    assert (answer.status, len(videos.get("/?q=three.mp4")["videos"])) == (201, 1)
    asked[0].fulfill(response=answer)
    videos.wait(page, "document.querySelectorAll('[data-list] li').length === 0")
    assert videos.get("/?q=three.mp4")["videos"] == []
    assert later == ["DELETE"]


@pytest.mark.slow
def test_a_video_is_uploaded_watched_while_it_is_computed_and_looked_at(
    videos: Any, page: Any, dance: Any, tmp_path: Path, screenshot: Callable[[Any, str], Path]
) -> None:
    page.goto("/videos/")
    page.set_input_files("#files", dance(tmp_path / "dance.mp4", 40))
    pk = _number(page)
    page.locator("#stream").wait_for(timeout=180_000)
    number = videos.get(f"/{pk}")["predictions"][0]["id"]

    # An annotated picture comes by the stream while the prediction still runs; it is held there to be looked at.
    with httpx.stream("GET", f"{videos.site.address}/videos/{pk}/stream.mjpeg", timeout=180) as stream:
        assert stream.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=kinemaframe"
        seen = b""
        for piece in stream.iter_bytes():
            seen += piece
            if seen.count(b"\xff\xd8\xff") >= 2:  # the thumbnail, and the first annotated picture
                break
    partial = videos.site.folder / "videos" / str(pk) / "predictions" / str(number) / "preview.json"
    videos.until(partial.is_file)
    [job] = videos.jobs()
    os.kill(job, signal.SIGSTOP)
    try:
        assert videos.get(f"/{pk}/predictions/{number}")["state"] == "running"
        assert not partial.with_name("view.json").exists()
        # 320 x 240 as the thumbnail; the annotated one comes in its place.
        videos.wait(page, "document.getElementById('stream').naturalWidth === 320")
        page.locator("#timeline .lane path").first.wait_for()
        screenshot(page, "videos-going")
    finally:
        os.kill(job, signal.SIGCONT)

    page.locator("#player").wait_for(timeout=240_000)
    videos.wait(page, "document.documentElement.dataset.player === 'ready'")
    videos.wait(page, "document.querySelector('video').readyState >= 2")
    assert abs(page.evaluate("document.querySelector('video').duration") - 40) < 0.1
    over = page.locator("[data-over]")
    box = over.bounding_box()
    over.click(position={"x": box["width"] / 2, "y": 20})
    assert abs(page.evaluate("document.querySelector('video').currentTime") - 20) < 0.3
    assert page.locator("#time").text_content().startswith(("0:19.", "0:20."))
    page.evaluate("scrollTo(0, 0)")
    screenshot(page, "videos-result-light")


@pytest.mark.slow
def test_an_upload_goes_on_after_a_reload_of_the_page(videos: Any, page: Any, tmp_path: Path) -> None:
    page.expected = ["ERR_FAILED"]
    file = tmp_path / "large.mp4"
    file.write_bytes(np.random.default_rng(1).bytes(9 << 20))
    offsets: list[str] = []
    broken: list[bool] = []

    def count(route: Any) -> None:
        if broken or (route.request.method == "PATCH" and len(offsets) == 2):
            broken.append(True)  # the network is away from the third piece on
            route.abort()
            return
        if route.request.method == "PATCH":
            offsets.append(route.request.headers["upload-offset"])
        route.continue_()

    page.goto("/videos/")
    page.select_option("#recognizer", "")
    page.route(re.compile("/videos/uploads/"), count)
    page.set_input_files("#files", file)
    page.get_by_text(re.compile(r"Trying again in \d+ s")).wait_for()
    assert offsets == ["0", "2097152"]
    page.reload()
    broken.clear()
    offsets += ["reload"] * 9
    page.get_by_text("Choose the same file again to go on").first.wait_for()
    page.set_input_files("#files", file)
    _number(page)
    assert offsets[11:] == ["4194304", "6291456", "8388608"]
    page.get_by_text("large.mp4: not a readable video").wait_for(timeout=180_000)


@pytest.mark.slow
def test_uploading_watching_and_deleting_need_no_script(
    videos: Any, open_page: Callable[..., Any], dance: Any, tmp_path: Path
) -> None:
    with open_page(videos.site.address, java_script_enabled=False) as page:
        page.goto("/videos/")
        page.set_input_files("#files", dance(tmp_path / "plain.mp4", 3))
        page.get_by_role("button", name="Upload").click()
        pk = _number(page)
        videos.until(lambda: videos.predicted(pk))
        page.goto(f"/videos/{pk}/")
        assert page.locator("video source").count() == 2
        assert page.locator(".lane path").count() == 3
        assert page.get_by_role("link", name="Subtitles").is_visible()
        page.follow(page.get_by_role("link", name="Delete", exact=True))
        page.follow(page.get_by_role("button", name="Delete"))
        assert page.get_by_text("plain.mp4 is deleted.").is_visible()
    assert httpx.get(f"{videos.site.address}/videos/{pk}/").status_code == 404


@pytest.mark.slow
def test_a_cancelled_prediction_leaves_nothing_half_written(
    videos: Any, page: Any, dance: Any, tmp_path: Path
) -> None:
    pk = videos.upload(dance(tmp_path / "long.mp4", 60), predict=False)
    page.goto(f"/videos/{pk}/")
    page.get_by_role("button", name="Predict").click()
    page.locator("#stream").wait_for()
    folder = videos.site.folder / "videos" / str(pk) / "predictions"
    videos.until(lambda: list(folder.glob("*/parts/*.rows")))
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("is deleted.").wait_for()
    videos.until(lambda: not list(folder.glob("*")))
    assert videos.get(f"/{pk}")["predictions"] == []
