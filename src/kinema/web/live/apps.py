"""The app of the live page."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save


class LiveConfig(AppConfig):
    """Sources, engines, viewers."""

    name = "kinema.web.live"
    label = "live"

    def ready(self) -> None:
        """Have a source that an administrator changes or takes off the list end where it is watched."""
        for signal in (post_save, post_delete):
            signal.connect(_changed, sender="live.AllowedSource")


def _changed(instance: Any, **about: Any) -> None:
    from kinema.web.live.hub import withdraw

    withdraw(f"source-{instance.pk}")
