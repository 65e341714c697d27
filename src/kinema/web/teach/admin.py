"""Projects for administrators."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from kinema.web.teach.models import Action, Project


class _Actions(admin.TabularInline):  # type: ignore[type-arg]
    model = Action
    extra = 0
    can_delete = False  # the page takes the files of its takes away, too


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Title, owner, actions."""

    list_display = ("title", "owner", "created", "trained")
    inlines = (_Actions,)
    readonly_fields = ("training", "result", "trained")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A project is deleted on its page, which takes its takes and its recognizer away, too."""
        return False
