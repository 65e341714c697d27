"""What the first page shows of the live views: those that run."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse

from kinema.web.base.cards import Card
from kinema.web.live.hub import hub


def cards(request: HttpRequest) -> list[Card]:
    """Return a card for each live view that runs."""
    return [
        Card(
            one["title"],
            reverse("live:show", args=[one["session"]]),
            "Running now",
            text=f"{one['viewers']} viewer{'s' * (one['viewers'] != 1)}",
            badge=one["state"],
        )
        for one in hub().describe()
        if one["state"] in ("starting", "running")
    ]
