"""The app of runs."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    """Runs and trainings."""

    name = "kinema.web.runs"
    label = "runs"
