"""Settings, alerts: receivers, rules, a test."""

from __future__ import annotations

import os
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kinema.web.base import alerts
from kinema.web.base.alert_forms import ReceiverForm, RuleForm
from kinema.web.base.errors import wants_json
from kinema.web.base.models import AlertRule, Receiver
from kinema.web.base.roles import admin_required

_FORM = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@admin_required
def index(request: HttpRequest) -> HttpResponse:
    """Receivers and rules."""
    rules = list(AlertRule.objects.select_related("receiver"))
    told = {rule.receiver_id for rule in rules if rule.enabled}
    receivers = [
        {"receiver": receiver, "told": receiver.pk in told, "variables": _variables(receiver)}
        for receiver in Receiver.objects.all()
    ]
    return render(
        request,
        "base/alerts.html",
        {"receivers": receivers, "rules": rules, "kinds": Receiver.Kind.choices},
    )


@_FORM
@admin_required
def new_receiver(request: HttpRequest, kind: str) -> HttpResponse:
    """Add a receiver."""
    if kind not in Receiver.Kind.values:
        raise Http404(f"no receivers of kind {kind[:40]!r}")
    return _receiver(request, kind, None)


@_FORM
@admin_required
def change_receiver(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a receiver."""
    receiver = get_object_or_404(Receiver, pk=pk)
    return _receiver(request, receiver.kind, receiver)


@require_POST
@admin_required
def delete_receiver(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove a receiver and its rules."""
    receiver = get_object_or_404(Receiver, pk=pk)
    receiver.delete()
    messages.success(request, f"{receiver.name} is gone.")
    return redirect("alerts")


@require_POST
@admin_required
def test_receiver(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test, and say how it went; takes some seconds where nobody answers."""
    well, said = alerts.try_out(get_object_or_404(Receiver, pk=pk))
    if wants_json(request):
        return JsonResponse({"well": well, "said": said})
    (messages.success if well else messages.error)(request, said)
    return redirect("alerts")


@_FORM
@admin_required
def new_rule(request: HttpRequest) -> HttpResponse:
    """Add a rule."""
    if not Receiver.objects.exists():
        messages.info(request, "A rule needs somebody to tell: add a receiver first.")
        return redirect("alerts")
    return _rule(request, None)


@_FORM
@admin_required
def change_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a rule."""
    return _rule(request, get_object_or_404(AlertRule, pk=pk))


@require_POST
@admin_required
def delete_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove a rule."""
    get_object_or_404(AlertRule, pk=pk).delete()
    messages.success(request, "The rule is gone.")
    return redirect("alerts")


@require_safe
@admin_required
def as_file(request: HttpRequest) -> HttpResponse:
    """The rules as a file for `kinema watch --alerts`."""
    answer = HttpResponse(alerts.whole_file(), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="alerts.toml"'
    return answer


def _receiver(request: HttpRequest, kind: str, receiver: Receiver | None) -> HttpResponse:
    form = ReceiverForm(kind, receiver, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        if receiver is None and not AlertRule.objects.filter(receiver=saved).exists():
            AlertRule.objects.create(receiver=saved)
            messages.success(
                request, f"{saved.name} is told of every event. Send a test, or narrow its rule."
            )
        else:
            messages.success(request, f"{saved.name} is saved.")
        return redirect("alerts")
    account = str(form.data.get("account", "") or form.initial.get("account") or "")
    return render(
        request,
        "base/receiver.html",
        {
            "form": form,
            "receiver": receiver,
            "kind": Receiver.Kind(kind).label,
            "variables": [(name, name in os.environ) for name in alerts.variables(kind, account)],
        },
        status=422 if form.is_bound else 200,
    )


def _rule(request: HttpRequest, rule: AlertRule | None) -> HttpResponse:
    form = RuleForm(request.POST if request.method == "POST" else None, instance=rule)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "The rule is saved; live views that run already keep the old one.")
        return redirect("alerts")
    return render(
        request, "base/rule.html", {"form": form, "rule": rule}, status=422 if form.is_bound else 200
    )


def _variables(receiver: Receiver) -> list[tuple[str, bool]]:
    account: Any = receiver.settings.get("account", "")
    return [(name, name in os.environ) for name in alerts.variables(receiver.kind, account)]
