"""The app of long work."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """The queue and its worker."""

    name = "kinema.web.jobs"
    label = "jobs"
