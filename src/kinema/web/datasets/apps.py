"""The app of labelled data."""

from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    """Manifests, their clips, and what is done with them."""

    name = "kinema.web.datasets"
    label = "datasets"
    verbose_name = "Data"
