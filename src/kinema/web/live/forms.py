"""The form of an allowed source."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms

from kinema.web.live.models import AllowedSource


class SourceForm(forms.ModelForm):
    """Name, address, whether it may be watched."""

    class Meta:
        model = AllowedSource
        fields: ClassVar = ["name", "address", "enabled"]
        widgets: ClassVar = {"address": forms.TextInput(attrs={"placeholder": "rtsp://camera.local/live"})}

    def clean_address(self) -> Any:
        """Without what a copy brought along."""
        return self.cleaned_data["address"].strip()
