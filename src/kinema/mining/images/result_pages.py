"""Result pages that fill while one scrolls: an engine that reads them in a browser, whatever the site.

What differs between sites is a `Site`: addresses, and JavaScript that reads the results which are in the page.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlsplit

from kinema.data.fetch.hosts import retry_after
from kinema.errors import UsageError
from kinema.mining.images.browser import Browser
from kinema.mining.images.consent import pass_consent
from kinema.mining.images.found import EngineError, FoundImage, Query, one_line, web_source
from kinema.mining.images.polite import PoliteClient
from kinema.mining.images.replies import UnavailableError

_TRIES = 4
_STILL = 2  # scrolls without anything new after which the page has no more


@dataclass(frozen=True, slots=True)
class Site:
    """A site with result pages for images.

    `address` holds {query}; `filters` is added to it for a licence. `collect` is JavaScript that returns a list of
    {id, source, page, title, thumbnail}, what is unknown null, in the order of the page; `more` are CSS selectors of
    buttons for further results. `variable` names an environment variable with another address.
    """

    name: str
    address: str
    variable: str
    collect: str
    more: tuple[str, ...]
    filters: Mapping[str, str] = field(default_factory=dict)


class ResultPages:
    """The engine of a `Site`. `wait` is how many seconds new results may take to come after a scroll.

    Raises `UsageError` for a licence that the site cannot filter by.
    """

    def __init__(
        self,
        site: Site,
        client: PoliteClient,
        *,
        licence: str = "any",
        address: str | None = None,
        wait: float = 4.0,
        start: Callable[[str], Browser] = Browser,
    ) -> None:
        self.name = site.name
        self._site, self._client, self._wait, self._start = site, client, wait, start
        self._address = address or os.environ.get(site.variable) or site.address
        client.trust(self._address)
        if licence != "any" and licence not in site.filters:
            raise UsageError(
                f"--licence {licence}: {site.name} has no such filter, only {', '.join(site.filters)}"
            )
        self._filter = site.filters.get(licence, "")
        self._browser: Browser | None = None

    def search(self, query: Query, wanted: int) -> Iterator[FoundImage]:
        """Scroll until `wanted` results are there or none come any more, then yield them in the order of the page.

        Raises `EngineError` where robots.txt forbids result pages, and when the site refuses or shows something else.
        """
        url = self._address.replace("{query}", quote_plus(query.text)) + self._filter
        try:
            self._client.check(url)
        except UnavailableError as error:
            host = urlsplit(url).hostname
            advice = (
                ""
                if error.passing
                else f"; --despite-robots {host} opens it as a person would, if you answer for that"
            )
            raise EngineError(f"{self.name}: {error.reason}{advice}") from error
        if self._browser is not None and not self._browser.alive:
            self.close()  # it has crashed, which must not end what other names are searched for
        if self._browser is None:
            self._browser = self._start(self._client.agent)
        self._open(self._browser, url)
        self._browser.settle(
            self._wait, f"return (await (async () => {{ {self._site.collect} }})()).length > 0;"
        )
        results: dict[str, tuple[int, dict[str, Any]]] = {}
        still = 0
        while True:
            before = len(results)
            for place, result in enumerate(self._browser.run(self._site.collect) or ()):
                if any(_addresses(result)):
                    # A result of which only the thumbnail was there may have its address by now.
                    results[str(result["id"])] = (place, result)
            still = still + 1 if len(results) == before else 0
            if len(results) >= wanted or still >= _STILL:
                break
            self._further(self._browser, url)
        in_order = sorted(results.values(), key=lambda one: one[0])
        for rank, (_, result) in enumerate(in_order, start=1):
            yield self._found(result, query.text, rank)

    def close(self) -> None:
        """End the browser."""
        if self._browser is not None:
            self._browser.close()
            self._browser = None

    def _open(self, browser: Browser, url: str) -> None:
        """Open a result page: through pauses that the site asks for, and past a page that asks for consent."""
        for attempt in range(1, _TRIES + 1):
            with self._client.turn(url):
                status, headers = browser.open(url)
            refused = status in (429, 503) or "/sorry/" in urlsplit(browser.url).path
            if not refused:
                break
            asked = retry_after(headers.get("retry-after"), time.time())
            if attempt == _TRIES or (asked or 0.0) > self._client.patience:
                raise EngineError(
                    f"{self.name}: {url}: the site refuses ({status}); try later, or another engine"
                )
            self._client.pause(url, asked)
        self._client.answered(url)
        if status >= 400:
            raise EngineError(f"{self.name}: {url}: the site answers {status}")
        pass_consent(browser, url, self._wait)
        if urlsplit(browser.url).netloc != urlsplit(url).netloc:
            raise EngineError(f"{self.name}: {url} leads to {browser.url}, which shows no results")

    def _further(self, browser: Browser, url: str) -> None:
        """Scroll to the end a screen at a time, press the button for more where there is one, and wait for something new."""
        count = int(browser.run(_COUNT))
        more = list(self._site.more)
        with self._client.turn(url):
            browser.run(_SCROLL)
        grown = f"({_COUNTED}) > {count}"
        ready = f"{_BUTTON} return {grown} || Boolean(button);"
        if browser.settle(self._wait, ready, more) and not browser.run(f"return {grown};"):
            with self._client.turn(url):
                browser.run(_PRESS, more)
            browser.settle(self._wait, f"return {grown};")

    def _found(self, result: dict[str, Any], query: str, rank: int) -> FoundImage:
        source, thumbnail = _addresses(result)
        return FoundImage(
            source=source or thumbnail,
            engine=self.name,
            query=query,
            rank=rank,
            page=one_line(result.get("page")),
            title=one_line(result.get("title")),
            thumbnail=thumbnail if source else "",
        )


def _addresses(result: Mapping[str, Any]) -> tuple[str, str]:
    """Return the addresses of a result's picture and of its thumbnail, each "" where there is none of the web.

    Google names some pictures `x-raw-image:///…`, which only their thumbnail shows.
    """
    return web_source(one_line(result.get("source"))), web_source(one_line(result.get("thumbnail")))


_COUNTED = "document.images.length + document.links.length"
_COUNT = f"return {_COUNTED};"

_SCROLL = """
    for (let step = 0; step < 40; step++) {
        window.scrollBy(0, window.innerHeight * 0.8);
        await new Promise((next) => setTimeout(next, 120));
        if (window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 2) break;
    }
"""

# The button for more results: one of the site's own selectors, or one that says so.
_BUTTON = r"""
    const words = new RegExp("^\\s*(" + [
        "(show|see|load|view) more( (results|images))?", "more results", "mehr (ergebnisse|bilder)( anzeigen)?", "mehr anzeigen",
        "weitere ergebnisse.*", "plus de résultats", "afficher plus.*", "ver más.*", "más resultados",
    ].join("|") + ")\\s*$", "i");
    const named = arguments[0].flatMap((selector) => [...document.querySelectorAll(selector)]);
    const spoken = [...document.querySelectorAll('button, input[type=button], input[type=submit], [role=button], a.btn')]
        .filter((one) => words.test((one.tagName === 'INPUT' ? one.value : one.innerText) || ''));
    const button = [...named, ...spoken]
        .find((one) => one.offsetParent !== null && one.getClientRects().length > 0 && !one.disabled);
"""

_PRESS = (
    _BUTTON
    + """
    if (button) {
        button.scrollIntoView({block: 'center'});
        button.click();
    }
"""
)
