"""Every page in a real browser: no errors, nothing that axe-core finds serious, light and dark, on a phone, by keyboard."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

PAGES = [
    "/", "/live/", "/live/sources/", "/videos/", "/review/", "/review/go/", "/teach/", "/runs/", "/datasets/", "/jobs/",
    "/review/settings/", "/review/report/", "/review/manifests/", "/review/import/", "/runs/start/",
    "/settings/", "/settings/alerts/", "/settings/alerts/new/mail/", "/settings/alerts/new/webhook/",
    "/settings/alerts/new/mqtt/", "/settings/thresholds/", "/settings/users/", "/settings/tokens/", "/api/",
]  # fmt: skip
"""What the navigation of an empty site leads to; `test_the_list_of_pages_is_whole` says when one is missing."""
_NOT_THERE = "/no/such/page/"
_PHONE = {"width": 360, "height": 740}
_IN_THE_WAY = {"serious", "critical"}
_MOST = 40


@pytest.fixture(scope="module")
def fresh(start_site: Callable[..., Any]) -> Any:
    """A site to which no other test has added anything."""
    return start_site()


def _open(page: Any, address: str) -> None:
    page.expected += ["status of 404"] if address == _NOT_THERE else []
    assert page.goto(address).status == (404 if address == _NOT_THERE else 200), address


def _name(address: str) -> str:
    return address.strip("/").replace("/", "-") or "home"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_a_page_is_in_anybodys_way(
    fresh: Any, open_page: Callable[..., Any], screenshot: Callable[[Any, str], Path], scheme: str
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing"
    ).Axe()
    found = {}
    # axe is put into the page, which the site's policy forbids; that the pages keep to it, the phone says.
    with open_page(fresh.address, color_scheme=scheme, bypass_csp=True) as page:
        for address in [*PAGES, _NOT_THERE]:
            _open(page, address)
            screenshot(page, f"page-{_name(address)}-{scheme}")
            found[address] = [
                (one["id"], one["help"], [node["html"][:120] for node in one["nodes"]][:3])
                for one in axe.run(page).response["violations"]
                if one["impact"] in _IN_THE_WAY
            ]
    assert {address: problems for address, problems in found.items() if problems} == {}


@pytest.mark.slow
def test_pages_fit_on_a_phone_and_keep_to_the_policy(
    fresh: Any, open_page: Callable[..., Any], screenshot: Callable[[Any, str], Path]
) -> None:
    wide = {}
    with open_page(
        fresh.address, viewport=_PHONE
    ) as page:  # what breaks the policy is an error of the console
        for address in [*PAGES, _NOT_THERE]:
            _open(page, address)
            screenshot(page, f"page-{_name(address)}-phone")
            if page.evaluate("document.documentElement.scrollWidth") > _PHONE["width"]:
                wide[address] = _too_wide(page)
    assert wide == {}


@pytest.mark.slow
def test_every_link_and_button_is_reached_with_the_tab_key(fresh: Any, open_page: Callable[..., Any]) -> None:
    missed = {}
    with open_page(fresh.address) as page:
        for address in PAGES:
            _open(page, address)
            wanted, reached = _tabbed(page)
            if reached < min(wanted, _MOST):
                missed[address] = (reached, wanted)
    assert missed == {}


def _too_wide(page: Any) -> list[str]:
    return list(
        page.evaluate(
            """[...document.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > 361)
            .slice(0, 3).map((one) => one.outerHTML.slice(0, 100))"""
        )
    )


def _tabbed(page: Any) -> tuple[int, int]:
    """How many links and buttons can be seen, and how many of them Tab reaches; the way past the bar comes first."""
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    if page.locator("main [autofocus]").count() == 0:
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    wanted = page.evaluate(
        """(() => { const all = [...document.querySelectorAll(
            "main a[href], main button:not(:disabled), main input:not([type=hidden]):not(:disabled), main select, main summary")]
          .filter((one) => one.checkVisibility({ visibilityProperty: true }) && one.tabIndex >= 0
            && !(one.type === "radio"));
          all.forEach((one, index) => { one.dataset.wanted = index; }); return all.length; })()"""
    )
    reached: set[str] = set()
    for _ in range(min(wanted, _MOST) + 60):
        if len(reached) >= min(wanted, _MOST):
            break
        page.keyboard.press("Tab")
        if mark := page.evaluate("document.activeElement?.dataset?.wanted ?? ''"):
            reached.add(mark)
    return wanted, len(reached)


@pytest.mark.slow
def test_the_list_of_pages_is_whole(fresh: Any, open_page: Callable[..., Any]) -> None:
    found = set()
    with open_page(fresh.address) as page:
        page.goto("/")
        places = [link.get_attribute("href") for link in page.locator("nav .places a").all()]
        assert len(places) == 7
        for address in [*places, "/"]:
            page.goto(address)
            for link in page.locator("a[href^='/']").all():
                path = urlsplit(link.get_attribute("href")).path
                if path.startswith(("/admin/", "/static/")) or any(
                    part.isdigit() for part in path.split("/")
                ):
                    continue
                if "." in path.rpartition("/")[2] or "untrained" in path:  # a file; a page of one recognizer
                    continue
                found.add(path)
    assert found - set(PAGES) == set()


@pytest.mark.slow
def test_the_admin_keeps_to_the_policy(page: Any, screenshot: Callable[[Any, str], Path]) -> None:
    for address in (
        "/admin/",
        "/admin/auth/user/",
        "/admin/auth/user/add/",
        "/admin/base/alertrule/add/",
        "/admin/jobs/job/",
    ):
        assert page.goto(address).status == 200
    screenshot(page, "admin")


_KINDS = {"PYTHONPATH": str(Path(__file__).parent / "job_kinds")}


def _count_until(gate: Path, site: Any) -> None:
    """Queue a job of the site that goes on until there is a file `gate`."""
    code = (
        "import django, sys; django.setup(); from kinema.web.jobs import queue; "
        "queue.add('test-gate', 'Counting', {'gate': sys.argv[1]})"
    )
    own = {"KINEMA_SITE": str(site.folder), "DJANGO_SETTINGS_MODULE": "kinema.web.settings"}
    subprocess.run([sys.executable, "-c", code, str(gate)], check=True, env={**os.environ, **_KINDS, **own})


@pytest.mark.slow
def test_a_job_shows_in_the_bar_and_on_the_first_page_until_it_is_over(
    start_site: Callable[..., Any],
    open_page: Callable[..., Any],
    screenshot: Callable[[Any, str], Path],
    tmp_path: Path,
) -> None:
    started = start_site(env=_KINDS)
    _count_until(tmp_path / "gate", started)
    with open_page(started.address) as page:
        page.goto("/")
        assert page.get_by_role("link", name="1 job", exact=True).is_visible()
        page.locator("[data-job] [data-message]", has_text="step").wait_for()
        screenshot(page, "home-at-work")
        (tmp_path / "gate").touch()
        # The page loads anew by itself.
        page.get_by_role("heading", name="At work").wait_for(state="detached", timeout=60_000)
        assert page.locator("[data-jobs]").is_hidden()


@pytest.mark.slow
def test_a_page_that_follows_a_job_waits_for_a_server_that_is_away(
    start_site: Callable[..., Any], open_page: Callable[..., Any], tmp_path: Path
) -> None:
    started = start_site(env=_KINDS)
    _count_until(tmp_path / "gate", started)
    with open_page(started.address) as page:
        page.expected.append("Failed to load resource|ERR_CONNECTION")
        page.goto("/jobs/1/")
        page.locator("[data-message]", has_text="step").wait_for()
        started.kill()
        page.get_by_text("The server does not answer. Is kinema serve still running?").wait_for()
        start_site("--port", started.address.rpartition(":")[2], folder=started.folder, env=_KINDS)
        (tmp_path / "gate").touch()
        page.locator("[data-state]", has_text="done").wait_for(timeout=120_000)


def test_a_receiver_is_added_and_tested_by_hand(
    fresh: Any, open_page: Callable[..., Any], screenshot: Callable[[Any, str], Path]
) -> None:
    with open_page(fresh.address) as page:
        page.goto("/settings/alerts/")
        page.get_by_role("link", name="Add a webhook").click()
        page.get_by_label("Name").fill("Chat")
        page.get_by_label("Address").fill("example.org")
        page.get_by_label("Sign requests").uncheck()
        page.expected.append("status of 422")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("url is no address; give it as https://example.org/kinema").wait_for()
        screenshot(page, "receiver-refused")
        page.get_by_label("Address").fill("http://127.0.0.1:9/hook")  # nobody listens there
        page.follow(page.get_by_role("button", name="Save"))
        page.get_by_role("button", name="Send a test").click()
        page.locator("[data-said]", has_text="cannot be reached").wait_for()
        screenshot(page, "receiver-tested")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Remove", exact=True).click()
        page.get_by_text("Nobody is told yet").wait_for()


@pytest.mark.slow
def test_who_signs_in_sees_the_site_and_who_signs_out_does_not(
    start_site: Callable[..., Any],
    open_page: Callable[..., Any],
    screenshot: Callable[[Any, str], Path],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "site"
    added = subprocess.run(
        [sys.executable, "-m", "kinema", "serve", "--folder", str(folder), "--add-user", "ada"],
        input="correct horse battery\n", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (added.returncode, added.stdout.strip()) == (0, "ada can sign in")
    started = start_site("--login", folder=folder)
    with open_page(started.address) as page:
        page.goto("/settings/")
        assert page.locator("nav .places").count() == 0
        screenshot(page, "login")
        page.get_by_label("User").fill("ada")
        page.get_by_label("Password").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("User and password do not match.").wait_for()
        page.get_by_label("Password").fill("correct horse battery")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Settings").wait_for()
        assert page.locator("nav .places").is_visible()
        page.get_by_role("link", name="API tokens").first.click()
        page.get_by_label("What is it for?").fill("a script")
        page.get_by_role("button", name="Make a token").click()
        text = page.locator("#new-token").inner_text()
        assert text.startswith("kinema_")
        screenshot(page, "token")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in").wait_for()
        page.goto("/settings/")
        page.get_by_role("heading", name="Sign in").wait_for()
        page.expected.append("status of 429")
        for _ in range(5):
            page.get_by_label("User").fill("ada")
            page.get_by_label("Password").fill("wrong")
            with page.expect_navigation():
                page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Too many wrong passwords").wait_for()
        screenshot(page, "locked")
