"""Data in the site, in a real browser: import, check, split, send, look."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.video import VideoWriter

pytestmark = pytest.mark.slow
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, test_data: Path) -> Path:
    """Two classes of UT-Interaction, three sequences each, and a file that is no video; beside it a manifest of them,
    and one of a stretch of a synthetic video."""
    home = tmp_path_factory.mktemp("shelf") / "interactions"
    for name in ("hugging", "kicking"):
        (home / name).mkdir(parents=True)
        for sequence in ("01", "02", "03"):
            source = next((test_data / "ut-interaction" / name).glob(f"set1_seq{sequence}_*.avi"))
            shutil.copy(source, home / name / source.name)
    (home / "kicking" / "set1_seq04_99_2.avi").write_bytes(b"cut off")
    known = home.parent / "known"
    known.mkdir()
    rows = [
        f"../{path.relative_to(home.parent).as_posix()},{path.parent.name},{'test' if 'seq03' in path.name else 'train'}\n"
        for path in sorted(home.rglob("set1_seq0[123]_*.avi"))
    ]
    (known / "manifest.csv").write_text("video,label,split\n" + "".join(rows))
    stretches = home.parent / "stretches"
    stretches.mkdir()
    with VideoWriter(stretches / "long.mp4", 10.0) as out:
        for i in range(60):
            out.write(np.full((48, 64, 3), 4 * i, np.uint8))
    (stretches / "manifest.csv").write_text("video,start,end,label\nlong.mp4,2.0,2.6,middle\n")
    return home


@pytest.fixture(scope="module")
def data_site(start_site: Callable[..., Any], data: Path) -> Any:
    """A site that may read them."""
    return start_site(env={"KINEMA_DATA": str(data.parent)})


def _no_violations(page: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    found = axe.run(page).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")
    ] == []


@pytest.mark.timeout(600)
def test_from_a_folder_to_a_split_that_can_be_trained_with(
    data_site: Any, open_page: Callable[..., Any], screenshot: Callable[..., Path]
) -> None:
    with open_page(data_site.address, bypass_csp=True) as page:
        page.set_default_timeout(120_000)
        page.goto("/datasets/")
        _no_violations(page)
        screenshot(page, "datasets-index-light")
        page.follow(page.get_by_role("link", name="shelf").or_(page.locator(".plain a")).first)
        page.follow(page.get_by_role("link", name="interactions/"))
        page.get_by_text("UT-Interaction").first.wait_for()
        screenshot(page, "datasets-folder-light")
        page.follow(page.get_by_role("link", name="Import this folder"))
        screenshot(page, "datasets-import-light")
        _no_violations(page)
        page.get_by_label("Name", exact=True).fill("Interactions")
        page.get_by_role("button", name="Import").click()
        page.wait_for_url("**/outcome/**")
        screenshot(page, "datasets-outcome-light")
        _no_violations(page)

        page.follow(page.get_by_role("link", name="Check it"))
        page.get_by_role("button", name="Check", exact=True).click()
        page.wait_for_url("**/check/")
        page.get_by_role("cell", name="kicking/set1_seq04_99_2.avi").wait_for()
        screenshot(page, "datasets-check-light")
        _no_violations(page)
        page.get_by_role("button", name="Write a manifest without the 1 bad clip").click()
        page.follow(page.get_by_role("link", name="Look at it"))
        page.get_by_role("heading", name="Interactions, checked").wait_for()
        screenshot(page, "datasets-manifest-light")
        _no_violations(page)

        page.follow(page.get_by_role("link", name="Contact sheets"))
        page.wait_for_function("document.querySelectorAll('img.strip').length == 6", timeout=120_000)
        page.wait_for_function(
            "[...document.querySelectorAll('img.strip')].every((one) => one.naturalWidth > 100)"
        )
        screenshot(page, "datasets-sheet-light")
        _no_violations(page)
        page.follow(page.locator(".strips a").first)
        # An avi: the copy that was made with the picture plays.
        page.wait_for_function("document.querySelector('video').readyState >= 2")
        screenshot(page, "datasets-clip-light")
        _no_violations(page)
        page.keyboard.press("ArrowRight")
        page.get_by_text("2 of 3", exact=True).wait_for()

        page.follow(page.get_by_role("link", name="Interactions, checked"))
        page.follow(page.get_by_role("link", name="Split", exact=True))
        page.get_by_label("In folds").check()
        assert page.get_by_label("Train, %").is_hidden()
        page.get_by_label("By group, in shares").check()
        for name, share in (("Train, %", "70"), ("Valid, %", "0"), ("Test, %", "30")):
            page.get_by_label(name).fill(share)
        screenshot(page, "datasets-split-light")
        _no_violations(page)
        page.get_by_role("button", name="Split").click()
        page.wait_for_url("**/outcome/**", timeout=120_000)
        page.get_by_text("split by group, seed 0").wait_for()
        screenshot(page, "datasets-split-outcome-light")
        train = page.get_by_role("link", name="Train with it")
        assert "/runs/start/?data=Interactions-checked-split-" in train.get_attribute("href")


def test_on_a_phone_and_in_the_dark(
    data_site: Any, open_page: Callable[..., Any], screenshot: Callable[..., Path]
) -> None:
    with open_page(data_site.address, viewport=PHONE, color_scheme="dark", bypass_csp=True) as page:
        page.set_default_timeout(120_000)
        page.goto("/datasets/")
        address = page.locator("a.data-card").first.get_attribute("href")
        long = ", ".join(f"CricketBowling/v_CricketBowling_g08_c0{number}.avi" for number in range(5))
        outcome = {"kind": "import", "title": "listed", "notes": [f"absent: {long}"], "absent_total": 1,
                   "absent": [["trainlist01.txt line 1", long[:48], "CricketBowling", "no such file"]]}  # fmt: skip
        kept = data_site.folder / "outcomes" / "00000000aa.json"
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(outcome))
        for path in (
            "/datasets/",
            "/datasets/outcome/00000000aa/",
            *(f"{address}{part}" for part in ("", "clips/", "sheet/", "check/", "split/", "explore/")),
        ):
            page.goto(path)
            name = (
                path.strip("/").split("/")[-1]
                if path.count("/") > 3
                else ("manifest" if path == address else "index")
            )
            screenshot(page, f"datasets-{name}-phone-dark")
            _no_violations(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_sending_a_zip(
    data_site: Any, open_page: Callable[..., Any], data: Path, tmp_path: Path, screenshot: Callable[..., Path]
) -> None:
    archive = tmp_path / "sent by me.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for path in data.rglob("set1_seq0[12]_*.avi"):
            out.write(path, path.relative_to(data).as_posix())
    with open_page(data_site.address) as page:
        page.set_default_timeout(120_000)
        page.goto("/datasets/")
        page.get_by_label("Archive").set_input_files(str(archive))
        page.get_by_role("button", name="Send").click()
        page.wait_for_url("**/outcome/**")
        page.get_by_role("heading", name="sent by me").wait_for()
        screenshot(page, "datasets-sent-light")
        page.get_by_role("link", name="Look at it").click()
        page.get_by_role("rowheader", name="hugging").wait_for()


def test_sending_works_without_javascript(
    data_site: Any, open_page: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "plain.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for path in data.rglob("set1_seq01_*.avi"):
            out.write(path, path.relative_to(data).as_posix())
    with open_page(data_site.address, java_script_enabled=False) as page:
        page.set_default_timeout(120_000)
        page.goto("/datasets/")
        page.get_by_label("Archive").set_input_files(str(archive))
        page.get_by_role("button", name="Send").click()
        page.wait_for_url("**/work/**")
        for _ in range(1200):
            page.reload()
            if "/outcome/" in page.url:
                break
            page.wait_for_timeout(100)
        page.get_by_role("heading", name="plain").wait_for()


def test_a_stretch_of_a_video_plays_between_its_ends(data_site: Any, open_page: Callable[..., Any]) -> None:
    with open_page(data_site.address, bypass_csp=True) as page:
        page.set_default_timeout(120_000)
        page.goto("/datasets/")
        page.follow(page.locator("a.data-card", has_text="stretches"))
        page.follow(page.get_by_role("link", name="Clips", exact=True))
        page.follow(page.locator("a.clip-link").first)
        page.wait_for_function("document.querySelector('video')?.currentTime >= 1.9")
        page.evaluate("""() => { const video = document.querySelector('video'); window.seen = []; video.muted = true;
            video.addEventListener('timeupdate', () => seen.push(video.currentTime)); return video.play(); }""")
        # It went round at least once: a time that is less than the one before.
        page.wait_for_function("seen.some((time, i) => i && time < seen[i - 1] - 0.2)", timeout=120_000)
        seen = page.evaluate("seen")
        assert min(seen) >= 1.9 and max(seen) <= 3.0
