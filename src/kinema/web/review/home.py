"""What the review puts onto the first page."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse

from kinema.web.base.cards import Card
from kinema.web.review.models import Clip

_SHOWN = 4


def cards(request: HttpRequest) -> list[Card]:
    """Return the latest clips."""
    return [
        Card(
            clip.shown_label,
            clip.get_absolute_url(),
            "Latest events",
            text=clip.place,
            picture=reverse("review:thumbnail", args=[clip.pk]) if clip.thumbnail else "",
            badge=f"{clip.score:.0%}" if clip.score is not None else "",
            when=clip.recorded,
        )
        for clip in Clip.objects.defer("details")[:_SHOWN]
    ]
