"""The newest videos, for the first page."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse

from kinema.web.base.cards import Card
from kinema.web.videos.models import Video

_MANY = 4


def cards(request: HttpRequest) -> list[Card]:
    """Return a card of each of the newest videos: its picture, and what was seen in it."""
    return [_card(video) for video in Video.objects.prefetch_related("predictions__job")[:_MANY]]


def _card(video: Video) -> Card:
    ready = video.state == Video.State.READY
    done = next((found for found in video.predictions.all() if found.done), None)
    return Card(
        video.name,
        video.get_absolute_url(),
        "Latest videos",
        text=f"{video.duration:.1f} s" if video.duration is not None else "",
        picture=reverse("videos:thumbnail", args=[video.pk]) if ready else "",
        badge=done.label if done else "" if ready else video.get_state_display(),
        when=video.created,
    )
