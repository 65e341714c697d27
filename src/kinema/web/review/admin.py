"""The review in Django's admin: to look at; decisions are never changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from kinema.web.review.models import Clip, Decision, ReviewSettings

admin.site.register(ReviewSettings)


@admin.register(Clip)
class ClipAdmin(admin.ModelAdmin):
    """Clips."""

    list_display = ("label", "source", "score", "recorded", "state", "agreed", "votes")
    list_filter = ("kind", "state")
    search_fields = ("label", "source", "uid")
    readonly_fields = ("state", "agreed", "votes", "created")
    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A clip is deleted on its page, which takes its files away too."""
        return False


@admin.register(Decision)
class DecisionAdmin(admin.ModelAdmin):
    """Decisions."""

    list_display = ("when", "name", "verdict", "label", "clip")
    list_select_related = ("clip",)
    list_filter = ("verdict",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Decisions are made on the review's pages."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes a record."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Decisions go with their clip."""
        return False
