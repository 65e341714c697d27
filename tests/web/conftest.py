"""A site in a process of its own and a real browser before it; and Django in this process, for what needs no browser.

Screenshots go to the folder that `KINEMA_SCREENSHOTS` names, else to test-output/web.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django", reason="the web extra is not installed")

_HERE = re.compile(r"kinema is at (\S+)")
_OUTPUT = Path(__file__).parents[2] / "test-output" / "web"


@dataclass
class Site:
    """A site that `kinema serve` serves."""

    folder: Path
    address: str
    process: subprocess.Popen[str]
    log: Path

    def stop(self) -> int:
        """End it as Ctrl-C does, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(90)

    def kill(self) -> None:
        """kill -9 the server; its worker and their children end by themselves."""
        self.process.kill()
        self.process.wait(30)


@pytest.fixture(scope="session")
def recognizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained recognizer of three classes, the bundled backbone and a small window: its answers mean nothing."""
    import torch

    from kinema.data.clipspec import ClipSpec
    from kinema.models import Recognizer

    torch.manual_seed(0)
    spec = ClipSpec(frames=4, fps=5, height=96, width=96)
    recognizer = Recognizer.create("motion_moments", ["jump", "sit", "wave"], spec)
    folder = tmp_path_factory.mktemp("recognizers") / "untrained"
    recognizer.save(folder)
    return folder


@pytest.fixture(scope="session")
def start_site(
    tmp_path_factory: pytest.TempPathFactory, recognizer_folder: Path
) -> Iterator[Callable[..., Site]]:
    """`start_site(*options, folder=, run=, env=)` serves a site on a free port and waits until it answers."""
    started: list[Site] = []

    def start(
        *options: str, folder: Path | None = None, run: Path | None = None, env: dict[str, str] | None = None
    ) -> Site:
        folder = folder or tmp_path_factory.mktemp("site") / "kinema-site"
        log = tmp_path_factory.mktemp("log") / "serve.log"
        command = [
            sys.executable,
            "-m",
            "kinema",
            "serve",
            str(run or recognizer_folder),
            "--folder",
            str(folder),
        ]
        command += ["--port", "0", "--no-browser", "--runs", str(folder / "no-runs"), *options]
        with log.open("w") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(env or {})},
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )  # fmt: skip
        until = time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            if found := _HERE.search(log.read_text()):
                site = Site(folder, found.group(1).rstrip("/"), process, log)
                started.append(site)
                return site
            time.sleep(0.05)
        process.kill()
        raise AssertionError(f"the site did not start: {log.read_text()}")

    yield start
    going = [site for site in started if site.process.poll() is None]
    for site in going:  # all at once, and not one after the other
        site.process.send_signal(signal.SIGINT)
    for site in going:
        site.process.wait(90)


@pytest.fixture(scope="session")
def site(start_site: Callable[..., Site]) -> Site:
    """One site that tests share; a test that counts what is there starts its own."""
    return start_site()


@pytest.fixture
def page(browser: Any, site: Site) -> Iterator[Any]:
    """A fresh page of the shared site (`page.goto("/videos/")`); an error in its console fails the test."""
    with _OpenPage(browser, site.address) as opened:
        yield opened


@pytest.fixture
def open_page(browser: Any) -> Callable[..., Any]:
    """`with open_page(site.address, color_scheme="dark", viewport=…) as page`: as `page`, of any site and context."""

    def opened(address: str, **context: Any) -> Any:
        return _OpenPage(browser, address, **context)

    return opened


class _OpenPage:
    """A block with a page whose console must stay free of errors; `page.expected` lists patterns of those a test provokes.

    `page.follow(locator)` clicks on what leads to another page and waits until that is there, its scripts too: a click alone
    returns when the other page begins to come.
    """

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        self._context = browser.new_context(base_url=address, **context)
        self._errors: list[str] = []

    def __enter__(self) -> Any:
        self._page = self._context.new_page()
        self._page.expected = []
        self._page.follow = self._follow
        self._page.on("pageerror", lambda error: self._errors.append(str(error)))
        self._page.on("console", self._said)
        return self._page

    def _follow(self, link: Any) -> None:
        with self._page.expect_navigation():
            link.click()

    def _said(self, message: Any) -> None:
        if message.type == "error":  # which file a 404 was about is in the location only
            self._errors.append(f"{message.text} ({message.location['url']})")

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        unexpected = [
            text for text in self._errors if not any(re.search(known, text) for known in self._page.expected)
        ]
        self._context.close()
        if kind is None:
            assert unexpected == []


@pytest.fixture(scope="session")
def two_cameras() -> str:
    """A script by which a page has two made-up cameras; `films` are the streams that it was given."""
    return """
        window.films = [];
        navigator.mediaDevices.getUserMedia = async () => {
            const film = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
            film.getContext("2d").fillRect(0, 0, 64, 48);
            const stream = film.captureStream(10);
            await new Promise((go) => setTimeout(go, 50));
            window.films.push(stream);
            return stream;
        };
        navigator.mediaDevices.enumerateDevices = async () =>
            ["front", "back"].map((deviceId) => ({ deviceId, kind: "videoinput", label: deviceId }));
    """


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """`until(page, lambda: held)` waits for what a route of a page hears of."""

    def wait(page: Any, done: Callable[[], Any], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "it did not happen in time"
            page.wait_for_timeout(50)

    return wait


@pytest.fixture(scope="session")
def screenshot() -> Callable[[Any, str], Path]:
    """`screenshot(page, "videos-dark")` keeps a picture of the whole page under the test's output."""
    folder = Path(os.environ.get("KINEMA_SCREENSHOTS") or _OUTPUT)

    def take(page: Any, name: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        page.screenshot(path=str(path), full_page=True)
        return path

    return take


@pytest.fixture(scope="session")
def _django(tmp_path_factory: pytest.TempPathFactory, recognizer_folder: Path) -> None:
    """Django in this process, with a site's folder of its own."""
    from kinema.web.serve import ServeSettings, prepare

    prepare(
        ServeSettings(
            tmp_path_factory.mktemp("django") / "site",
            run=recognizer_folder,
            runs=(tmp_path_factory.mktemp("runs"),),
        )
    )
    from django.conf import settings

    settings.ALLOWED_HOSTS.append("testserver")  # as Django's test client calls it
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher"
    ]  # the true one is slow on purpose


