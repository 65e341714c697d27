"""What settings keep: receivers of alerts and when they are told, thresholds of recognizers, API tokens. No secrets."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class Receiver(models.Model):
    """Who is told: a mailbox, a webhook or an MQTT broker. `settings`: those of a table of `alerts.toml`."""

    class Kind(models.TextChoices):
        """The table of `alerts.toml`."""

        MAIL = "mail", "Mail"
        WEBHOOK = "webhook", "Webhook"
        MQTT = "mqtt", "MQTT"

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    settings = models.JSONField(default=dict)
    enabled = models.BooleanField(default=True)
    tested = models.DateTimeField(null=True, editable=False)
    tested_well = models.BooleanField(null=True, editable=False)
    said = models.CharField(max_length=300, blank=True, editable=False, help_text="What the last test said.")

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class AlertRule(models.Model):
    """When a receiver is told: which events, of which recognizer, at which end of them."""

    class When(models.TextChoices):
        """As `when` of `alerts.toml`."""

        END = "end", "when it has ended"
        BEGIN = "begin", "when it begins"
        BOTH = "both", "when it begins and when it has ended"

    receiver = models.ForeignKey(Receiver, on_delete=models.CASCADE, related_name="rules")
    recognizer = models.CharField(max_length=160, blank=True, help_text="The key of one; empty: of all.")
    labels = models.JSONField(default=list, help_text="Empty: every event.")
    when = models.CharField(max_length=5, choices=When.choices, default=When.END)
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["receiver__name", "id"]

    def __str__(self) -> str:
        return f"{', '.join(self.labels) or 'every event'} to {self.receiver}"


class Thresholds(models.Model):
    """The event rules of a recognizer on this site, in place of its own. `rules`: `EventRules.to_dict`."""

    recognizer = models.CharField(max_length=160, unique=True)
    rules = models.JSONField(default=dict)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "thresholds"

    def __str__(self) -> str:
        return self.recognizer


class ApiToken(models.Model):
    """A token of a user for the API; only its hash is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    hash = models.CharField(max_length=64, unique=True, editable=False)
    start = models.CharField(
        max_length=16, editable=False, help_text="Its first letters, to tell tokens apart."
    )
    created = models.DateTimeField(auto_now_add=True)
    used = models.DateTimeField(null=True, editable=False)
    revoked = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"
