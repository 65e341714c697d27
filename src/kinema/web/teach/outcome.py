"""What a page shows of a training: the estimate as rows, the takes that were mistaken, and where to go next."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from kinema.data.takes import readiness
from kinema.web.teach.models import Project, Take


def standing(project: Project) -> dict[str, Any]:
    """Return whether the takes can be trained on, in words, and whether they changed since the last training."""
    ready = readiness(project.takes_by_label())
    kept = Take.objects.filter(action__project=project).exclude(state=Take.State.REFUSED)
    changed = bool(project.trained) and set(project.result.get("takes", [])) != set(
        kept.values_list("pk", flat=True)
    )
    return {"can_train": ready.can_train, "text": ready.text, "changed": changed}


def outcome(project: Project, request: HttpRequest) -> dict[str, Any] | None:
    """Return what came of the last training; None before the first."""
    if project.trained is None or not project.recognizer.is_dir():
        return None
    result = project.result
    estimate = result.get("estimate")
    takes = {
        str(take.pk): take
        for take in Take.objects.filter(action__project=project).select_related("action__project")
    }
    found: dict[str, Any] = {
        "verdict": result["verdict"],
        "badge": {"good": "good", "fair": "accent", "poor": "warning"}.get(result["verdict"]["level"], ""),
        "estimate": estimate,
        "mirrored": result.get("mirrored"),
        "problems": result.get("problems", []),
        "seconds": sum(result.get("seconds", {}).values()),
        "live": _live(project),
        "folder": shlex.quote(str(project.recognizer))
        if not settings.KINEMA_LOGIN
        else shlex.quote(project.name),
        "on_this_machine": not settings.KINEMA_LOGIN,
    }
    if estimate:
        found["labels"] = [row["label"] for row in estimate["labels"]]
        found["rows"] = [
            {
                **row,
                "cells": [
                    {"label": other, "count": number, "right": other == row["label"]}
                    for other, number in row["taken_for"].items()
                ],
            }
            for row in estimate["labels"]
        ]
        found["mistaken"] = [
            {**answer, "seen": takes.get(answer["take"]), "percent": round(100 * answer["probability"])}
            for answer in estimate["answers"]
            if not answer["right"]
        ]
        found["low"], found["high"] = round(100 * estimate["low"]), round(100 * estimate["high"])
    return found


def _live(project: Project) -> str:
    """Return the address of the live view with this recognizer and the browser's camera; empty where there is none."""
    try:
        address = reverse("live:index")
    except NoReverseMatch:
        return ""
    return f"{address}?{urlencode({'recognizer': project.key, 'source': 'browser'})}"
