"""The app of uploaded videos."""

from django.apps import AppConfig


class VideosConfig(AppConfig):
    """Uploads, predictions and their pages."""

    name = "kinema.web.videos"
    label = "videos"
