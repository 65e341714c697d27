"""Headless Chromium through Selenium: pages as people see them, with the status that the server answered."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kinema.errors import UsageError
from kinema.mining.images.found import EngineError

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_DRIVERS = ("chromedriver", "/usr/lib/chromium/chromedriver", "/usr/lib/chromium-browser/chromedriver")
_LOAD = 30.0  # seconds for a page
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


class Browser:
    """One headless Chromium. `agent` is added to its own User-Agent.

    Raises `UsageError` when selenium, Chromium or its driver are not installed, `EngineError` when it does not start.
    """

    def __init__(self, agent: str) -> None:
        try:
            from selenium import webdriver
            from selenium.webdriver.chrome.service import Service
        except ImportError as error:
            raise UsageError("Bing and Google need the mining extra; pip install 'kinema[mining]'") from error
        chromium, driver = _first(_BROWSERS), _first(_DRIVERS)
        if chromium is None or driver is None:
            missing = "Chromium" if chromium is None else "chromedriver"
            raise UsageError(
                f"Bing and Google need {missing}; on Debian: apt install chromium chromium-driver"
            )
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        options.page_load_strategy = "eager"
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        switches = ["--headless=new", "--window-size=1280,1600", "--disable-dev-shm-usage", "--mute-audio"]
        # By a pipe and not a port: Chromium ends when its driver does.
        switches += ["--lang=en-US", "--no-first-run", "--disable-extensions", "--remote-debugging-pipe"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            switches.append("--no-sandbox")  # Chromium's own sandbox refuses to run as root
        for switch in switches:
            options.add_argument(switch)
        # In a session of its own: Ctrl-C reaches kinema, which closes it.
        service = Service(driver, popen_kw={"start_new_session": True, "preexec_fn": _end_with_parent()})
        self._page = ""
        try:
            self._driver = webdriver.Chrome(options=options, service=service)
            own = str(self._driver.execute_script("return navigator.userAgent"))
            self._driver.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": f"{own} {agent}"})
            self._driver.set_page_load_timeout(_LOAD)
            self._driver.set_script_timeout(_LOAD)
        except _failures() as error:
            self.close()
            raise EngineError(f"Chromium does not start: {_words(error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether Chromium and its driver still answer."""
        try:
            return bool(self._driver.window_handles)
        except _failures():
            return False

    @property
    def url(self) -> str:
        """The address of the page that is open, after all redirects. Raises `EngineError` when Chromium has ended."""
        try:
            return str(self._driver.current_url)
        except _failures() as error:
            raise EngineError(f"{self._page}: cannot be read: {_words(error)}") from error

    def open(self, url: str) -> tuple[int, dict[str, str]]:
        """Open a page and return the status of its answer (200 where unknown) and the headers, names in lower case.

        Raises `EngineError` when no page comes.
        """
        from selenium.common.exceptions import TimeoutException

        self._page = url
        self._answers()  # forget what is older
        try:
            self._driver.get(url)
        except TimeoutException as error:
            raise EngineError(f"{url}: the page was not there after {_LOAD:g} s") from error
        except _failures() as error:
            # Chromium calls an answer without a body a failure; its status is known all the same.
            if answers := self._answers():
                return answers[-1]
            raise EngineError(f"{url}: cannot be opened: {_words(error)}") from error
        answers = self._answers()
        return answers[-1] if answers else (200, {})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page and return what it returns, a promise's value once it has one.

        Raises `EngineError` for a script that fails.
        """
        wrapped = (
            "const done = arguments[arguments.length - 1];"
            f"(async () => {{ {script} }})().then((value) => done([true, value]), (error) => done([false, String(error)]));"
        )
        try:
            fine, value = self._driver.execute_async_script(wrapped, *arguments)
        except _failures() as error:
            raise EngineError(f"{self._page}: the page cannot be read: {_words(error)}") from error
        if not fine:
            raise EngineError(f"{self._page}: the page cannot be read: {value}")
        return value

    def settle(self, seconds: float, ready: str, *arguments: Any) -> bool:
        """Wait at most so long until a script returns true, and return whether it did. A page that changes is waited for."""
        until = time.monotonic() + seconds
        while True:
            with suppress(EngineError):
                if self.run(ready, *arguments):
                    return True
            if time.monotonic() >= until:
                return False
            time.sleep(0.1)

    def close(self) -> None:
        """End Chromium and its driver."""
        with suppress(Exception):  # it may be gone already, in any way
            self._driver.quit()

    def _answers(self) -> list[tuple[int, dict[str, str]]]:
        """Return the answers of the pages (no frames, no pictures) since the last call."""
        found = []
        main = None
        with suppress(Exception):  # a browser without this log is one whose statuses are unknown
            main = self._driver.execute_cdp_cmd("Page.getFrameTree", {})["frameTree"]["frame"]["id"]
            for line in self._driver.get_log("performance"):
                message = json.loads(line["message"])["message"]
                if message["method"] != "Network.responseReceived":
                    continue
                event = message["params"]
                if event.get("type") == "Document" and event.get("frameId") == main:
                    response = event["response"]
                    headers = {str(name).lower(): str(text) for name, text in response["headers"].items()}
                    found.append((int(response["status"]), headers))
        return found


def _end_with_parent() -> Callable[[], None] | None:
    """Return what a new process runs to be ended when kinema is, even by kill -9; None where the system has no such thing."""
    if not sys.platform.startswith("linux"):
        return None
    control = ctypes.CDLL(None).prctl
    return lambda: control(_PARENT_DEATH_SIGNAL, int(signal.SIGTERM), 0, 0, 0)


def _first(names: tuple[str, ...]) -> str | None:
    for name in names:
        if found := shutil.which(name):
            return str(Path(found))
    return None


def _failures() -> tuple[type[Exception], ...]:
    """Return what selenium raises: errors of its own, and those of the connection to a driver that has ended."""
    from selenium.common.exceptions import WebDriverException
    from urllib3.exceptions import HTTPError

    return WebDriverException, HTTPError


def _words(error: BaseException) -> str:
    text = str(getattr(error, "msg", "") or error).strip()
    return (text.splitlines() or [type(error).__name__])[0][:200]
