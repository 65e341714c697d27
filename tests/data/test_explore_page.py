"""The page of explore in a real browser: what it shows first, that a click plays the clip, and that it needs nothing else."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kinema.data import Manifest
from kinema.data.explore import Exploration, explore
from kinema.video import VideoWriter

WICKED = "<img src=x onerror=alert(1)>\"&'</script><script>alert(2)</script>"
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (40, 40, 230)}


@dataclass
class Site:
    """A page that was made from synthetic clips, and the browser that shows it."""

    browser: Any
    found: Exploration
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: Path | None = None, **settings: Any) -> Any:
        page = self.browser.new_page(**{"viewport": {"width": 1200, "height": 900}, **settings})
        page.set_default_timeout(20_000)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto((path or self.found.page.path).as_uri())
        return page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine clips of noise, three seconds of red, green and blue in one video, and three that are broken."""
    folder = tmp_path_factory.mktemp("explore")
    for k in range(9):
        random = np.random.default_rng(k)
        with VideoWriter(folder / f"clip{k}.mp4", 10, size=(64, 48)) as out:
            for _ in range(12):
                coarse = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
                out.write(cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC))
    with VideoWriter(folder / "colours.mp4", 10, size=(64, 48)) as out:
        for colour in COLOURS.values():
            for k in range(10):
                picture = np.full((48, 64, 3), colour, dtype=np.uint8)
                picture[k : k + 8, 2:10] = 255
                out.write(picture)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("no video")
    with VideoWriter(folder / "still.mp4", 10, size=(64, 48)) as out:
        for _ in range(12):
            out.write(cv2.resize(np.eye(8, dtype=np.uint8) * 150 + 80, (64, 48)))
    return folder


@pytest.fixture(scope="module")
def site(browser: Any, folder: Path) -> Site:
    rows = [
        (f"clip{k}.mp4", None, None, "kick" if k < 6 else WICKED, ("train", "test")[k % 2]) for k in range(9)
    ]
    rows += [("colours.mp4", 1.0, 2.0, "kick", "train")]
    rows += [(f"{name}.mp4", None, None, "kick", "train") for name in ("empty", "text", "still")]
    columns = ("video", "start", "end", "label", "split")
    table = dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))
    table["group"] = [f"person {k} <b>" for k in range(13)]
    return Site(browser, explore(Manifest(table, root=folder), folder / "explore.html"))


def _until(page: Any, expression: str) -> None:
    """Wait until something holds; the page's policy forbids what playwright's own waiting does."""
    for _ in range(400):
        if _video(page, expression):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"never true: {expression}")


def _video(page: Any, expression: str) -> Any:
    return page.evaluate(
        f"(() => {{ const v = document.querySelector('dialog video'); return {expression}; }})()"
    )


def test_counts_and_the_odd_ones_first(site: Site) -> None:
    page = site.open()
    tiles = dict(
        zip(
            page.locator(".tiles dt").all_inner_texts(),
            page.locator(".tiles dd").all_inner_texts(),
            strict=True,
        )
    )
    assert tiles == {"clips": "13", "videos": "13", "classes": "2", "groups": "13", "time": "13 s"}
    assert page.inner_text(".headline").split() == ["3", "odd", "of", "13", "clips"]
    assert page.locator("h2").all_inner_texts()[0].startswith("Odd clips")
    kinds = page.locator("h3[id^=odd-]").all_inner_texts()
    assert kinds == ["Cannot be read 2 clips", "Frozen 1 clip"]
    assert page.locator(".caveats li").first.inner_text().lower() == "serious cannot be read: 2 clips"
    table = page.locator("#classes ~ .scroll tbody tr")
    rows = [table.nth(k).locator("th, td").all_inner_texts() for k in range(table.count())]
    assert [row[0].strip() for row in rows] == [WICKED, "kick"]
    assert [cell.strip() for cell in rows[1][2:6]] == ["10", "7", "3", "10"]
    bars = page.locator("svg.bar[aria-label='10 clips: 7 train, 3 test'] rect")
    assert [bars.nth(k).get_attribute("width") for k in range(2)] == ["70.0", "30.0"]
    assert page.locator(".sheet").first.locator("li img").count() == 3
    assert page.locator(".sheet").nth(1).locator(".about .name").first.text_content() == "empty.mp4"
    assert page.locator(".caveats a").evaluate_all(
        "links => links.every(a => document.querySelector(a.hash))"
    )
    assert "the file has 0 bytes" in page.locator(".sheet").nth(1).text_content()
    page.close()


