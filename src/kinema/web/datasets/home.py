"""What the first page shows of the data: the manifests that were made last."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpRequest
from django.urls import reverse

from kinema.web.base.cards import Card
from kinema.web.datasets.catalogue import made_here

_SHOWN = 4


def cards(request: HttpRequest) -> list[Card]:
    """Return a card for each."""
    return [
        Card(
            one.title,
            reverse("datasets:manifest", args=[one.key]),
            "Latest data",
            when=datetime.fromtimestamp(one.path.stat().st_mtime, UTC),
        )
        for one in made_here()[:_SHOWN]
    ]