@pytest.fixture
def database(_django: None) -> Iterator[None]:
    """The site's database of this process, empty after each test; SQLite, or what `DATABASE_URL` names."""
    from django.core.management import call_command
    from django.db import connection

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    yield
    call_command("flush", verbosity=0, interactive=False)
    connection.close()


@pytest.fixture
def asks(database: None) -> Iterator[None]:
    """The site of this process asks for a login."""
    from django.test import override_settings

    with override_settings(KINEMA_LOGIN=True):
        yield


@pytest.fixture
def new_user(database: None) -> Callable[..., Any]:
    """`new_user(name, role)` makes somebody with the password "correct horse battery"."""
    from django.contrib.auth import get_user_model

    from kinema.web.base.roles import give_role

    def made(name: str = "ada", role: str = "admins") -> Any:
        user = get_user_model().objects.create_user(name, password="correct horse battery")
        give_role(user, role)
        return user

    return made


@pytest.fixture
def content_of() -> Callable[[Any], bytes]:
    """All bytes of an answer, a streamed one too, read as the server reads it."""
    from asgiref.sync import async_to_sync

    async def whole(answer: Any) -> bytes:
        return b"".join([piece async for piece in answer])

    return lambda answer: async_to_sync(whole)(answer) if answer.streaming else answer.content


@pytest.fixture
def text_of(content_of: Callable[[Any], bytes]) -> Callable[[Any], str]:
    """The whole text of an answer, a streamed one too."""
    return lambda answer: content_of(answer).decode()


@pytest.fixture
def client(database: None) -> Any:
    """Django's test client of the site of this process, without a login, as on a user's own machine."""
    from django.test import Client

    return Client()
