"""The app of teaching."""

from django.apps import AppConfig


class TeachConfig(AppConfig):
    """Projects, actions, takes."""

    name = "kinema.web.teach"
    label = "teach"
