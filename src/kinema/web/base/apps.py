"""The app of what all pages share."""

from django.apps import AppConfig


class BaseConfig(AppConfig):
    """Look, login, errors, files."""

    name = "kinema.web.base"
    label = "base"
