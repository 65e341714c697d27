"""What apps put onto the first page: `home.py` with `cards(request) -> list[Card]`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from kinema.web.routes import modules

log = logging.getLogger("kinema.web")
_OF_EACH = 4


@dataclass(frozen=True)
class Card:
    """A thing that happened or lies there: `picture` is an address, `section` the heading that cards share."""

    title: str
    url: str
    section: str
    text: str = ""
    picture: str = ""
    badge: str = ""
    when: datetime | None = None


def cards(request: HttpRequest) -> dict[str, list[Card]]:
    """Return the cards of all apps, a few of each section; an app that fails is left out, and logged."""
    found: dict[str, list[Card]] = {}
    for label, module in modules("home"):
        try:
            for card in module.cards(request):
                section = found.setdefault(card.section, [])
                if len(section) < _OF_EACH:
                    section.append(card)
        except Exception:  # the first page is for getting away from what is broken
            log.exception("cards of %s", label)
    return found
