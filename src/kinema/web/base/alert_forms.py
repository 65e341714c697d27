"""Forms of alerts: the fields of a receiver are the settings of its sink, as in `alerts.toml`."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from django import forms

from kinema.errors import KinemaError
from kinema.streaming.sinks import MailSink, MqttSink, Sink, WebhookSink
from kinema.web.base.alerts import make
from kinema.web.base.models import AlertRule, Receiver
from kinema.web.folder import inside, site
from kinema.web.recognizers import recognizers

_SINKS: dict[str, Callable[..., Sink]] = {"mail": MailSink, "webhook": WebhookSink, "mqtt": MqttSink}
_FIRST = {
    "mail": ("to", "host", "port", "security", "account", "sender"),
    "webhook": ("url", "signed", "account", "thumbnail", "link_base"),
    "mqtt": ("host", "port", "tls", "account", "prefix", "home_assistant"),
}
_OF_THE_RULE = ("name", "labels", "when", "folder")
_CHOICES = {"security": ("starttls", "tls", "none")}
_WORDS: dict[str, tuple[str, str]] = {
    "to": ("To", "One address a line."),
    "host": ("Host", ""),
    "port": ("Port", "Empty: the usual one."),
    "security": ("Encryption", ""),
    "account": (
        "Account",
        "Only to tell several apart: it becomes part of the names of the variables below.",
    ),
    "sender": ("From", "Empty: the user, or the first receiver."),
    "url": (
        "Address",
        "An address that holds a key stays out of here: set KINEMA_WEBHOOK_URL and leave this empty.",
    ),
    "signed": ("Sign requests", "With the secret, so that the receiver knows who sends."),
    "thumbnail": ("With a picture", ""),
    "link_base": ("Where pictures can be had", "For pictures as links."),
    "tls": ("Encrypt", ""),
    "prefix": ("Topic", "Everything is published below it."),
    "home_assistant": ("Announce to Home Assistant", ""),
    "most": ("Mails at most", "What comes on top is collected into one mail."),
    "within": ("… within seconds", ""),
    "digest_every": ("The collected ones every … seconds", ""),
    "timeout": ("Patience in seconds", ""),
    "silenced": ("Also events that a pause silenced", ""),
    "expire_days": ("Give up after days", "So long an alert waits for a receiver that is away."),
    "ca_file": ("Certificate authority", "A PEM file of the folder certificates of this site."),
}


class ReceiverForm(forms.Form):
    """Name and settings of one receiver; `settings()` returns those that differ from the library's defaults."""

    name = forms.CharField(max_length=60, strip=True, label="Name")
    enabled = forms.BooleanField(required=False, initial=True, label="Switched on")

    def __init__(self, kind: str, receiver: Receiver | None, *arguments: Any, **named: Any) -> None:
        self.kind, self.receiver = kind, receiver
        self._parameters = _parameters(kind)
        stored: dict[str, Any] = dict(receiver.settings) if receiver else {}
        super().__init__(*arguments, **named)
        hints = get_type_hints(_SINKS[kind].__init__)  # type: ignore[misc]
        for name, parameter in self._parameters.items():
            default = None if parameter.default is inspect.Parameter.empty else parameter.default
            needed = parameter.default is inspect.Parameter.empty
            self.fields[name] = _field(name, hints[name], needed)
            self.initial[name] = _shown(name, stored.get(name, default))
        if receiver:
            self.initial |= {"name": receiver.name, "enabled": receiver.enabled}

    @property
    def first(self) -> list[forms.BoundField]:
        """The fields that everybody needs."""
        return [self[name] for name in ("name", *_FIRST[self.kind])]

    @property
    def others(self) -> list[forms.BoundField]:
        """The fields that have good defaults."""
        return [self[name] for name in self._parameters if name not in _FIRST[self.kind]]

    def clean_name(self) -> str:
        """Refuse a name that is taken."""
        name: str = self.cleaned_data["name"]
        others = Receiver.objects.exclude(pk=self.receiver.pk) if self.receiver else Receiver.objects.all()
        if others.filter(name=name).exists():
            raise forms.ValidationError("Another receiver has this name.")
        return name

    def clean(self) -> dict[str, Any]:
        """Have the library read the settings, as it would those of a file."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                make(self.kind, {**self.settings(), "name": values["name"]})
            except KinemaError as error:
                self._blame(str(error))
        return values

    def settings(self) -> dict[str, Any]:
        """Return the settings, ready for JSON and TOML."""
        found: dict[str, Any] = {}
        for name, parameter in self._parameters.items():
            value = self.cleaned_data.get(name)
            if name == "to":
                value = [line.strip() for line in str(value).replace(",", "\n").splitlines() if line.strip()]
            elif name == "ca_file" and value:
                value = str(inside(site().place("certificates"), str(value)) or "")
            if value in (None, "") or value == parameter.default:
                continue
            found[name] = value
        return found

    def save(self) -> Receiver:
        """Write the receiver."""
        receiver = self.receiver or Receiver(kind=self.kind)
        receiver.name, receiver.enabled = self.cleaned_data["name"], self.cleaned_data["enabled"]
        receiver.settings = self.settings()
        receiver.save()
        return receiver

    def _blame(self, text: str) -> None:
        # The library names the setting first: "port = 99999: …", "to is empty; …".
        first = text.partition(" ")[0].strip(":'[]")
        self.add_error(first if first in self._parameters else None, text)


class RuleForm(forms.ModelForm):
    """When whom to tell."""

    labels = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Events",
        help_text="None chosen: every event.",
    )
    recognizer = forms.ChoiceField(required=False, label="Recognizer")

    class Meta:
        model = AlertRule
        fields = ("receiver", "recognizer", "labels", "when", "enabled")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        known = recognizers()
        names: list[tuple[str, str]] = [("", "every recognizer"), *((one.key, one.title) for one in known)]
        labels = list(dict.fromkeys(name for one in known for name in one.classes))
        rule = self.instance
        if rule.pk:  # what is gone for now stays chosen
            labels += [name for name in rule.labels if name not in labels]
            if rule.recognizer and rule.recognizer not in dict(names):
                names.append((rule.recognizer, f"{rule.recognizer} (not there)"))
        self.fields["recognizer"].choices = names  # type: ignore[attr-defined]
        self.fields["labels"].choices = [(name, name) for name in labels]  # type: ignore[attr-defined]
        self.fields["receiver"].label = "Tell"
        self.fields["receiver"].empty_label = None  # type: ignore[attr-defined]
        self.fields["when"].label = "When"
        self.fields["enabled"].label = "Switched on"


def _parameters(kind: str) -> dict[str, inspect.Parameter]:
    every = inspect.signature(_SINKS[kind]).parameters
    return {name: value for name, value in every.items() if name not in _OF_THE_RULE}


def _field(name: str, hint: Any, needed: bool) -> forms.Field:
    label, help_text = _WORDS.get(name, (name.replace("_", " ").capitalize(), ""))
    common: dict[str, Any] = {"label": label, "help_text": help_text, "required": needed}
    plain = _without_none(hint)
    if name == "ca_file":
        names = sorted(path.name for path in site().place("certificates").glob("*.pem"))
        return forms.ChoiceField(choices=[("", "the system's"), *((one, one) for one in names)], **common)
    if name in _CHOICES or get_origin(plain) is Literal:
        options = _CHOICES.get(name) or get_args(plain)
        return forms.ChoiceField(choices=[(option, option) for option in options], **common)
    if plain is bool:
        return forms.BooleanField(**{**common, "required": False})
    if plain is int:
        return forms.IntegerField(**common)
    if plain is float:
        return forms.FloatField(**common)
    if name == "to" or get_origin(plain) in (list, tuple, Sequence):
        return forms.CharField(widget=forms.Textarea(attrs={"rows": 2}), **common)
    return forms.CharField(**common)


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (typing.Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        return options[0] if len(options) == 1 else str
    return hint


def _shown(name: str, value: Any) -> Any:
    if name == "ca_file" and value:
        return Path(str(value)).name
    return "\n".join(value) if isinstance(value, list | tuple) else value
