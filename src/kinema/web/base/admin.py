"""Settings in Django's admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from kinema.web.base.models import AlertRule, ApiToken, Receiver, Thresholds


@admin.register(AlertRule)
class AlertRuleAdmin(admin.ModelAdmin):
    """When whom to tell."""

    list_display = ("receiver", "recognizer", "labels", "when", "enabled")


class _ReadOnly(admin.ModelAdmin):
    """What only the site's own pages write: they check it."""

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False


@admin.register(Receiver)
class ReceiverAdmin(_ReadOnly):
    """Receivers."""

    list_display = ("name", "kind", "enabled", "tested", "said")


@admin.register(Thresholds)
class ThresholdsAdmin(_ReadOnly):
    """Event rules."""

    list_display = ("recognizer", "changed")


@admin.register(ApiToken)
class ApiTokenAdmin(_ReadOnly):
    """Tokens; deleting one revokes it."""

    list_display = ("name", "user", "start", "created", "used", "revoked")
