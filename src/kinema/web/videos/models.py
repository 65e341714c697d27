"""An uploaded video, and what a recognizer said of it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse

from kinema.web.folder import site
from kinema.web.jobs.models import Job

ORIGINAL = "original"
"""The stem of the stored file, and so of what a prediction writes of it."""


def _token() -> str:
    return uuid.uuid4().hex


class Video(models.Model):
    """One uploaded video. `name` is the user's and only shown; `file` is where it lies below the site's folder."""

    class State(models.TextChoices):
        """How far it is."""

        UPLOADING = "uploading", "uploading"
        CHECKING = "checking", "being checked"
        READY = "ready", "ready"
        REFUSED = "refused", "refused"

    name = models.CharField(max_length=255)
    file = models.CharField(max_length=200, blank=True)
    size = models.BigIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64, blank=True)
    duration = models.FloatField(null=True, help_text="Seconds.")
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    fps = models.FloatField(null=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.UPLOADING, db_index=True)
    reason = models.TextField(blank=True, help_text="Why it was refused.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created = models.DateTimeField(auto_now_add=True)
    token = models.CharField(
        max_length=32, unique=True, default=_token, help_text="Names its upload in addresses."
    )
    key = models.CharField(
        max_length=64, blank=True, help_text="Given by the client, so that a begun upload is found again."
    )
    expires = models.DateTimeField(null=True, help_text="When an unfinished upload is thrown away.")
    wanted = models.CharField(
        max_length=200, blank=True, help_text="The recognizer that is to look at it once it is ready."
    )
    job = models.ForeignKey(
        Job, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Of the check."
    )

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "key"], condition=~models.Q(key=""), name="one_upload_a_key"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("videos:show", args=[self.pk])

    @property
    def folder(self) -> Path:
        """Where everything of it lies; not made here, so that a deleted video's does not come back."""
        return site().root / "videos" / str(self.pk)

    @property
    def path(self) -> Path:
        """The uploaded file, once it is whole."""
        return site().root / self.file

    @property
    def thumbnail(self) -> Path:
        """A picture of it; there once it is ready."""
        return self.folder / "thumbnail.jpg"

    @property
    def percent(self) -> int:
        """How much of an upload is here."""
        from kinema.web.videos.uploads import offset_of

        return int(100 * offset_of(self) / max(1, self.size))


class Prediction(models.Model):
    """What one recognizer says of one video; the files are those of `kinema predict`, in `folder`."""

    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="predictions")
    recognizer = models.CharField(max_length=200, help_text="The key of the recognizer (`Choice.key`).")
    title = models.CharField(max_length=200)
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="prediction")
    created = models.DateTimeField(auto_now_add=True)
    done = models.BooleanField(default=False)
    label = models.CharField(max_length=200, blank=True)
    confidence = models.FloatField(null=True)
    events = models.PositiveIntegerField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.video} with {self.title}"

    def get_absolute_url(self) -> str:
        """The video's page with this prediction."""
        return f"{self.video.get_absolute_url()}?prediction={self.pk}"

    @property
    def folder(self) -> Path:
        """Where its results lie; not made here."""
        return self.video.folder / "predictions" / str(self.pk)

    @property
    def state(self) -> str:
        """As `Job.State`."""
        if self.done:
            return str(Job.State.DONE)
        return str(self.job.state if self.job else Job.State.CANCELLED)

    @property
    def running(self) -> bool:
        """Whether something may still come of it."""
        return self.job is not None and not self.done and not self.job.over

    def result(self, suffix: str) -> Path:
        """The file that `kinema predict` writes for the video with that suffix."""
        return self.folder / f"{ORIGINAL}.{suffix}"
