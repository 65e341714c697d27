"""Openverse's API, and Bing's and Google's pages in a real Chromium, against a site on this machine that behaves like them.

The pages are tests/mining/pages: results come with scrolling and behind a button, pictures are lazy or base64, some are broken,
the site refuses at times, and asks for consent on a page of its own or in a banner.
"""

from __future__ import annotations

import base64
import csv
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kinema.errors import KinemaError, UsageError
from kinema.mining.images import (
    EngineError,
    EngineSettings,
    Openverse,
    PoliteClient,
    Query,
    mine_images,
    open_engine,
)
from kinema.mining.images import PictureRules as Rules
from kinema.mining.images import browser as browser_module

pytest.importorskip("imagehash", reason="needs kinema[mining]")
_spec = importlib.util.spec_from_file_location("mining_server", Path(__file__).parent / "pages/server.py")
assert _spec is not None and _spec.loader is not None
server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(server)
WAVING = Query("waving", "waving")


@pytest.fixture
def site() -> Iterator[Any]:
    with server.serving() as served:
        yield served


@pytest.fixture
def client() -> Iterator[PoliteClient]:
    made = PoliteClient(interval=0.0, first_wait=0.05, contact="me@example.org")
    yield made
    made.close()


@pytest.fixture
def chromium(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both engines look at the site of this test, in a Chromium that is installed."""
    pytest.importorskip("selenium", reason="needs kinema[mining]")
    if not (shutil.which("chromium") or shutil.which("google-chrome")) or not shutil.which("chromedriver"):
        pytest.skip("needs Chromium and chromedriver")
    monkeypatch.setenv("KINEMA_BING_ADDRESS", site.url + "/images/search?q={query}")
    monkeypatch.setenv("KINEMA_GOOGLE_ADDRESS", site.url + "/search?q={query}")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


# --- Openverse ---------------------------------------------------------------------------------------------------------


def test_openverse_pages(site: Any, client: PoliteClient) -> None:
    site.robots = (200, "User-agent: *\nDisallow: /v1/")  # meant for crawlers, not for users of the interface
    engine = Openverse(client, address=f"{site.url}/v1/images/", token="secret")

    found = list(engine.search(Query("jumping", "jumping person"), 10))

    assert len(found) == 60  # three pages; the fourth is refused to those without a key
    assert [image.rank for image in found[:3]] == [1, 2, 3]
    assert found[1].source == f"{site.url}/pics/3001.jpg"
    assert found[1].page == f"{site.url}/page/3001"
    assert (found[0].licence, found[1].licence) == ("cc0 1.0", "cc by-sa 4.0")
    assert (found[1].title, found[1].author) == ("A picture of jumping person", "Ada")
    asked, headers = site.requests[0]
    assert asked == "/v1/images/?q=jumping+person&page=1&page_size=20&mature=false"
    assert headers["authorization"] == "Bearer secret"
    assert headers["user-agent"] == "kinema/0.1.0 (+me@example.org)"


def test_openverse_names_no_files_of_this_machine(site: Any, client: PoliteClient, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(server.picture(1))
    results = [{"url": str(secret)}, {"url": f"file://{secret}"}, {"url": f"{site.url}/pics/5.jpg"}]
    body = json.dumps({"page_count": 1, "results": results}).encode()
    site.fixed["/v1/images/"] = (200, {"Content-Type": "application/json"}, body)

    found = list(Openverse(client, address=f"{site.url}/v1/images/").search(WAVING, 9))

    assert [image.source for image in found] == [f"{site.url}/pics/5.jpg"]


def test_openverse_is_asked_for_no_more_than_is_needed(site: Any, client: PoliteClient) -> None:
    engine = Openverse(client, address=f"{site.url}/v1/images/", licence="commercial")

    search = engine.search(WAVING, 5)
    assert [next(search).rank for _ in range(5)] == [1, 2, 3, 4, 5]

    assert site.paths("/v1") == [
        "/v1/images/?q=waving&page=1&page_size=20&mature=false&license_type=commercial"
    ]


def test_openverse_waits_when_it_is_told_to(site: Any, client: PoliteClient) -> None:
    site.refusals["/v1/images/"] = [(429, {"Retry-After": "1"}), (429, {})]

    assert next(Openverse(client, address=f"{site.url}/v1/images/").search(WAVING, 1)).rank == 1
    assert len(site.paths("/v1")) == 3


def test_texts_of_openverse_that_are_no_unicode(site: Any, client: PoliteClient, tmp_path: Path) -> None:
    """JSON may hold half of a letter, which no file can."""
    body = (
        b'{"page_count": 1, "results": [{"url": "%s/pics/5.jpg", "title": "A \\ud83d wave", "creator": 7}]}'
    )
    site.fixed["/v1/images/"] = (200, {"Content-Type": "application/json"}, body % site.url.encode())

    mined = mine_images(["waving"], tmp_path, [Openverse(client, address=f"{site.url}/v1/images/")], client)

    assert [(row["title"], row["author"]) for row in _rows(mined.table)] == [("A ? wave", "7")]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b"{}", "401 Unauthorized"),
        (200, b'{"page_count": "many", "results": []}', "no answer of Openverse's API"),
        (200, b'[{"page_count": 1}]', "no answer of Openverse's API"),
        (200, b"{}", "no answer of Openverse's API"),
        (200, b"[", "no answer of Openverse's API"),
    ],
)
def test_openverse_that_is_none(
    site: Any, client: PoliteClient, status: int, body: bytes, message: str
) -> None:
    site.fixed["/v1/images/"] = (status, {"Content-Type": "application/json"}, body)

    with pytest.raises(EngineError, match=message):
        next(Openverse(client, address=f"{site.url}/v1/images/").search(WAVING, 1))


def test_from_names_to_folders(site: Any, client: PoliteClient, tmp_path: Path) -> None:
    engines = [Openverse(client, address=f"{site.url}/v1/images/")]
    templates = ["NAME", "NAME person"]

    mined = mine_images(
        ["waving", "jumping"], tmp_path, engines, client, per_action=25, templates=templates, workers=3
    )
    before = len(site.requests)
    again = mine_images(["waving", "jumping"], tmp_path, engines, client, per_action=25, templates=templates)

    assert mined.counts == {"waving": 25, "jumping": 25} and mined.left_out == {}
    assert again.new == 0 and len(site.requests) == before  # enough is there: nothing is asked
    rows = _rows(mined.table)
    jumping = [row for row in rows if row["label"] == "jumping"]
    # Both queries in turn: jumping 1, jumping person 1, jumping 2 …
    assert sorted(row["source"].rpartition("/")[2] for row in jumping)[:3] == [
        "2000.jpg",
        "2001.jpg",
        "2002.jpg",
    ]
    assert sum(row["query"] == "jumping person" for row in jumping) == 12
    assert {row["licence"] for row in rows} == {"cc0 1.0", "cc by-sa 4.0"}
    assert len(site.paths("/pics")) == len(set(site.paths("/pics"))) == 50
    assert site.paths("/robots.txt") == ["/robots.txt"]


def test_failures_that_pass_are_tried_by_the_next_run(site: Any, tmp_path: Path) -> None:
    site.refusals["/pics/1001.jpg"] = [(429, {"Retry-After": "3600"})]
    results = []
    for _ in range(2):
        client = PoliteClient(interval=0.0, parallel=1)
        engine = Openverse(client, address=f"{site.url}/v1/images/")
        results.append(mine_images(["waving"], tmp_path, [engine], client, per_action=3, workers=1))
        client.close()

    # The host is left alone after that; the next run asks it again.
    assert [result.counts["waving"] for result in results] == [1, 3]
    assert [result.left_out for result in results] == [{"failed": 19}, {"failed": 17}]
    assert site.paths("/pics")[:2] == ["/pics/1000.jpg", "/pics/1001.jpg"] and len(site.paths("/pics")) == 4
    assert results[0].engines[0].endswith("wants no more requests for now")


def test_nobody_answers(client: PoliteClient, tmp_path: Path) -> None:
    engine = Openverse(client, address="http://127.0.0.1:9/v1/images/")

    with pytest.raises(KinemaError, match=r"openverse: .* no connection"):
        mine_images(["waving", "jumping"], tmp_path / "out", [engine], client)


# --- Bing and Google ---------------------------------------------------------------------------------------------------


def test_bing(site: Any, client: PoliteClient, chromium: None, tmp_path: Path) -> None:
    site.refusals["/images/search"] = [(429, {"Retry-After": "1"})]
    engine = open_engine("bing", EngineSettings(client, licence="open"))
    try:
        found = list(engine.search(WAVING, 28))
        mined = mine_images(
            ["waving"], tmp_path, [engine], client, per_action=25, rules=Rules(min_side=100), workers=3
        )
    finally:
        engine.close()

    assert [image.rank for image in found] == list(
        range(1, 31)
    )  # twenty with scrolling, ten behind the button
    assert found[0].source == f"{site.url}/pics/1000.jpg"
    assert (found[0].page, found[0].title) == (f"{site.url}/page/1000", "waving 0")
    pages = site.paths("/images/search")
    assert len(pages) == 3 and pages[0].endswith("&qft=+filterui:licenseType-Any")
    assert "/consent-banner?choice=no" in site.paths("/consent")  # cookies were refused
    opened = next(headers for path, headers in site.requests if path.startswith("/images/search"))
    assert opened["user-agent"].endswith("kinema/0.1.0 (+me@example.org)")
    assert mined.counts == {"waving": 25} and mined.left_out == {"duplicate": 1, "gone": 1}
    rows = _rows(mined.table)
    # The third is broken and came as its thumbnail; the fifth is broken altogether; the seventh is the first again.
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 28) if rank not in (5, 7)]
    assert [row["thumbnail"] for row in rows if row["thumbnail"]] == [f"{site.url}/pics/1002.jpg?w=200"]
    assert [row["width"] for row in rows][:3] == ["320", "320", "200"]
    left = {row["rank"]: row["why"] for row in _rows(mined.left_out_table)}
    assert left["5"] == "a web page came in place of the file; look at the address in a browser"
    assert left["7"].startswith("looks like waving/")


def test_google(site: Any, client: PoliteClient, chromium: None, tmp_path: Path) -> None:
    engine = open_engine("google", EngineSettings(client))
    try:
        found = list(engine.search(WAVING, 12))
        mined = mine_images(["waving"], tmp_path, [engine], client, per_action=6, rules=Rules(min_side=100))
    finally:
        engine.close()

    assert len(found) == 20
    assert found[0].source == f"{site.url}/pics/1000.jpg"
    assert found[0].thumbnail.startswith("data:image/jpeg;base64,")
    assert found[3].source.startswith("data:image/jpeg;base64,")  # only the thumbnail was to be had
    assert base64.b64decode(found[3].source.partition(",")[2]) == server.picture(1003, (160, 120))
    assert found[3].page == f"{site.url}/page/1003"
    assert found[5].source.startswith("data:image/jpeg;base64,") and found[5].thumbnail == ""
    # A page for consent stood before the results, once; then the cookie was there.
    assert len(site.paths("/consent/ml")) == 1
    assert [path.rpartition("choice=")[2] for path in site.paths("/consent/save")] == ["no"]
    assert mined.counts == {"waving": 6}
    rows = _rows(mined.table)
    assert rows[3]["source"].startswith("data:image/jpeg;sha256=") and rows[3]["width"] == "160"
    assert len(site.paths("/pics")) == 4


def test_a_browser_that_crashes_is_started_again(site: Any, client: PoliteClient, chromium: None) -> None:
    """And refusals count in a row: three, an answer, and three more are no reason to leave a host alone."""
    engine = open_engine("bing", EngineSettings(client))
    try:
        for _ in range(2):
            site.refusals["/images/search"] = [(429, {})] * 3
            assert len(list(engine.search(WAVING, 5))) == 10
            os.kill(engine._browser._driver.service.process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        with pytest.raises(EngineError, match="the page cannot be read"):
            engine._browser.run("return 1;")  # type: ignore[attr-defined]
    finally:
        engine.close()

    assert client.get(f"{site.url}/pics/1.jpg").status == 200


def test_robots_of_result_pages(site: Any, client: PoliteClient, chromium: None) -> None:
    site.robots = (200, "User-agent: *\nDisallow: /images/search")

    with pytest.raises(
        EngineError, match=r"forbids it; --despite-robots 127\.0\.0\.1 opens it as a person would"
    ):
        next(open_engine("bing", EngineSettings(client)).search(WAVING, 5))

    assert site.paths("/images") == []


def test_a_site_that_keeps_refusing(site: Any, client: PoliteClient, chromium: None, tmp_path: Path) -> None:
    site.refusals["/images/search"] = [(429, {})] * 9
    engine = open_engine("bing", EngineSettings(client))
    try:
        with pytest.raises(
            KinemaError, match=r"bing: .*: the site refuses \(429\); try later, or another engine"
        ):
            mine_images(["waving", "jumping"], tmp_path, [engine], client)
    finally:
        engine.close()

    assert len(site.paths("/images/search")) == 4  # and the second name was not tried


def test_consent_without_a_button(site: Any, client: PoliteClient, chromium: None) -> None:
    site.fixed["/consent/ml"] = (200, {"Content-Type": "text/html"}, b"<!doctype html><h1>Prove it</h1>")
    engine = open_engine("google", EngineSettings(client))
    try:
        with pytest.raises(EngineError, match="a page that asks for consent, and no button on it was known"):
            next(engine.search(WAVING, 5))
    finally:
        engine.close()


def test_without_a_driver(site: Any, client: PoliteClient, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("selenium", reason="needs kinema[mining]")
    monkeypatch.setattr(browser_module, "_DRIVERS", ("no-such-driver",))
    monkeypatch.setattr(browser_module, "_BROWSERS", ("sh",))
    monkeypatch.setenv("KINEMA_BING_ADDRESS", site.url + "/images/search?q={query}")

    with pytest.raises(
        UsageError, match="need chromedriver; on Debian: apt install chromium chromium-driver"
    ):
        next(open_engine("bing", EngineSettings(client)).search(WAVING, 5))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
def test_no_browser_outlives_kinema(chromium: None) -> None:
    """Not even after kill -9."""
    code = (
        "import time; from kinema.mining.images.browser import Browser; browser = Browser('test');"
        "print(browser._driver.service.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        driver = int(process.stdout.readline())
        threads = Path(f"/proc/{driver}/task").glob("*/children")
        started = [driver, *(int(pid) for children in threads for pid in children.read_text().split())]
        assert len(started) >= 2
        process.kill()

    def alive() -> list[int]:
        # A process that has ended and was not waited for by anybody has no command line.
        commands = {pid: Path(f"/proc/{pid}/cmdline") for pid in started}
        return [pid for pid, command in commands.items() if command.is_file() and command.read_bytes()]

    until = time.monotonic() + 20
    while alive() and time.monotonic() < until:
        time.sleep(0.1)
    assert alive() == []
