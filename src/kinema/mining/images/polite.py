"""Requests with manners: robots.txt, one pace for each host, pauses that servers ask for, and a name with a contact."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from kinema.data.fetch.answers import FinalError, PassingError, refusal
from kinema.data.fetch.connection import Connection
from kinema.data.fetch.hosts import Hosts
from kinema.data.fetch.http import StoppedError
from kinema.mining.images.found import NEEDS
from kinema.mining.images.replies import Reply, UnavailableError, agent_name, is_near, target_of
from kinema.mining.images.robots import MOST_BYTES, Robots

if TYPE_CHECKING:
    import httpx

_REDIRECTS = 5
_LONGEST_DELAY = 30.0  # seconds of a Crawl-delay that are kept to; some sites ask for hours
_LIMITS_IN_ROW = 6  # refusals of one host in a row after which it is left alone


class _LimitedError(PassingError):
    """The server has had enough of requests; the pause that follows holds for all of them."""


class PoliteClient:
    """Fetches small files for any number of threads.

    `contact` (a mail address or a page) stands in the User-Agent. At most `parallel` requests at a time go to one host
    and `interval` seconds lie between them, or the Crawl-delay of its robots.txt. 429 and 503 pause the host for what
    Retry-After says, else for `first_wait` seconds, doubled from refusal to refusal; a server that asks for more than
    `patience` seconds, or has refused six times in a row, is left alone. Redirects are followed by the same rules.
    Hosts in the network of this machine are asked only after `trust`: a page could name them.
    `despite_robots` names hosts whose robots.txt the user has decided to pass over. `clock` and `sleep` are for tests.

    Raises `UsageError` when the mining extra is not installed.
    """

    def __init__(
        self,
        *,
        contact: str = "",
        parallel: int = 2,
        interval: float = 0.5,
        tries: int = 3,
        timeout: float = 15.0,
        first_wait: float = 2.0,
        longest_wait: float = 120.0,
        patience: float = 120.0,
        despite_robots: Iterable[str] = (),
        say: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.agent = agent_name(contact)
        self._connection = Connection(timeout, parallel, agent=self.agent, follow=False, needs=NEEDS)
        self._despite = {host.lower() for host in despite_robots}
        self._interval, self._tries, self._timeout = interval, tries, timeout
        self._first_wait, self._longest_wait, self._patience = first_wait, longest_wait, patience
        self._say, self._clock, self._now = say, clock, now
        self._stopped = threading.Event()
        self._sleep = sleep or self._nap
        self._hosts = Hosts(parallel, clock, self._sleep)
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}
        self._limits: dict[str, int] = {}
        self._robots: dict[str, Robots | UnavailableError] = {}
        self._asking: dict[str, threading.Lock] = {}
        self._trusted: set[str] = set()

    def trust(self, url: str) -> None:
        """Let requests go to a host even if it is in the network of this machine: the user has named it."""
        self._trusted.add(urlsplit(url).netloc)

    def close(self) -> None:
        """Close what is open."""
        self._connection.close()

    def stop(self) -> None:
        """End what is under way at its next byte or pause, with `StoppedError`."""
        self._stopped.set()

    def get(
        self,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        kind: str = "image.jpg",
        most_bytes: int = 20_000_000,
        robots: bool = True,
    ) -> Reply:
        """Return what lies at an address, tried again where that makes sense. `kind` is a file name as it could be called.

        `robots=False` is for interfaces made for programs, whose terms stand in place of robots.txt.

        Raises `UnavailableError`, also for more than `most_bytes`, and `StoppedError`.
        """
        return self._tried(url, lambda: self._followed(url, headers or {}, kind, most_bytes, robots))

    def check(self, url: str) -> None:
        """Raise `UnavailableError` where robots.txt forbids an address, or cannot be read."""
        if (urlsplit(url).hostname or "").lower() in self._despite:
            return
        robots = self._robots_of(url)
        if isinstance(robots, UnavailableError):
            raise robots
        if not robots.allows(target_of(url)):
            raise UnavailableError(url, f"robots.txt of {urlsplit(url).netloc} forbids it", passing=False)

    def pause(self, url: str, seconds: float | None) -> float:
        """Note that a host has had enough, for `seconds` if it said so; return how long nobody asks it."""
        host = urlsplit(url).netloc
        with self._lock:
            times = self._limits[host] = self._limits.get(host, 0) + 1
        wait = min(self._longest_wait, self._first_wait * 2 ** (times - 1)) if seconds is None else seconds
        self._hosts.pause(url, wait)
        if wait >= 5:
            self._say(f"{host} asks for a pause of {wait:.0f} s")
        return wait

    def answered(self, url: str) -> None:
        """Note that a host has answered properly: the next pause is a short one again."""
        with self._lock:
            self._limits.pop(urlsplit(url).netloc, None)

    @contextmanager
    def turn(self, url: str) -> Iterator[None]:
        """Wait until a host may be asked again, and hold the place for the block, in which it is asked once."""
        with self._hosts.turn(url):
            self._space(url)
            yield

    @property
    def patience(self) -> float:
        """The longest pause, in seconds, that is waited for."""
        return self._patience

    def _tried(self, url: str, work: Callable[[], Reply]) -> Reply:
        import tenacity

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(PassingError),
            stop=tenacity.stop_after_attempt(self._tries),
            wait=self._backoff,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(work)
        except FinalError as error:
            raise UnavailableError(url, str(error), passing=False) from error
        except PassingError as error:
            raise UnavailableError(url, str(error), passing=True) from error
        except ValueError as error:  # pages name as addresses what is none: http://[x, a port of letters
            raise UnavailableError(url, f"not an address: {error}", passing=False) from error

    def _backoff(self, state: Any) -> float:
        if isinstance(state.outcome.exception(), _LimitedError):
            return 0.0  # the whole host is paused: that is the wait
        return min(self._longest_wait, self._first_wait * 2 ** (state.attempt_number - 1))

    def _followed(self, url: str, headers: dict[str, str], kind: str, most: int, robots: bool) -> Reply:
        for _ in range(_REDIRECTS + 1):
            if robots:
                self.check(url)
            reply = self._sent(url, headers, kind, most)
            if not reply.location:
                return reply
            if urlsplit(reply.location).netloc != urlsplit(url).netloc:
                headers = {}  # a token is for the host that it was given for
            url = reply.location
        raise FinalError(f"sent on more than {_REDIRECTS} times")

    def _sent(self, url: str, headers: dict[str, str], kind: str, most: int) -> Reply:
        """Send one request in its turn. Raises `PassingError` and `FinalError`."""
        if urlsplit(url).scheme not in ("http", "https"):
            raise FinalError("not an address of the web")
        host = urlsplit(url).netloc
        if host not in self._trusted and is_near(urlsplit(url).hostname or ""):
            raise FinalError("an address in the network of this machine, which no page may send requests to")
        if self._limits.get(host, 0) >= _LIMITS_IN_ROW:
            raise UnavailableError(url, f"{host} wants no more requests for now", passing=True)
        headers = {"Accept-Encoding": "identity", **headers}
        with self.turn(url), self._connection.get(url, headers) as response:
            reply = self._received(response, url, kind, most)
        self.answered(url)
        return reply

    def _received(self, response: httpx.Response, url: str, kind: str, most: int) -> Reply:
        if response.has_redirect_location:
            return Reply(url, response.status_code, b"", urljoin(url, response.headers["Location"]))
        error = refusal(response, kind, self._now(), float("inf"))
        if isinstance(error, PassingError) and (error.wait or 0.0) > self._patience:
            minutes = f"{(error.wait or 0.0) / 60:,.0f} min"
            with self._lock:
                self._limits[urlsplit(url).netloc] = _LIMITS_IN_ROW
            raise UnavailableError(url, f"{error}: the server asks to come back in {minutes}", passing=True)
        if isinstance(error, PassingError) and (error.wait or response.status_code in (429, 503)):
            self.pause(url, error.wait)
            raise _LimitedError(str(error))
        if kind == "robots.txt" and 400 <= response.status_code < 500 and response.status_code != 429:
            return Reply(url, response.status_code, b"")
        if error is not None and not (kind == "robots.txt" and response.status_code == 200):
            raise error
        announced = response.headers.get("Content-Length", "")
        if kind != "robots.txt" and announced.isdecimal() and int(announced) > most:
            raise FinalError(f"{int(announced):,} bytes; the limit is {most:,}")
        body, begun = bytearray(), self._clock()
        for chunk in response.iter_bytes():
            if self._stopped.is_set():
                raise StoppedError(url)
            body += chunk
            if len(body) > most:
                if kind == "robots.txt":
                    break
                raise FinalError(f"more than {most:,} bytes")
            if self._clock() - begun > 6 * self._timeout:
                raise PassingError(f"not whole after {6 * self._timeout:g} s")
        return Reply(url, response.status_code, bytes(body))

    def _robots_of(self, url: str) -> Robots | UnavailableError:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            asking = self._asking.setdefault(origin, threading.Lock())
        with asking:  # one thread asks, the others wait for what it learns
            if origin not in self._robots:
                self._robots[origin] = self._read_robots(f"{origin}/robots.txt")
            return self._robots[origin]

    def _read_robots(self, url: str) -> Robots | UnavailableError:
        def follow() -> Reply:
            place = url
            for _ in range(_REDIRECTS + 1):
                reply = self._sent(place, {}, "robots.txt", MOST_BYTES)
                if not reply.location:
                    return reply
                place = reply.location
            return Reply(url, 404, b"")

        try:
            reply = self._tried(url, follow)
        except UnavailableError as error:
            # RFC 9309, 2.3.1.4: what cannot be reached forbids everything.
            reason = f"robots.txt of {urlsplit(url).netloc} cannot be read: {error.reason}"
            return UnavailableError(url, reason, error.passing)
        if reply.status != 200:
            return Robots()
        return Robots.parse(reply.body[:MOST_BYTES].decode("utf-8", errors="replace"))

    def _space(self, url: str) -> None:
        parts = urlsplit(url)
        robots = self._robots.get(f"{parts.scheme}://{parts.netloc}")
        asked = robots.delay if isinstance(robots, Robots) and robots.delay else 0.0
        with self._lock:
            now = self._clock()
            at = max(now, self._next.get(parts.netloc, 0.0))
            self._next[parts.netloc] = at + max(self._interval, min(asked, _LONGEST_DELAY))
        if at > now:
            self._sleep(at - now)

    def _nap(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise StoppedError
