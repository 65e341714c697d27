"""Allowed sources in Django's admin."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin

from kinema.web.live.models import AllowedSource


@admin.register(AllowedSource)
class AllowedSourceAdmin(admin.ModelAdmin):
    """The list of what may be watched."""

    list_display: ClassVar = ["name", "shown_address", "enabled"]
    list_filter: ClassVar = ["enabled"]
    search_fields: ClassVar = ["name", "address"]
