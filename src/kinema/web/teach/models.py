"""A project, its actions, and the takes of each."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.text import slugify

from kinema.web.folder import site
from kinema.web.jobs.models import Job
from kinema.web.recognizers import key_of


class Project(models.Model):
    """Some actions that are taught together; `result` is what the last training wrote (see `tasks.train`)."""

    title = models.CharField(max_length=120)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created = models.DateTimeField(auto_now_add=True)
    mirror = models.BooleanField(
        null=True, help_text="Learn from mirrored pictures too; empty: unless an action names left or right."
    )
    pauses = models.BooleanField(default=True, help_text="Learn 'nothing' from the pauses between takes.")
    training = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    result = models.JSONField(default=dict)
    trained = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("teach:project", args=[self.pk])

    @property
    def folder(self) -> Path:
        """Where its takes lie."""
        return site().place("teach", str(self.pk))

    @property
    def name(self) -> str:
        """The name of its recognizer's folder; it stays, whatever the title becomes, so that links keep working."""
        return str(self.result.get("name") or f"{slugify(self.title)[:40] or 'taught'}-{self.pk}")

    @property
    def recognizer(self) -> Path:
        """Where its recognizer lies, or will."""
        return site().place("taught") / self.name

    @property
    def key(self) -> str:
        """The key of its recognizer (`kinema.web.recognizers`)."""
        return key_of(self.recognizer)

    def takes_by_label(self) -> dict[str, int]:
        """Return how many takes each action has that are not refused."""
        kept = models.Count("takes", filter=models.Q(takes__state__in=[Take.State.WAITING, Take.State.READY]))
        return {action.label: action.kept for action in self.actions.annotate(kept=kept).order_by("id")}  # type: ignore[attr-defined]

    def waiting(self) -> models.QuerySet[Take]:
        """Return the takes that nobody has looked at yet, the oldest first."""
        return Take.objects.filter(action__project=self, state=Take.State.WAITING).order_by("id")


class Action(models.Model):
    """One action of a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="actions")
    label = models.CharField(max_length=40)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "label"], name="one_label_a_project")
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_nothing(self) -> bool:
        """Whether it stands for doing none of the others."""
        from kinema.data.takes import (
            NOTHING,
        )  # the room of data is too much for each process that sets Django up

        return self.label == NOTHING


class Take(models.Model):
    """One short video of an action. What came from a browser is `upload` until it was decoded and written anew as `clip`."""

    class State(models.TextChoices):
        """Where a take is."""

        WAITING = "waiting", "reading"
        READY = "ready", "ready"
        REFUSED = "refused", "refused"

    action = models.ForeignKey(Action, on_delete=models.CASCADE, related_name="takes")
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING, db_index=True)
    reason = models.CharField(max_length=300, blank=True)
    original = models.CharField(max_length=120, blank=True, help_text="The name of a dropped clip.")
    pause = models.BooleanField(default=False, help_text="Recorded between two takes.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of what was uploaded.")
    seconds = models.FloatField(null=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.action} {self.uid}"

    @property
    def upload(self) -> Path:
        """What the browser sent."""
        return self._file(".upload")

    @property
    def clip(self) -> Path:
        """The take as kinema wrote it."""
        return self._file(".mp4")

    @property
    def thumbnail(self) -> Path:
        """A picture from its middle."""
        return self._file(".jpg")

    def remove_files(self) -> None:
        """Delete what lies on the disk."""
        for path in (self.upload, self.clip, self.thumbnail):
            path.unlink(missing_ok=True)

    def describe(self) -> dict[str, Any]:
        """What the page's script is told."""
        ready = self.state == self.State.READY
        return {
            "id": self.pk,
            "action": self.action_id,
            "state": self.state,
            "said": self.get_state_display(),
            "reason": self.reason,
            "pause": self.pause,
            "seconds": self.seconds,
            "clip": reverse("teach:clip", args=[self.pk]) if ready else "",
            "thumbnail": reverse("teach:thumbnail", args=[self.pk]) if ready else "",
            "delete": reverse("teach:delete_take", args=[self.pk]),
        }

    def _file(self, suffix: str) -> Path:
        return self.action.project.folder / f"{self.uid.hex}{suffix}"
