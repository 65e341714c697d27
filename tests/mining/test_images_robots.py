"""robots.txt as RFC 9309 reads it, and requests with manners: pace, pauses, limits, a name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kinema.errors import UsageError
from kinema.mining.images import PoliteClient, UnavailableError
from kinema.mining.images.robots import Robots

pytest.importorskip("httpx", reason="needs kinema[mining]")


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        f"mining_pages_{name}", Path(__file__).parent / f"pages/{name}.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site() -> Iterator[Any]:
    with _module("server").serving() as served:
        yield served


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.waits.append(round(seconds, 3))
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(site: Any, clock: Clock) -> Iterator[Callable[..., PoliteClient]]:
    made: list[PoliteClient] = []

    def make(**settings: Any) -> PoliteClient:
        made.append(
            PoliteClient(**{"interval": 0.0, "clock": clock, "sleep": clock.sleep, "now": clock, **settings})
        )
        made[-1].trust(site.url)
        return made[-1]

    yield make
    for one in made:
        one.close()


# The examples of RFC 9309, sections 2.2.2, 2.2.3 and 5.
@pytest.mark.parametrize(
    ("text", "target", "allowed"),
    [
        ("User-Agent: *\nDisallow: /example/page/disallowed.gif\nAllow: /example/page/", "/example/page/a", True),
        ("User-Agent: *\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif", "/example/page/disallowed.gif", False),
        ("User-agent: *\nDisallow: *.gif$\nDisallow: /example/", "/a/b.gif", False),
        ("User-agent: *\nDisallow: *.gif$\nDisallow: /example/", "/a/b.gif?x", True),
        ("User-agent: *\nDisallow: /foo/bar?baz=quz", "/foo/bar?baz=quz&x=1", False),
        ("User-agent: *\nDisallow: /foo/bar/%62%61%7A", "/foo/bar/baz", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),
        ("User-agent: *\nDisallow:", "/a", True),
        ("User-agent: *\nDisallow: /", "/robots.txt", True),
        ("User-agent: other\nUser-agent: Kinema\nDisallow: /x # why\n\nUser-agent: *\nDisallow: /", "/y", True),
        ("User-agent: other\nUser-agent: Kinema\nDisallow: /x # why\n\nUser-agent: *\nDisallow: /", "/x", False),
        ("User-agent: kinema\nDisallow: /a\nUser-agent: q\nDisallow: /\nUser-agent: kinema\nDisallow: /b", "/b", False),
        ("\ufeffUser-agent: *\r\nDisallow: /search\r\nAllow: /search/about", "/search?q=x", False),
        ("<!doctype html><title>404</title>", "/a", True),
    ],
)  # fmt: skip
def test_robots_rules(text: str, target: str, allowed: bool) -> None:
    assert Robots.parse(text).allows(target) is allowed


def test_robots_long_patterns_take_no_time() -> None:
    robots = Robots.parse("User-agent: *\nDisallow: /" + "*a" * 500 + "b$")

    assert robots.allows("/" + "a" * 5000)


def test_crawl_delay_spaces_requests(site: Any, client: Callable[..., PoliteClient], clock: Clock) -> None:
    site.robots = (200, "User-agent: *\nCrawl-delay: 3\nDisallow: /pics/9.jpg")
    polite = client(contact="me@example.org")

    for number in (1, 2, 3):
        assert polite.get(f"{site.url}/pics/{number}.jpg").body[:2] == b"\xff\xd8"
    with pytest.raises(UnavailableError, match=r"robots\.txt of 127\.0\.0\.1:\d+ forbids it") as refused:
        polite.get(f"{site.url}/pics/9.jpg")

    assert not refused.value.passing
    assert site.paths("/") == ["/robots.txt", "/pics/1.jpg", "/pics/2.jpg", "/pics/3.jpg"]
    assert clock.waits == [3.0, 3.0]
    assert site.requests[1][1]["user-agent"] == "kinema/0.1.0 (+me@example.org)"


def test_hosts_that_the_user_answers_for(site: Any, client: Callable[..., PoliteClient]) -> None:
    site.robots = (200, "User-agent: *\nDisallow: /")

    assert client(despite_robots=["127.0.0.1"]).get(f"{site.url}/pics/1.jpg").status == 200
    assert site.paths("/robots") == []


def test_robots_that_cannot_be_read_forbid_everything(site: Any, client: Callable[..., PoliteClient]) -> None:
    site.robots = (500, "")

    with pytest.raises(UnavailableError, match=r"robots\.txt of .* cannot be read: 500") as refused:
        client(tries=2).get(f"{site.url}/pics/1.jpg")

    assert refused.value.passing
    assert site.paths("/pics") == []


def test_retry_after_pauses_the_host(site: Any, client: Callable[..., PoliteClient], clock: Clock) -> None:
    site.refusals["/pics/1.jpg"] = [(429, {"Retry-After": "7"}), (503, {"Retry-After": "11"})]

    assert client().get(f"{site.url}/pics/1.jpg").status == 200
    assert clock.waits == [0.0, 7.0, 0.0, 11.0] or clock.waits == [7.0, 11.0]


def test_retry_after_of_any_failure_is_kept_to(
    site: Any, client: Callable[..., PoliteClient], clock: Clock
) -> None:
    site.refusals["/pics/1.jpg"] = [(502, {"Retry-After": "9"})]

    assert client().get(f"{site.url}/pics/1.jpg").status == 200
    assert [wait for wait in clock.waits if wait] == [9.0]


def test_refusals_without_a_time_back_off(
    site: Any, client: Callable[..., PoliteClient], clock: Clock
) -> None:
    site.refusals["/pics/1.jpg"] = [(429, {})] * 3

    assert client(first_wait=2.0, tries=4).get(f"{site.url}/pics/1.jpg").status == 200
    assert [wait for wait in clock.waits if wait] == [2.0, 4.0, 8.0]


def test_a_host_that_keeps_refusing_is_left_alone(site: Any, client: Callable[..., PoliteClient]) -> None:
    for number in range(20):
        site.refusals[f"/pics/{number}.jpg"] = [(429, {})] * 20
    polite = client(tries=3)

    for number in range(20):
        with pytest.raises(UnavailableError) as refused:
            polite.get(f"{site.url}/pics/{number}.jpg")
        assert refused.value.passing

    assert len(site.paths("/pics")) == 6


def test_too_long_a_pause_is_not_waited_for(
    site: Any, client: Callable[..., PoliteClient], clock: Clock
) -> None:
    site.refusals["/pics/1.jpg"] = [(429, {"Retry-After": "3600"})]

    with pytest.raises(UnavailableError, match="asks to come back in 60 min") as refused:
        client().get(f"{site.url}/pics/1.jpg")

    assert refused.value.passing
    assert [wait for wait in clock.waits if wait] == []


def test_what_stays_is_asked_for_once(site: Any, client: Callable[..., PoliteClient]) -> None:
    with pytest.raises(UnavailableError, match="404 Not Found") as missing:
        client().get(f"{site.url}/pics/gone.jpg")
    with pytest.raises(UnavailableError, match="a web page came in place of the file"):
        client().get(f"{site.url}/pics/page.jpg")

    assert not missing.value.passing
    assert len(site.paths("/pics/gone")) == 1


def test_limits_of_size_and_of_redirects(site: Any, client: Callable[..., PoliteClient]) -> None:
    site.fixed["/round"] = (302, {"Location": "/round"}, b"")
    site.fixed["/away"] = (302, {"Location": "ftp://example.org/a.jpg"}, b"")
    site.fixed["/endless"] = (200, {"Content-Type": "image/jpeg", "Content-Length": "9999999999"}, b"")

    for path, reason in (("/round", "sent on more than 5 times"), ("/away", "not an address of the web")):
        with pytest.raises(UnavailableError, match=reason):
            client().get(f"{site.url}{path}")
    with pytest.raises(UnavailableError, match="9,999,999,999 bytes; the limit is 1,000"):
        client().get(f"{site.url}/endless", most_bytes=1000)


def test_tokens_stay_with_their_host(site: Any, client: Callable[..., PoliteClient]) -> None:
    polite = client()
    other = site.url.replace("127.0.0.1", "localhost")
    polite.trust(other)
    site.fixed["/short"] = (301, {"Location": "/pics/1.jpg"}, b"")
    site.fixed["/away"] = (301, {"Location": f"{other}/pics/2.jpg"}, b"")

    for path in ("/short", "/away"):
        polite.get(f"{site.url}{path}", headers={"Authorization": "Bearer secret"})

    given = {path: headers.get("authorization") for path, headers in site.requests if "robots" not in path}
    assert given == {
        "/short": "Bearer secret", "/pics/1.jpg": "Bearer secret", "/away": "Bearer secret", "/pics/2.jpg": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "address", ["http://[x/a.jpg", "http://a:b/c.jpg", "http:///a.jpg", "http://\ud800.org/"]
)
def test_what_is_no_address(client: Callable[..., PoliteClient], address: str) -> None:
    with pytest.raises(UnavailableError) as refused:
        client().get(address)

    assert not refused.value.passing


def test_robots_hold_for_where_a_redirect_leads(site: Any, client: Callable[..., PoliteClient]) -> None:
    site.robots = (200, "User-agent: *\nDisallow: /pics/")
    site.fixed["/short"] = (301, {"Location": f"{site.url}/pics/1.jpg"}, b"")

    with pytest.raises(UnavailableError, match="forbids it"):
        client().get(f"{site.url}/short")

    assert site.paths("/pics") == []


def test_a_contact_that_is_no_header(client: Callable[..., PoliteClient]) -> None:
    with pytest.raises(UsageError, match="give a mail address or a page"):
        client(contact="me\r\nX-Evil: 1")


def test_no_page_sends_requests_into_the_network_of_this_machine(site: Any, clock: Clock) -> None:
    polite = PoliteClient(interval=0.0, clock=clock, sleep=clock.sleep)

    for host in (
        "127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "printer", "nas.local", "nas.local.",
        "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "[::ffff:127.0.0.1]",
    ):  # fmt: skip
        with pytest.raises(UnavailableError, match="an address in the network of this machine"):
            polite.get(f"http://{host}:{site.url.rpartition(':')[2]}/pics/1.jpg", robots=False)
    assert site.requests == []
    polite.trust(site.url)
    assert polite.get(f"{site.url}/pics/1.jpg").status == 200
    polite.close()
