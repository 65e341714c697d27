"""Who may do what: admins everything; reviewers all but settings, users and where pictures may come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

ADMINS, REVIEWERS = "admins", "reviewers"
ROLES = ((REVIEWERS, "reviewer"), (ADMINS, "admin"))


def is_admin(user: Any) -> bool:
    """Return whether a user may change settings, users and allowed sources."""
    return bool(user.is_authenticated and user.is_active and user.is_superuser)


def role_of(user: Any) -> str:
    """Return the name of a user's group: `ADMINS` or `REVIEWERS`."""
    return ADMINS if user.is_superuser else REVIEWERS


def give_role(user: Any, role: str) -> None:
    """Make a saved user an admin or a reviewer."""
    group, _ = Group.objects.get_or_create(name=role)
    user.is_staff = user.is_superuser = role == ADMINS
    user.save(update_fields=["is_staff", "is_superuser"])
    user.groups.set([group])


def admin_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Decorate a view that only admins may use; others get 403 in words."""

    @wraps(view)
    def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        if not is_admin(request.user):
            raise PermissionDenied("Only an admin of this site may do this.")
        return view(request, *arguments, **named)

    return guarded
