"""The app of events and their review."""

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    """Events, clips, decisions."""

    name = "kinema.web.review"
    label = "review"
    verbose_name = "Events and review"
