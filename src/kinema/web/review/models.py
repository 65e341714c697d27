"""Clips, what people decided on them, and how many votes a clip needs."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from kinema.mining.review import Candidate, ReviewRules, State, Verdict
from kinema.mining.review import Decision as Record


class Clip(models.Model):
    """A stretch of video up for review: a live event, or one that was mined. `kinema.web.review.clips.add_clip` makes them."""

    class Kind(models.TextChoices):
        """Where a clip comes from."""

        EVENT = "event", "live event"
        MINED = "mined", "mined"

    uid = models.CharField(max_length=255, unique=True, help_text="The event's id.")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.EVENT)
    label = models.CharField(max_length=200, help_text="What the recognizer says.")
    score = models.FloatField(null=True, blank=True, help_text="Peak probability of the label.")
    mean = models.FloatField(null=True, blank=True)
    source = models.CharField(max_length=300, blank=True)
    recognizer = models.CharField(max_length=200, blank=True)
    recorded = models.DateTimeField(help_text="When it happened, or when its file was made.")
    start = models.FloatField(null=True, blank=True, help_text="Seconds in the source.")
    end = models.FloatField(null=True, blank=True)
    clip_start = models.FloatField(
        null=True, blank=True, help_text="Where in the source the clip's file begins."
    )
    clip_end = models.FloatField(null=True, blank=True)
    clip = models.CharField(max_length=500, blank=True, help_text="Path below the site's folder.")
    thumbnail = models.CharField(max_length=500, blank=True, help_text="Path below the site's folder.")
    video = models.CharField(max_length=500, blank=True, help_text="Path or id of the video it is from.")
    family = models.CharField(max_length=100, blank=True, help_text="Near-duplicates share one.")
    known = models.CharField(
        max_length=200, null=True, blank=True, help_text="The answer, where it is known beforehand."
    )
    details = models.JSONField(default=dict, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    # What the decisions come to; kept here for the wall's filters, and written by `book` alone.
    state = models.CharField(
        max_length=10, choices=[(s.value, s.value) for s in State], default=State.NEW.value
    )
    agreed = models.CharField(max_length=200, blank=True)
    votes = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-recorded", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["-recorded", "-id"], name="review_newest"),
            models.Index(fields=["state", "-recorded"], name="review_state"),
            models.Index(fields=["label", "-recorded"], name="review_label"),
            models.Index(fields=["source", "-recorded"], name="review_source"),
            models.Index(fields=["family"], name="review_family"),
        ]

    def __str__(self) -> str:
        return f"{self.label} · {self.place or self.uid}"

    def get_absolute_url(self) -> str:
        """The page with its player and history."""
        return reverse("review:show", args=[self.pk])

    @property
    def shown_label(self) -> str:
        """The label that was agreed on, or the proposed one."""
        return self.agreed or self.label

    @property
    def place(self) -> str:
        """The source in a word or two: a file's name without its folders."""
        return self.source if "://" in self.source else PurePath(self.source.replace("\\", "/")).name

    @property
    def seconds(self) -> float | None:
        """How long the action lasts."""
        return None if self.start is None or self.end is None else self.end - self.start

    def candidate(self) -> Candidate:
        """The clip as the review's logic takes it."""
        return Candidate(
            uid=self.uid,
            label=self.label,
            group=self.group,
            score=self.score,
            start=self.start,
            end=self.end,
            path=self.clip,
            video=self.video,
            clip_start=self.clip_start,
            clip_end=self.clip_end,
            known=self.known,
        )

    @property
    def group(self) -> str:
        """What is never divided between training and test: the video, or a camera's day."""
        if self.video:
            return self.video
        live = self.kind == self.Kind.EVENT and self.details.get("began_at")
        return (
            f"{self.source} {timezone.localtime(self.recorded):%Y-%m-%d}" if live else self.source or self.uid
        )

    def describe(self) -> dict[str, Any]:
        """What scripts and the API are told: an event as `kinema watch --json` prints it, and where its review is."""
        return {
            "pk": self.pk,
            "id": self.uid,
            "kind": self.kind,
            "label": self.label,
            "start": self.start,
            "end": self.end,
            "peak": self.score,
            "mean": self.mean,
            "source": self.source,
            "recognizer": self.recognizer,
            "recorded": timezone.localtime(self.recorded).isoformat(),
            "clip": reverse("review:clip", args=[self.pk]) if self.clip else None,
            "thumbnail": reverse("review:thumbnail", args=[self.pk]) if self.thumbnail else None,
            "url": self.get_absolute_url(),
            "state": self.state,
            "agreed": self.agreed or None,
            "votes": self.votes,
            "family": self.family or None,
        }


class Decision(models.Model):
    """One record of a review; none is ever changed: taking one back is a record of its own, of verdict "undo"."""

    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="decisions")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="decisions"
    )
    name = models.CharField(max_length=150, help_text="The reviewer's, who may be gone.")
    verdict = models.CharField(max_length=10, choices=[(v.value, v.value) for v in Verdict])
    label = models.CharField(max_length=200, blank=True)
    when = models.DateTimeField(auto_now_add=True)
    undoes = models.OneToOneField("self", null=True, on_delete=models.CASCADE, related_name="undone_by")

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict} {self.label}".strip()

    def record(self) -> Record:
        """The decision as the review's logic takes it. Needs `clip`."""
        return Record(
            clip=self.clip.uid,
            reviewer=self.name,
            verdict=Verdict(self.verdict),
            label=self.label,
            when=self.when,
            id=str(self.pk),
            undoes=str(self.undoes_id or ""),
        )


class ReviewSettings(models.Model):
    """How many votes a clip needs; one row."""

    need = models.PositiveSmallIntegerField(default=1)
    of = models.PositiveSmallIntegerField(default=1)
    pots_every = models.PositiveSmallIntegerField(default=10)

    class Meta:
        verbose_name_plural = "review settings"

    def __str__(self) -> str:
        return f"{self.need} of {self.of}"

    @classmethod
    def rules(cls) -> ReviewRules:
        """The rules in force."""
        row = cls.objects.first()
        return ReviewRules(row.need, row.of, row.pots_every) if row else ReviewRules()
