"""The JSON of /api/videos/. A result is what `kinema predict` writes as NAME.json."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.urls import reverse
from ninja import Field, Schema

from kinema.web.videos import predictions, uploads
from kinema.web.videos.models import Prediction, Video


class Problem(Schema):
    """What went wrong, in one line."""

    detail: str


class RecognizerOut(Schema):
    """A recognizer that can be asked; `key` names it."""

    key: str
    title: str
    model: str
    classes: list[str]


class PredictionOut(Schema):
    """What one recognizer says of a video, or how far it is."""

    id: int
    video: int
    recognizer: str
    title: str
    state: str = Field(description="queued, running, done, failed or cancelled")
    progress: float | None = Field(None, description="0 to 1")
    message: str = ""
    error: str = ""
    place: int | None = Field(None, description="in the queue, 1 for the next")
    label: str | None = None
    confidence: float | None = None
    events: int | None = None
    created: datetime
    url: str
    files: dict[str, str] = Field({}, description="addresses of the results, by kind")


class VideoOut(Schema):
    """An uploaded video."""

    id: int
    name: str
    state: str = Field(description="uploading, checking, ready or refused")
    reason: str = Field("", description="why it was refused")
    size: int = Field(description="bytes")
    offset: int = Field(description="bytes that are here")
    sha256: str = ""
    duration: float | None = Field(None, description="seconds")
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    created: datetime
    url: str
    thumbnail: str | None = None
    predictions: list[PredictionOut]


class VideoPage(Schema):
    """A page of videos, newest first."""

    count: int
    page: int
    pages: int
    videos: list[VideoOut]


class PredictIn(Schema):
    """Which recognizer to ask."""

    recognizer: str


class Segment(Schema):
    """A stretch of one most probable class; seconds."""

    start: float
    end: float
    label: str
    mean: float
    peak: float
    peak_time: float


class Row(Schema):
    """One sampled moment."""

    time: float
    full: bool
    energy: float | None = None
    probabilities: list[float]


class ResultOut(Schema):
    """What `kinema predict` writes as NAME.json."""

    video: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    seconds: float
    frames: int
    error: str
    recognizer: dict[str, Any]
    protocol: str
    classes: list[str]
    segments: list[Segment]
    event_rules: dict[str, Any] = Field(default_factory=dict)
    events: list[dict[str, Any]] = Field(default_factory=list)
    timeline: list[Row]


def video_values(video: Video) -> dict[str, Any]:
    """What `VideoOut` shows."""
    names = ("name", "state", "reason", "size", "sha256", "duration", "width", "height", "fps", "created")
    ready = video.state == Video.State.READY
    return {
        **{name: getattr(video, name) for name in names},
        "id": video.pk,
        "offset": uploads.offset_of(video),
        "url": video.get_absolute_url(),
        "thumbnail": reverse("videos:thumbnail", args=[video.pk]) if ready else None,
        "predictions": [prediction_values(found) for found in video.predictions.all()],
    }


def prediction_values(found: Prediction) -> dict[str, Any]:
    """What `PredictionOut` shows."""
    job = found.job
    names = [name for name in predictions.FILES if name != "view.json" and predictions.has(found, name)]
    return {
        "id": found.pk,
        "video": found.video_id,
        "recognizer": found.recognizer,
        "title": found.title,
        "state": found.state,
        "progress": 1.0 if found.done else job.progress if job else None,
        "message": job.message if job and not found.done else "",
        "error": job.error if job else "",
        "place": predictions.place(job),
        "label": found.label or None,
        "confidence": found.confidence,
        "events": found.events,
        "created": found.created,
        "url": found.get_absolute_url(),
        "files": {name: _address(found, name) for name in names},
    }


def _address(found: Prediction, name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return reverse("videos:result", args=[found.pk, stem, suffix])
