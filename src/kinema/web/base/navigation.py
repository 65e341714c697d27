"""The places of the site, for the bar at the top; and how much work goes on."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from kinema.web.base.roles import is_admin

PLACES = (
    ("live", "Live", "live:index", "Watch a camera or a stream while it happens."),
    ("videos", "Videos", "videos:index", "Upload one and see what is in it, second by second."),
    ("review", "Events", "review:index", "Look through what was found; accept or correct it."),
    ("teach", "Teach", "teach:index", "Show it actions of your own, in two minutes."),
    ("runs", "Runs", "runs:index", "Train, compare, understand where it errs."),
    ("datasets", "Data", "datasets:index", "Browse, import and split labelled videos."),
    ("base", "Settings", "settings", "Alerts, thresholds, users, the API."),
)
_NO_PLACE = ("home", "login", "logout", "api-page", "health")


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Return the places, the one that is shown, whether the site asks for a login, and the open jobs."""
    match = getattr(request, "resolver_match", None)
    here = ""
    if match is not None:
        here = match.app_names[0] if match.app_names else "base"
        if here == "base" and match.url_name in _NO_PLACE:
            here = str(match.url_name)
    places = [
        {"key": key, "title": title, "url": url, "here": key == here, "text": text}
        for key, title, name, text in PLACES
        if (url := address(name))
    ]
    user = getattr(request, "user", None)
    return {
        "places": places,
        "at_home": here == "home",
        "with_login": settings.KINEMA_LOGIN,
        "may_settle": user is not None and is_admin(user),
        "open_jobs": SimpleLazyObject(_open_jobs),
    }


def address(name: str) -> str:
    """Return the address of a view, empty where its app is not there."""
    try:
        return str(reverse(name))
    except NoReverseMatch:
        return ""


def _open_jobs() -> dict[str, int]:
    from kinema.web.jobs.views import count_open

    try:
        return count_open()
    except DatabaseError:  # the page that says so must not fail as well
        return {"running": 0, "waiting": 0}
