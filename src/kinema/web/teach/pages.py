"""Pages of teaching: the projects, one of them, and what is changed there."""

from __future__ import annotations

import shutil
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from kinema.data.takes import NOTHING, checked_label
from kinema.errors import KinemaError, UsageError
from kinema.web.base.files import send_file
from kinema.web.teach import access, receiving
from kinema.web.teach.models import Action, Project
from kinema.web.teach.outcome import outcome, standing

_MOST_ACTIONS = 20


def index(request: HttpRequest) -> HttpResponse:
    """All projects; a form for a new one."""
    labels = request.POST.getlist("label") if request.method == "POST" else []
    problem = ""
    if request.method == "POST":
        try:
            return redirect(_create(request, labels))
        except KinemaError as error:
            problem = str(error)
    found = access.projects(request.user).annotate(takes=receiving.counted()).prefetch_related("actions")
    fields = [*labels, "", "", ""][: max(3, len(labels))]
    context = {
        "projects": found,
        "problem": problem,
        "labels": list(zip(fields, ["wave", "clap", ""] + [""] * len(fields), strict=False)),
        "with_nothing": request.method != "POST" or "nothing" in request.POST,
    }
    return render(request, "teach/index.html", context, status=400 if problem else 200)


@require_safe
def project(request: HttpRequest, pk: int) -> HttpResponse:
    """Record takes, train, and see what came of it."""
    found = access.project_of(request.user, pk)
    actions = list(found.actions.prefetch_related("takes"))
    context = {
        "project": found,
        "actions": actions,
        "standing": standing(found),
        "outcome": outcome(found, request),
        "job": found.training,
        "most_mb": receiving.MOST_BYTES // 2**20,
    }
    return render(request, "teach/project.html", context)


@require_safe
def state(request: HttpRequest, pk: int) -> HttpResponse:
    """What the page's script asks for while takes are looked at."""
    found = access.project_of(request.user, pk)
    takes = [
        take.describe() for action in found.actions.prefetch_related("takes") for take in action.takes.all()
    ]
    return JsonResponse({"takes": takes, "standing": standing(found)})


@require_POST
def add_action(request: HttpRequest, pk: int) -> HttpResponse:
    """One more action."""
    found = access.project_of(request.user, pk)
    try:
        _add(found, request.POST.get("label", ""))
    except KinemaError as error:
        messages.error(request, str(error))
    return redirect(found)


@require_POST
def delete_action(request: HttpRequest, pk: int) -> HttpResponse:
    """An action and its takes."""
    action = access.action_of(request.user, pk)
    for take in action.takes.select_related("action__project"):
        take.remove_files()
    action.delete()
    return redirect(action.project)


@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """The title, mirrored pictures, pauses."""
    found = access.project_of(request.user, pk)
    title = " ".join(request.POST.get("title", "").split())[:120]
    found.title = title or found.title
    found.mirror = {"yes": True, "no": False}.get(request.POST.get("mirror", ""))
    found.pauses = "pauses" in request.POST
    found.save(update_fields=["title", "mirror", "pauses"])
    messages.success(request, "Saved.")
    return redirect(found)


@require_POST
def train(request: HttpRequest, pk: int) -> HttpResponse:
    """Put the training in line."""
    found = access.project_of(request.user, pk)
    ready = standing(found)
    if not ready["can_train"]:
        messages.error(request, ready["text"])
    else:
        receiving.train_soon(found, request.user)
    return redirect(found)


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """A project with its takes and its recognizer."""
    found = access.project_of(request.user, pk)
    receiving.forget(found)
    for folder in (found.folder, found.recognizer):
        shutil.rmtree(folder, ignore_errors=True)
    found.delete()
    messages.success(request, f"{found.title}: its takes and its recognizer are deleted.")
    return redirect("teach:index")


async def download(request: HttpRequest, pk: int) -> Any:
    """The recognizer as a zip."""
    from asgiref.sync import sync_to_async

    found = await sync_to_async(access.project_of)(request.user, pk)
    if found.trained is None:
        raise Http404
    return await send_file(request, found.folder / "recognizer.zip", download=f"{found.name}.zip")


@transaction.atomic
def _create(request: HttpRequest, labels: list[str]) -> Project:
    given = [label for label in labels if label.strip()]
    if "nothing" in request.POST:
        given.append(NOTHING)
    if len([label for label in given if label.strip().casefold() != NOTHING]) < 1 or len(given) < 2:
        raise UsageError("name two actions at least: a recognizer tells one from the other")
    project = Project.objects.create(title="", owner=request.user)
    for label in dict.fromkeys(given):
        _add(project, label)
    project.title = ", ".join(a.label for a in project.actions.all() if not a.is_nothing)[:120]
    project.save(update_fields=["title"])
    return project


def _add(project: Project, text: str) -> Action:
    others = list(project.actions.values_list("label", flat=True))
    if len(others) >= _MOST_ACTIONS:
        raise UsageError(
            f"{_MOST_ACTIONS} actions are the most that a project has; `kinema train` takes any number"
        )
    return Action.objects.create(project=project, label=checked_label(text, others))
