"""Jobs in Django's admin: to look at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from kinema.web.jobs.models import Job


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    """Read only: the queue belongs to its workers."""

    list_display = ("title", "kind", "state", "owner", "created", "ended")
    list_filter = ("state", "kind")
    search_fields = ("title",)

    def has_add_permission(self, request: Any) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        """No."""
        return False