def test_names_with_markup_are_text(site: Site) -> None:
    page = site.open()
    assert WICKED in page.locator("main").inner_text()
    assert page.locator("img[src=x]").count() == 0 and page.locator("tbody b").count() == 0
    assert site.complaints == []
    page.close()


def test_a_click_plays_the_clip_from_its_start_to_its_end(site: Site) -> None:
    page = site.open()
    page.locator("button[aria-label='Play colours.mp4']").click()
    _until(page, "v.currentTime > 0.2")
    assert _video(page, "v.readyState") >= 2 and _video(page, "v.error") is None
    assert (_video(page, "v.videoWidth"), _video(page, "v.videoHeight")) == (64, 48)
    _until(page, "v.ended")
    assert _video(page, "v.duration") == pytest.approx(1.0, abs=0.11)
    # The segment is the green second of a red, green and blue video: so its first and its last frame.
    for moment in ("0", "v.duration - 0.05"):
        red, green, blue = page.evaluate(
            """async (moment) => {
                const v = document.querySelector("dialog video");
                const sought = new Promise((done) => v.addEventListener("seeked", done, {once: true}));
                v.currentTime = Math.max(0, eval(moment)); await sought;
                const canvas = Object.assign(document.createElement("canvas"), {width: 64, height: 48});
                canvas.getContext("2d").drawImage(v, 0, 0);
                return [...canvas.getContext("2d").getImageData(40, 40, 1, 1).data].slice(0, 3);
            }""".replace("eval(moment)", moment),
            moment,
        )
        assert green > 150 and red < 90 and blue < 90
    page.close()


def test_the_keyboard_opens_leafs_and_closes(site: Site) -> None:
    page = site.open()
    card = page.locator("button[aria-label='Play clip0.mp4']")
    card.focus()
    page.keyboard.press("Enter")
    _until(page, "v.currentTime > 0")
    assert page.inner_text("dialog .name") == "clip0.mp4" and "kick" in page.inner_text("dialog .label")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("dialog .name") == "clip1.mp4"
    _until(page, "v.currentTime > 0")
    page.keyboard.press(" ")
    _until(page, "v.paused")
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Play clip1.mp4"
    page.close()


def test_finding_leaves_what_matches(site: Site) -> None:
    page = site.open()
    page.fill("#find", "person frozen")
    _until(page, "document.getElementById('matches').textContent === '1 clip'")
    assert page.locator(".sheet:not([hidden]) .cards > li:not([hidden]) .name").all_inner_texts() == [
        "still.mp4"
    ]
    page.fill("#find", "")
    assert page.locator(".sheet .cards > li:not([hidden])").count() == 13
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(site: Site, scheme: str) -> None:
    page = site.open(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("button[aria-label='Play clip3.mp4']").click()
    _until(page, "v.currentTime > 0")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    box = page.locator("dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}[scheme]
    page.close()


def test_it_needs_no_other_file_and_complains_of_nothing(site: Site, tmp_path: Path) -> None:
    alone = tmp_path / "alone.html"
    shutil.copy(site.found.page.path, alone)
    before = len(site.requests)
    page = site.open(alone)
    page.locator("button[aria-label='Play clip8.mp4']").click()
    _until(page, "v.currentTime > 0")
    asked = {address.split(":")[0] for address in site.requests[before:]} - {"data", "blob"}
    assert asked == {"file"} and sum(address.startswith("file") for address in site.requests[before:]) == 1
    assert site.complaints == []
    page.close()


def test_previews_beside_the_page_play_too(site: Site, folder: Path) -> None:
    table = {"video": ["clip0.mp4", "clip1.mp4"], "label": ["a", "b"]}
    found = explore(Manifest(table, root=folder), folder / "a #1 page.html", page_bytes=0)
    assert found.page.beside == 2
    page = site.open(found.page.path)
    page.locator("button[aria-label='Play clip1.mp4']").click()
    _until(page, "v.currentTime > 0")
    assert _video(page, "v.duration") == pytest.approx(1.2, abs=0.11)
    assert site.complaints == []
    page.close()
