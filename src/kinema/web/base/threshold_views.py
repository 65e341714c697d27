"""Settings, thresholds: when the probabilities of a recognizer become events."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from kinema.errors import KinemaError
from kinema.events import EventRules
from kinema.web.base.alerts import event_rules, own_rules
from kinema.web.base.models import Thresholds
from kinema.web.base.roles import admin_required
from kinema.web.recognizers import Choice, recognizer, recognizers

_OF_A_LABEL = ("enter", "leave", "min_seconds", "consecutive", "merge_gap", "cooldown")


class RulesForm(forms.Form):
    """The settings of `EventRules` that people change."""

    enter = forms.FloatField(
        min_value=0, max_value=1, label="Begins at", help_text="Probability from which an event begins."
    )
    leave = forms.FloatField(
        min_value=0,
        max_value=1,
        label="Ends below",
        help_text="Not above the first, or it would end at once.",
    )
    min_seconds = forms.FloatField(min_value=0, label="Lasts at least", help_text="Seconds.")
    consecutive = forms.IntegerField(min_value=1, label="Predictions in a row", help_text="Before it begins.")
    merge_gap = forms.FloatField(min_value=0, label="Bridges gaps of", help_text="Seconds.")
    cooldown = forms.FloatField(
        min_value=0,
        label="Pause between alerts",
        help_text="Seconds; events within it are kept and alert nobody.",
    )
    smoothing = forms.ChoiceField(
        choices=[("exponential", "exponential"), ("median", "median"), ("none", "none")], label="Smoothing"
    )
    smoothing_seconds = forms.FloatField(min_value=0, label="… over", help_text="Seconds.")
    unknown = forms.FloatField(
        min_value=0,
        max_value=1,
        label="Unknown below",
        help_text="What is less probable than this is none of the classes; 0 switches it off.",
    )
    labels = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="These make events"
    )

    def __init__(self, choice: Choice, rules: EventRules, *arguments: Any, **named: Any) -> None:
        self._choice, self._rules = choice, rules
        super().__init__(*arguments, **named)
        for field in self.fields.values():
            if isinstance(field, forms.FloatField) and not isinstance(field, forms.IntegerField):
                field.widget.attrs["step"] = "any"
        self.fields["labels"].choices = [(name, name) for name in choice.classes]  # type: ignore[attr-defined]
        shown = {
            **{name: getattr(rules.default, name) for name in _OF_A_LABEL},
            **{name: getattr(rules, name) for name in ("smoothing", "smoothing_seconds", "unknown")},
            "labels": rules.alerting(choice.classes),
        }
        for name, value in shown.items():
            self.fields[name].initial = value

    def clean(self) -> dict[str, Any]:
        """Have the library judge the settings."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.rules().alerting(self._choice.classes)
            except KinemaError as error:
                said = str(error).removeprefix("event setting ")
                name = said.partition("=")[0]
                self.add_error(name if name in self.fields else None, said.partition(": ")[2] or said)
        if not self.errors and not values["labels"]:
            self.add_error("labels", "At least one, or nothing would ever happen.")
        return values

    def rules(self) -> EventRules:
        """Return the rules with these settings; those of single labels keep what makes them special."""
        values = dict(self.cleaned_data)
        chosen = values.pop("labels")
        # An empty list says all, those of a later training included.
        labels = () if set(chosen) == set(self._choice.classes) else tuple(chosen)
        shared = {name: values.pop(name) for name in _OF_A_LABEL}
        return self._rules.with_default(**shared).changed({**values, "labels": labels, "background": ()})


@require_safe
@admin_required
def index(request: HttpRequest) -> HttpResponse:
    """Every recognizer and its rules."""
    changed = set(Thresholds.objects.values_list("recognizer", flat=True))
    rows = [
        {"choice": one, "rules": event_rules(one), "changed": one.key in changed} for one in recognizers()
    ]
    return render(request, "base/thresholds.html", {"rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def change(request: HttpRequest, key: str) -> HttpResponse:
    """Change the rules of one, or go back to its own."""
    choice = recognizer(key)
    if request.method == "POST" and "reset" in request.POST:
        Thresholds.objects.filter(recognizer=key).delete()
        messages.success(request, f"{choice.title} has its own rules again.")
        return redirect("thresholds")
    form = RulesForm(choice, event_rules(choice), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        Thresholds.objects.update_or_create(recognizer=key, defaults={"rules": form.rules().to_dict()})
        messages.success(request, f"Saved. Live views of {choice.title} that start from now on go by it.")
        return redirect("thresholds")
    return render(
        request,
        "base/threshold.html",
        {
            "form": form,
            "choice": choice,
            "own": own_rules(choice),
            "changed": Thresholds.objects.filter(recognizer=key).exists(),
        },
        status=422 if form.is_bound else 200,
    )
