"""A job: what is to be done, how far it is, what came of it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse


class Job(models.Model):
    """One piece of long work. `kind` names a function that an app registered (`kinema.web.jobs.kinds.job`)."""

    class State(models.TextChoices):
        """Where a job is."""

        QUEUED = "queued", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    arguments = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    progress = models.FloatField(null=True, help_text="0 to 1; empty while nobody can say.")
    message = models.CharField(max_length=300, blank=True)
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True, help_text="One line, as the command line would print it.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)
    claim = models.CharField(max_length=32, blank=True, help_text="Of the worker that has it.")
    beat = models.DateTimeField(null=True, help_text="When its worker last said that it lives.")
    attempts = models.PositiveSmallIntegerField(default=0)
    losses = models.PositiveSmallIntegerField(default=0, help_text="How often its worker died.")
    cancelling = models.BooleanField(default=False)
    settled = models.BooleanField(
        default=False, editable=False, help_text="Whether what its kind wants done afterwards is done."
    )

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=models.Q(settled=False), name="jobs_not_settled"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.state})"

    def get_absolute_url(self) -> str:
        """The page that shows how far it is."""
        return reverse("jobs:show", args=[self.pk])

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in (self.State.DONE, self.State.FAILED, self.State.CANCELLED)

    def describe(self) -> dict[str, Any]:
        """What scripts and the API are told."""
        return {
            "id": self.pk,
            "kind": self.kind,
            "title": self.title,
            "state": self.state,
            "progress": self.progress,
            "message": self.message,
            "result": self.result,
            "error": self.error,
            "created": self.created.isoformat(),
            "started": self.started.isoformat() if self.started else None,
            "ended": self.ended.isoformat() if self.ended else None,
            "url": self.get_absolute_url(),
        }
