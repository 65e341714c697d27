"""Openverse: 800 million openly licensed images behind a JSON API (https://api.openverse.org/v1/), no key needed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from kinema.mining.images.engines import EngineSettings, register_engine
from kinema.mining.images.found import EngineError, FoundImage, Query, one_line, web_source
from kinema.mining.images.polite import PoliteClient
from kinema.mining.images.replies import UnavailableError

ADDRESS = "https://api.openverse.org/v1/images/"
ADDRESS_VARIABLE = "KINEMA_OPENVERSE_ADDRESS"
"""Names another address of the API, a mirror or a test."""
TOKEN_VARIABLE = "KINEMA_OPENVERSE_TOKEN"
"""A registered user's access token, for higher limits than an anonymous one has."""

_PAGE = 20  # what the API gives at most to those without a key
_LICENCES = {"any": "", "open": "", "commercial": "commercial", "modification": "modification"}


class Openverse:
    """The engine. `licence`: any, open (the same here), commercial or modification (the use that must be allowed)."""

    name = "openverse"

    def __init__(
        self,
        client: PoliteClient,
        *,
        licence: str = "any",
        address: str | None = None,
        token: str | None = None,
    ) -> None:
        self._client = client
        self._address = address or os.environ.get(ADDRESS_VARIABLE) or ADDRESS
        client.trust(self._address)
        self._licence = _LICENCES[licence]
        token = token or os.environ.get(TOKEN_VARIABLE)
        self._headers = {"Accept": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )

    def search(self, query: Query, wanted: int) -> Iterator[FoundImage]:
        """Yield the images of page after page, until the last or the caller stops. Raises `EngineError`."""
        rank = page = 0
        pages = 1
        while page < pages:
            page += 1
            answer = self._page(query.text, page)
            if answer is None:
                return
            pages = answer["page_count"]
            for result in answer["results"]:
                if isinstance(result, dict) and web_source(one_line(result.get("url"))):
                    rank += 1
                    yield _found(result, query.text, rank)

    def close(self) -> None:
        """Nothing is held open."""

    def _page(self, text: str, page: int) -> dict[str, Any] | None:
        """Return an answer of the API; None behind the last page that it gives."""
        wishes = {"q": text, "page": page, "page_size": _PAGE, "mature": "false"}
        if self._licence:
            wishes["license_type"] = self._licence
        separator = "&" if "?" in self._address else "?"
        url = f"{self._address}{separator}{urlencode(wishes)}"
        try:
            reply = self._client.get(url, headers=self._headers, kind="page.json", robots=False)
        except UnavailableError as error:
            # Without a key the API ends after some pages with 400 or 401, whatever it said of their number.
            if page > 1 and not error.passing and error.reason.startswith(("400", "401", "404")):
                return None
            raise EngineError(f"openverse: {error}") from error
        try:
            answer = json.loads(reply.body)
            pages = int(answer.get("page_count") or 0)
            if not isinstance(answer["results"], list):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EngineError(
                f"openverse: {url}: no answer of Openverse's API; check {ADDRESS_VARIABLE}"
            ) from error
        return {**answer, "page_count": pages}


def _found(result: Mapping[str, Any], query: str, rank: int) -> FoundImage:
    given = {name: one_line(value) for name, value in result.items()}
    licence = f"{given.get('license', '')} {given.get('license_version', '')}".strip()
    return FoundImage(
        source=web_source(given["url"]),
        engine="openverse",
        query=query,
        rank=rank,
        page=given.get("foreign_landing_url", ""),
        title=given.get("title", ""),
        author=given.get("creator", ""),
        licence=licence if licence.startswith(("cc0", "pdm")) or not licence else f"cc {licence}",
        licence_url=given.get("license_url", ""),
        thumbnail=web_source(given.get("thumbnail", "")),
    )


@register_engine("openverse")
def _openverse(settings: EngineSettings) -> Openverse:
    return Openverse(settings.client, licence=settings.licence)
