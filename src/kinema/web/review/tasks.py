"""Long work of the review."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from kinema.web.jobs.kinds import Progress, job


@job("review-import")
def import_watch_folder(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Bring the events of a folder of `kinema watch` into the site."""
    from kinema.web.review.importing import import_events, watch_folder

    found = import_events(watch_folder(str(arguments["folder"])), progress)
    return {**found, "url": reverse("review:index")}


@job("review-mined")
def import_mined_folder(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Bring the clips of a folder of `kinema mine clips` into the site."""
    from kinema.web.review.mined import import_mined, mined_folder

    found = import_mined(mined_folder(str(arguments["folder"])), progress)
    return {**found, "url": reverse("review:index")}
