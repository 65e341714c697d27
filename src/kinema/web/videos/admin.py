"""Videos in Django's admin: to look, and to find what belongs to whom."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin

from kinema.web.videos.models import Prediction, Video


@admin.register(Video)
class VideoAdmin(admin.ModelAdmin):
    """Uploaded videos; they are deleted on their own page, which takes the files away as well."""

    list_display = ("name", "state", "size", "duration", "owner", "created")
    list_filter = ("state", "owner")
    search_fields = ("name", "sha256")
    readonly_fields: ClassVar = [field.name for field in Video._meta.fields]

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        return False

    def has_add_permission(self, request: object) -> bool:
        return False


@admin.register(Prediction)
class PredictionAdmin(admin.ModelAdmin):
    """What recognizers said of videos."""

    list_display = ("video", "title", "label", "confidence", "done", "created")
    list_filter = ("title", "label")
    readonly_fields: ClassVar = [field.name for field in Prediction._meta.fields]

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        return False

    def has_add_permission(self, request: object) -> bool:
        return False
