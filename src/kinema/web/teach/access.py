"""Who sees which project: takes show people, so they are their owner's, and the administrators'."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from kinema.web.base.roles import is_admin
from kinema.web.teach.models import Action, Project, Take


def projects(user: Any) -> QuerySet[Project]:
    """Return the projects that a user may see and change."""
    return Project.objects.all() if is_admin(user) else Project.objects.filter(owner=user)


def project_of(user: Any, pk: int) -> Project:
    """Return one of them. Raises `Http404`."""
    return get_object_or_404(projects(user), pk=pk)


def action_of(user: Any, pk: int) -> Action:
    """Return an action of one of them. Raises `Http404`."""
    return get_object_or_404(Action.objects.select_related("project"), pk=pk, project__in=projects(user))


def take_of(user: Any, pk: int) -> Take:
    """Return a take of one of them. Raises `Http404`."""
    known = Take.objects.select_related("action__project")
    return get_object_or_404(known, pk=pk, action__project__in=projects(user))
